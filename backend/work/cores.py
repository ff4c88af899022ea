"""The number of cores that a worker may use: workers on one machine share its cores."""

import hashlib
import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from redis import Redis
from redis.exceptions import RedisError

from backend.work.claims import LEASE_S
from backend.work.redis_access import redis_key
from model.encoder.processor import available_cores

_WORKERS = redis_key("workers")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Workers:
    """The living workers on one Redis. Each worker renews a timestamp there.

    RQ's own register is of no use here: it lists a killed worker until the timeout of its job.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._is_worker = False
        self.name = f"shortlist-{machine()}-{socket.gethostname()}-{os.getpid()}"

    def sign(self) -> None:
        """Register this process as a living worker; call this again within LEASE_S seconds."""
        self._is_worker = True
        self._redis.zadd(_WORKERS, {self.name: time.time()})
        self._redis.zremrangebyscore(_WORKERS, 0, time.time() - 100 * LEASE_S)

    def leave(self) -> None:
        """Remove this process from the living workers."""
        self._is_worker = False
        # If Redis does not answer, the timestamp grows old and has the same effect.
        with suppress(RedisError):
            self._redis.zrem(_WORKERS, self.name)

    def use_own_share(self) -> None:
        """Set torch's thread count to this worker's share of the cores; do nothing in a process that is no worker.

        Two processes that both use all cores run 5 to 10 times slower.
        """
        if self._is_worker:
            torch.set_num_threads(own_share(self.name, self._alive()))

    def _alive(self) -> list[str]:
        fresh: Any = self._redis.zrangebyscore(_WORKERS, time.time() - LEASE_S, "+inf")
        return [name for name in map(bytes.decode, fresh) if _host(name) != _host(self.name) or _runs(_pid(name))]


def own_share(name: str, alive: list[str]) -> int:
    """Number of cores for one worker, at least 1.

    Workers on one host (a machine or a container) share the cores that the host may use. Containers on one machine
    also share the machine's cores, although each container has its own host name.

    Args:
        name: the worker's name.
        alive: names of all living workers.
    """
    host_workers = sum(_host(other) == _host(name) for other in {*alive, name})
    machine_workers = sum(_machine(other) == _machine(name) for other in {*alive, name})
    return max(1, min(available_cores() // host_workers, _machine_cores() // machine_workers))


def _machine(name: str) -> str:
    return name.split("-")[1]


def _host(name: str) -> str:
    return name.rpartition("-")[0]


def _pid(name: str) -> int:
    return int(name.rpartition("-")[2])


def _runs(pid: int) -> bool:
    """Whether a process of this host lives. A killed worker's timestamp would halve the share of the next worker."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def machine() -> str:
    """Identify this machine and the cores that this process may run on, by a digest.

    Containers on one machine have the same boot id. Containers that are pinned to different cores share no core, and
    get different digests.
    """
    boot_id = _BOOT_ID.read_text(encoding="ascii").strip() if _BOOT_ID.exists() else socket.gethostname()
    return hashlib.blake2b(f"{boot_id} {_own_cores()}".encode(), digest_size=4).hexdigest()


def _own_cores() -> list[int]:
    """Numbers of the cores that this process may run on; empty on macOS, which does not list them."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def _machine_cores() -> int:
    return len(_own_cores()) or os.cpu_count() or 1
