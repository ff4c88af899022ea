"""The living workers on one Redis: who lives, whose jobs must run again, and how many cores each worker may use.

RQ keeps a Redis key for every worker. A worker renews its key each few seconds; the key of a killed worker expires, by
Redis's own clock. RQ itself would believe in a killed worker until the timeout of its job, which is hours for a round.
"""

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

import torch
from redis import Redis
from redis.exceptions import LockError
from redis.lock import Lock
from rq.executions import Execution
from rq.scheduler import RQScheduler
from rq.scripts import release_lock

from backend.work.jobs import JsonQueue
from backend.work.living import WORKER_KEY, host_of, known_workers, living, machine_of, own_cores, own_name
from backend.work.redis_access import redis_key
from model.encoder.processor import available_cores

# A worker renews its key and its turn every RENEW_S seconds. Those of a killed worker expire after LEASE_S seconds.
LEASE_S = 15
RENEW_S = 5


class Workers:
    """The living workers on one Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._is_worker = False
        self.name = own_name()

    def join(self) -> None:
        """Count this process among the workers; a key that an earlier process of the same name left is dropped."""
        self._is_worker = True
        self._redis.delete(WORKER_KEY + self.name)

    def use_own_share(self) -> None:
        """Set torch's thread count to this worker's share of the cores; do nothing in a process that is no worker.

        Two processes that both use all cores run 5 to 10 times slower.
        """
        if self._is_worker:
            torch.set_num_threads(own_share(self.name, [self.name, *self.others()]))

    def others(self, queue: str = "") -> list[str]:
        """Names of the other living workers that take jobs of ours.

        Args:
            queue: name of a queue, for the workers that take jobs from it alone; empty for all.
        """
        return living(self._redis, (name for name in known_workers(self._redis, queue) if name != self.name))

    def run_again(self, queues: Sequence[JsonQueue]) -> None:
        """Let RQ put the jobs of killed workers back on their queues, or fail those that were put back too often.

        Args:
            queues: the queues whose started jobs are looked at.
        """
        lock = Lock(self._redis, redis_key("sweep"), timeout=LEASE_S, blocking=False)
        if not lock.acquire():
            return
        with suppress(LockError):
            for queue in queues:
                registry = queue.started_job_registry
                dead = self._of_dead_workers(queue.started())
                if dead:
                    # RQ takes jobs for abandoned whose time is up.
                    self._redis.zadd(registry.key, dict.fromkeys(dead, 0.0), xx=True)
                    registry.cleanup(timestamp=0)
            lock.release()

    def free_scheduler(self, queue: JsonQueue) -> None:
        """Take the lock on delayed jobs from a killed worker.

        Args:
            queue: the queue whose delayed jobs wait for their time.
        """
        key = RQScheduler.get_locking_key(queue.name)
        found: Any = self._redis.get(key)
        owner = found.decode(errors="replace") if found is not None else self.name
        if owner != self.name and not living(self._redis, [owner]):
            release_lock(self._redis, key, owner)

    def _of_dead_workers(self, started: Iterable[tuple[str, str]]) -> list[str]:
        """Return the registry's entries of started jobs whose worker is dead."""
        executions = [Execution(id_, job_id, self._redis) for job_id, id_ in started]
        named: list[Any] = [self._redis.hget(execution.key, "worker_name") for execution in executions]
        workers = [name.decode(errors="replace") if name else "" for name in named]
        alive = set(living(self._redis, {*workers} - {""}))
        return [
            execution.composite_key
            for execution, worker in zip(executions, workers, strict=True)
            if worker not in alive
        ]


def own_share(name: str, alive: list[str]) -> int:
    """Number of cores for one worker, at least 1.

    Workers on one host (a machine or a container) share the cores that the host may use. Containers on one machine
    also share the machine's cores, although each container has its own host name.

    Args:
        name: the worker's name.
        alive: names of all living workers.
    """
    host_workers = sum(host_of(other) == host_of(name) for other in {*alive, name})
    machine_workers = sum(machine_of(other) == machine_of(name) for other in {*alive, name})
    return max(1, min(available_cores() // host_workers, _machine_cores() // machine_workers))


def _machine_cores() -> int:
    return len(own_cores()) or os.cpu_count() or 1
