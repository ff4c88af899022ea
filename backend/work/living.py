"""Which workers live, by the keys that they renew in Redis.

Without torch: a container's health check asks each minute, and torch alone takes seconds.
"""

import hashlib
import os
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from redis import Redis
from rq.worker import SimpleWorker
from rq.worker_registration import REDIS_WORKER_KEYS, WORKERS_BY_QUEUE_KEY

WORKER_KEY = SimpleWorker.redis_worker_namespace_prefix
_PREFIX = "shortlist-"
_PID_DIGITS = 10
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def own_name() -> str:
    """The name of this process as a worker: machine, host (a machine or a container) and process id."""
    return f"{_PREFIX}{machine()}-{socket.gethostname()}-{os.getpid()}"


def known_workers(redis: Redis, queue: str = "") -> list[str]:
    """Names of all workers that take jobs of ours and stand in Redis, dead ones among them.

    Args:
        redis: where RQ keeps them.
        queue: name of a queue, for the workers that take jobs from it alone; empty for all.
    """
    raw: Any = redis.smembers(WORKERS_BY_QUEUE_KEY % queue if queue else REDIS_WORKER_KEYS)
    # A stranger's key need not be text.
    keys = sorted({key.decode(errors="replace") for key in raw})
    return [key.removeprefix(WORKER_KEY) for key in keys if key.startswith(WORKER_KEY + _PREFIX)]


def living(redis: Redis, names: Iterable[str]) -> list[str]:
    """Choose the workers that renewed their key, that did not say goodbye, and whose process runs.

    Args:
        redis: where RQ keeps them.
        names: of workers.
    """
    asked, here = list(names), host_of(own_name())
    with redis.pipeline() as pipe:
        for name in asked:
            pipe.hmget(WORKER_KEY + name, "birth", "death")
        found = pipe.execute()
    return [
        name
        for name, (birth, death) in zip(asked, found, strict=True)
        if birth and not death and (host_of(name) != here or _runs(name.rpartition("-")[2]))
    ]


def living_here(redis: Redis) -> list[str]:
    """Names of the living workers of this machine or container.

    Args:
        redis: where RQ keeps them.
    """
    here = host_of(own_name())
    return living(redis, (name for name in known_workers(redis) if host_of(name) == here))


def machine_of(name: str) -> str:
    """The digest of a worker's machine.

    Args:
        name: the worker's.
    """
    return name.split("-")[1]


def host_of(name: str) -> str:
    """A worker's name without its process id: equal for all workers of one machine or container.

    Args:
        name: the worker's.
    """
    return name.rpartition("-")[0]


def machine() -> str:
    """Identify this machine and the cores that this process may run on, by a digest.

    Containers on one machine have the same boot id. Containers that are pinned to different cores share no core, and
    get different digests.
    """
    boot_id = _BOOT_ID.read_text(encoding="ascii").strip() if _BOOT_ID.exists() else socket.gethostname()
    return hashlib.blake2b(f"{boot_id} {own_cores()}".encode(), digest_size=4).hexdigest()


def own_cores() -> list[int]:
    """Numbers of the cores that this process may run on; empty on macOS, which does not list them."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def _runs(pid: str) -> bool:
    """Whether a process of this host lives: its key in Redis outlives it. A stranger's name may end in no number."""
    if not pid.isdecimal() or len(pid) >= _PID_DIGITS:
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
