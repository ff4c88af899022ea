"""Claims on pieces of work: a process holds a claim while it lives; the claim expires soon after the process dies."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from redis import Redis
from redis.exceptions import RedisError

# A worker renews its claim every RENEW_S seconds. The claim of a killed worker expires after LEASE_S seconds.
LEASE_S = 15
RENEW_S = 5


@contextmanager
def claim(redis: Redis, key: str) -> Iterator[bool]:
    """Try to claim a piece of work, and renew the claim while the block runs.

    Args:
        redis: the Redis that all workers share.
        key: Redis key of the piece of work.

    Yields:
        True if this process has the claim; False if another process has it.
    """
    owner = uuid.uuid4().hex
    if not redis.set(key, owner, nx=True, ex=LEASE_S):
        yield False
        return
    over = Event()
    renewer = Thread(target=_renew, args=(redis, key, over), daemon=True, name=f"claim-{key}")
    renewer.start()
    try:
        yield True
    finally:
        over.set()
        renewer.join()
        if redis.get(key) == owner.encode():
            redis.delete(key)


def _renew(redis: Redis, key: str, over: Event) -> None:
    while not over.wait(RENEW_S):
        try:
            redis.expire(key, LEASE_S)
        except RedisError:
            # Redis does not answer. The work goes on; the claim expires if Redis stays away.
            continue
