"""How many cores a worker may use: its machine's, shared with the workers beside it."""

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
    """The workers on one Redis, each known by a sign of life that it renews.

    RQ's own register believes a killed worker alive for as long as its job might have taken.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._is_one = False
        self.name = f"shortlist-{machine()}-{socket.gethostname()}-{os.getpid()}"

    def sign(self) -> None:
        """Say that this process is a worker and lives; to be repeated well within LEASE_S."""
        self._is_one = True
        self._redis.zadd(_WORKERS, {self.name: time.time()})
        self._redis.zremrangebyscore(_WORKERS, 0, time.time() - 100 * LEASE_S)

    def leave(self) -> None:
        """Say that this process ends."""
        self._is_one = False
        # Without Redis the sign goes out by itself.
        with suppress(RedisError):
            self._redis.zrem(_WORKERS, self.name)

    def use_own_share(self) -> None:
        """Give torch this worker's share of the cores; nothing in a process that is none.

        Two processes that each take all cores run 5 to 10 times slower.
        """
        if self._is_one:
            torch.set_num_threads(own_share(self.name, self._alive()))

    def _alive(self) -> list[str]:
        fresh: Any = self._redis.zrangebyscore(_WORKERS, time.time() - LEASE_S, "+inf")
        return [name for name in map(bytes.decode, fresh) if _host(name) != _host(self.name) or _runs(_pid(name))]


def own_share(name: str, alive: list[str]) -> int:
    """Cores for one of the workers that are alive, at least 1.

    Workers of one host (a machine, or a container) share what it was given, which may be less than the machine has;
    containers of one machine share its cores too, though each has a name of its own.
    """
    of_host = sum(_host(other) == _host(name) for other in {*alive, name})
    of_machine = sum(_machine(other) == _machine(name) for other in {*alive, name})
    return max(1, min(available_cores() // of_host, _cores_of_machine() // of_machine))


def _machine(name: str) -> str:
    return name.split("-")[1]


def _host(name: str) -> str:
    return name.rpartition("-")[0]


def _pid(name: str) -> int:
    return int(name.rpartition("-")[2])


def _runs(pid: int) -> bool:
    """Whether a process of this host lives: a killed worker's last sign would halve its successor's share."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def machine() -> str:
    """What stands for this machine and for the cores of it that this process may run on.

    Containers of one kernel have its boot id in common; those that were pinned to different cores share none.
    """
    boot_id = _BOOT_ID.read_text(encoding="ascii").strip() if _BOOT_ID.exists() else socket.gethostname()
    return hashlib.blake2b(f"{boot_id} {_own_cores()}".encode(), digest_size=4).hexdigest()


def _own_cores() -> list[int]:
    """The cores this process may run on, where the system says so (macOS does not)."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def _cores_of_machine() -> int:
    return len(_own_cores()) or os.cpu_count() or 1
