"""Claims on pieces of work: held while one lives, and free again soon after one dies."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from redis import Redis
from redis.exceptions import RedisError

# Who works on something says so this often; one that was killed is believed alive no longer than the lease.
LEASE_S = 15
RENEW_S = 5


@contextmanager
def claim(redis: Redis, key: str) -> Iterator[bool]:
    """Try to take a piece of work, and keep it while the block runs.

    Args:
        redis: where everybody looks.
        key: what stands for the piece of work.

    Yields:
        Whether it is ours; if not, somebody else has it.
    """
    owner = uuid.uuid4().hex
    if not redis.set(key, owner, nx=True, ex=LEASE_S):
        yield False
        return
    over = Event()
    keeper = Thread(target=_keep, args=(redis, key, over), daemon=True, name=f"claim-{key}")
    keeper.start()
    try:
        yield True
    finally:
        over.set()
        keeper.join()
        if redis.get(key) == owner.encode():
            redis.delete(key)


def _keep(redis: Redis, key: str, over: Event) -> None:
    while not over.wait(RENEW_S):
        try:
            redis.expire(key, LEASE_S)
        except RedisError:
            # Redis is away; the work goes on, and the lease runs out if it stays away.
            continue
