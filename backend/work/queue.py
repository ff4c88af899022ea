"""The queue of rounds, on RQ and Redis.

For each project at most one round runs and at most one round waits. A request adds no job if a round of the project
waits already. A job carries only the project's id and may run twice: each round reads the project's state itself.
"""

import time
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from threading import Event, Thread
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from rq import Queue
from rq.job import Job

from backend.work.claims import LEASE_S, RENEW_S
from backend.work.cores import Workers
from backend.work.redis_access import redis_errors, redis_key
from backend.work.states import RoundProgress, RoundState

QUEUE = "shortlist"
PARTS_QUEUE = "shortlist-parts"
ROUND_TIMEOUT_S = 6 * 3600
PART_TIMEOUT_S = 600
RETRY_DELAYS_S = (5, 15, 60, 300)
# Most ids of changed tasks that Redis holds for a project. Beyond, a round finds changed tasks by their update times.
MOST_NAMED = 5000
# A member of the set of changed task ids: other tasks changed, too.
_UNNAMED = "unnamed"


class RoundQueue:
    """The waiting and running rounds on one Redis.

    Attributes:
        redis: the connection pool.
        queue: RQ's queue of rounds.
        parts: RQ's queue of parts of running rounds, for workers without a round.
        workers: the living workers.
    """

    def __init__(
        self,
        redis: Redis,
        function: str = "backend.rounds.performing.perform_round",
        part_function: str = "backend.rounds.performing.perform_part",
    ) -> None:
        """Name the functions of the jobs.

        Args:
            redis: the connection pool.
            function: dotted name of the function that runs a round.
            part_function: dotted name of the function that embeds a part.
        """
        self.redis = redis
        self.queue = Queue(QUEUE, connection=redis, default_timeout=ROUND_TIMEOUT_S)
        self.parts = Queue(PARTS_QUEUE, connection=redis, default_timeout=PART_TIMEOUT_S)
        self.workers = Workers(redis)
        self._function = function
        self._part_function = part_function

    def ping(self) -> None:
        """Raise RedisUnavailableError unless Redis answers."""
        with redis_errors():
            self.redis.ping()

    def request(
        self,
        project_id: int,
        *,
        changes: int = 0,
        train: bool = False,
        task_ids: Collection[int] = (),
        are_all_named: bool = True,
    ) -> str:
        """Request a round of a project.

        Args:
            project_id: the project.
            changes: number of annotations or tasks that changed.
            train: train even if no training is due.
            task_ids: tasks that changed.
            are_all_named: `task_ids` holds every changed task.

        Returns:
            Id of the waiting job, which an earlier request may have queued.

        Raises:
            RedisUnavailableError: Redis does not answer.
        """
        with redis_errors():
            if changes:
                self.redis.hincrby(redis_key("changes"), str(project_id), changes)
            if train:
                self.redis.sadd(redis_key("train"), project_id)
            self._note_changed(project_id, task_ids, are_all_named)
            return self._enqueue(project_id)

    def _note_changed(self, project_id: int, task_ids: Collection[int], are_all_named: bool) -> None:
        """Store the ids of changed tasks until a round has read the tasks."""
        members: list[int | str] = list(task_ids) if len(task_ids) <= MOST_NAMED else []
        if not are_all_named or len(members) < len(task_ids):
            members.append(_UNNAMED)
        key = redis_key("changed", project_id)
        if members and self.redis.sadd(key, *members) and int(self.redis.scard(key)) > MOST_NAMED:
            self._forget_names(key)

    def _forget_names(self, key: str) -> None:
        """Replace a set of too many task ids by the mark that tasks changed."""
        with self.redis.pipeline() as pipe:
            pipe.delete(key)
            pipe.sadd(key, _UNNAMED)
            pipe.execute()

    def _changed(self, project_id: int) -> frozenset[str]:
        """Read the set of changed task ids. Redis keeps the set until a round calls `Turn.mark_changes_read`."""
        noted, taken = redis_key("changed", project_id), redis_key("taken", project_id)
        with self.redis.pipeline() as pipe:
            pipe.sunionstore(taken, [taken, noted])
            pipe.delete(noted)
            pipe.execute()
        if int(self.redis.scard(taken)) > MOST_NAMED:
            self._forget_names(taken)
        members: Any = self.redis.smembers(taken)
        return frozenset(member.decode() for member in members)

    def _enqueue(self, project_id: int) -> str:
        """Queue a job and store its id as the project's waiting job, in one transaction."""
        waiting = redis_key("waiting", project_id)
        job = Job.create(
            self._function,
            args=(project_id,),
            id=f"round-{project_id}-{uuid.uuid4().hex[:12]}",
            connection=self.redis,
            timeout=ROUND_TIMEOUT_S,
            result_ttl=0,
            failure_ttl=3600,
        )

        def queue_once(pipe: Any) -> str:
            waiting_id: bytes | None = pipe.get(waiting)
            pipe.multi()
            if waiting_id is not None:
                return waiting_id.decode()
            pipe.set(waiting, job.id)
            self.queue.enqueue_job(job, pipeline=pipe)
            return job.id

        transaction: Any = self.redis.transaction
        return str(transaction(queue_once, waiting, value_from_callable=True))

    def invite(self, project_id: int, parts: Sequence[str]) -> list[str]:
        """Queue parts of a round for free workers. The round does not depend on their help.

        Args:
            project_id: the project of the round.
            parts: names of the parts.

        Returns:
            Ids of the jobs, one for each part.
        """
        jobs = [
            Queue.prepare_data(
                self._part_function,
                args=(project_id, part),
                timeout=PART_TIMEOUT_S,
                result_ttl=0,
                failure_ttl=3600,
                job_id=f"part-{project_id}-{uuid.uuid4().hex[:12]}",
            )
            for part in parts
        ]
        return [job.id for job in self.parts.enqueue_many(jobs)]

    def withdraw(self, job_ids: Sequence[str]) -> None:
        """Remove the jobs of parts that no worker has started.

        Args:
            job_ids: ids that `invite` returned.
        """
        pipe = self.redis.pipeline()
        for job_id in job_ids:
            self.parts.remove(job_id, pipeline=pipe)
        for job_id, was_waiting in zip(job_ids, pipe.execute(), strict=True):
            if was_waiting:
                pipe.delete(Job.key_for(job_id))
        pipe.execute()

    def begin(self, project_id: int) -> "Turn | None":
        """Take the turn to run a project's round.

        Args:
            project_id: the project.

        Returns:
            The turn; None if another worker runs a round of the project. The project then gets another round later.
        """
        owner = uuid.uuid4().hex
        is_ours = self.redis.set(redis_key("running", project_id), owner, nx=True, ex=LEASE_S)
        self.redis.delete(redis_key("waiting", project_id))
        if not is_ours:
            self.request_later(project_id, 1.0)
            return None
        return Turn(self, project_id, self._start(project_id, owner))

    def _start(self, project_id: int, owner: str) -> "TurnStart":
        changes = self.redis.hget(redis_key("changes"), str(project_id))
        self.redis.hdel(redis_key("changes"), str(project_id))
        # Redis keeps the request to train until the round ends: a killed worker must not lose it.
        self.redis.smove(redis_key("train"), redis_key("training"), str(project_id))
        asked_to_train = bool(self.redis.sismember(redis_key("training"), str(project_id)))
        begun: Any = self.redis.hincrby(redis_key("begun"), str(project_id), 1)
        changed = self._changed(project_id)
        return TurnStart(
            owner=owner,
            changes=int(changes or 0),
            asked_to_train=asked_to_train,
            deaths=int(begun) - 1,
            changed_tasks=frozenset(int(member) for member in changed if member != _UNNAMED),
            are_all_named=_UNNAMED not in changed,
        )

    def request_later(self, project_id: int, delay_s: float) -> None:
        """Request a round after a delay.

        Args:
            project_id: the project.
            delay_s: seconds from now; an earlier request for the project stays.

        Raises:
            RedisUnavailableError: Redis does not answer.
        """
        with redis_errors():
            self.redis.zadd(redis_key("later"), {str(project_id): time.time() + delay_s}, lt=True)

    def retry_later(self, project_id: int) -> float:
        """Request another round after a failure; the delay grows with each failure in a row.

        Args:
            project_id: the project.

        Returns:
            The delay in seconds, one of RETRY_DELAYS_S.
        """
        tries = int(self.redis.hincrby(redis_key("tries"), str(project_id), 1))
        delay_s = RETRY_DELAYS_S[min(tries, len(RETRY_DELAYS_S)) - 1]
        self.request_later(project_id, delay_s)
        return delay_s

    def request_due(self) -> None:
        """Queue the delayed rounds that are due. Every worker calls this each second.

        Raises:
            RedisUnavailableError: Redis does not answer.
        """
        with redis_errors():
            due: Any = self.redis.zrangebyscore(redis_key("later"), 0, time.time())
            for project_id in map(int, due):
                is_free = not self.redis.exists(redis_key("running", project_id))
                if is_free and self.redis.zrem(redis_key("later"), project_id):
                    self.request(project_id)

    def recover(self, project_ids: list[int]) -> None:
        """Forget the lost jobs of killed workers, and request a round of every project. A starting worker calls this.

        Args:
            project_ids: all projects of this backend.
        """
        self._drop_jobs_of_earlier_releases()
        queued = set(self.queue.job_ids)
        for project_id in project_ids:
            waiting: Any = self.redis.get(redis_key("waiting", project_id))
            if waiting is not None and waiting.decode() not in queued:
                self.redis.delete(redis_key("waiting", project_id))
            # Events may have been lost while no process ran.
            self.request(project_id, are_all_named=False)

    def _drop_jobs_of_earlier_releases(self) -> None:
        """Drop jobs that name a function which this release does not have; `recover` requests their rounds anew."""
        for queue, function in ((self.queue, self._function), (self.parts, self._part_function)):
            for job in queue.jobs:
                if job.func_name != function:
                    job.delete()

    def forget(self, project_id: int) -> None:
        """Delete Redis's record of a deleted project.

        Args:
            project_id: the project.
        """
        self.redis.zrem(redis_key("later"), project_id)
        self.redis.hdel(redis_key("tries"), str(project_id))
        self.redis.hdel(redis_key("changes"), str(project_id))
        self.redis.delete(redis_key("changed", project_id), redis_key("taken", project_id))

    def state(self, project_id: int) -> RoundState:
        """Read the state of a project's round.

        Args:
            project_id: the project.

        Raises:
            RedisUnavailableError: Redis does not answer.
        """
        with redis_errors():
            is_running = bool(self.redis.exists(redis_key("running", project_id)))
            is_waiting = bool(self.redis.exists(redis_key("waiting", project_id)))
        return RoundProgress(self.redis, project_id).read(is_running=is_running, is_waiting=is_waiting)

    def anybody_waits(self) -> bool:
        """Whether a round of any project waits for a worker."""
        return self.length() > 0

    def anybody_runs(self) -> bool:
        """Whether a round of any project runs."""
        with redis_errors():
            begun: Any = self.redis.hkeys(redis_key("begun"))
            # A killed worker leaves its project in `begun`; its `running` key expires.
            return bool(begun and self.redis.exists(*(redis_key("running", int(project_id)) for project_id in begun)))

    def length(self) -> int:
        """Number of rounds that wait for a worker."""
        with redis_errors():
            return len(self.queue)


@dataclass(frozen=True)
class TurnStart:
    """Redis's record of a project when a turn begins.

    Attributes:
        owner: random name of the turn; Redis holds it while the turn lasts.
        changes: annotations or tasks that changed since the last turn, as counted by events.
        asked_to_train: a person pressed Start Training.
        deaths: number of earlier turns that were not ended, because their workers died.
        changed_tasks: ids of changed tasks that no round has read yet.
        are_all_named: `changed_tasks` holds every changed task, as far as events told.
    """

    owner: str
    changes: int
    asked_to_train: bool
    deaths: int
    changed_tasks: frozenset[int]
    are_all_named: bool


class Turn:
    """The right to run one project's round. A thread renews the right until the turn ends.

    Attributes:
        project_id: the project.
        queue: the queue of rounds.
        changes: see `TurnStart`, like all further attributes.
    """

    def __init__(self, queue: RoundQueue, project_id: int, start: TurnStart) -> None:
        self.project_id = project_id
        self.changes = start.changes
        self.asked_to_train = start.asked_to_train
        self.deaths = start.deaths
        self.changed_tasks = start.changed_tasks
        self.are_all_named = start.are_all_named
        self.queue = queue
        self._redis = queue.redis
        self._owner = start.owner
        self._progress = RoundProgress(queue.redis, project_id)
        self._over = Event()
        self._renewer = Thread(target=self._renew, daemon=True, name=f"turn-{project_id}")
        self._renewer.start()

    def may_linger(self) -> bool:
        """Whether the round may go on with work that is not urgent: no other round waits for a worker."""
        return not self.queue.anybody_waits()

    def come_back(self, delay_s: float) -> None:
        """Request another round of the project after a delay.

        Args:
            delay_s: seconds from now.
        """
        self.queue.request_later(self.project_id, delay_s)

    def mark_changes_read(self) -> None:
        """Record that the changed tasks are read and stored. Until then, every further turn gets their ids again."""
        self._redis.delete(redis_key("taken", self.project_id))

    def step(self, name: str) -> None:
        """Record that the round begins a step.

        Args:
            name: one of `states.STATES`.
        """
        self._progress.step(name)

    def progress(self, done: int, total: int, loss: float | None = None) -> None:
        """Record the progress of the step.

        Args:
            done: items done.
            total: items to do.
            loss: loss of the last batch of a training; None outside a training.
        """
        self._progress.progress(done, total, loss)

    def end(self, error: str = "", code: str = "") -> None:
        """End the turn and record the result of the round.

        Args:
            error: error message; empty if the round succeeded.
            code: error code; empty if the round succeeded.
        """
        self._over.set()
        self._renewer.join()
        self._progress.end(error, code)
        self._redis.hdel(redis_key("begun"), str(self.project_id))
        self._redis.srem(redis_key("training"), str(self.project_id))
        if not error:
            self._redis.hdel(redis_key("tries"), str(self.project_id))
        if self._redis.get(redis_key("running", self.project_id)) == self._owner.encode():
            self._redis.delete(redis_key("running", self.project_id))

    def _renew(self) -> None:
        while not self._over.wait(RENEW_S):
            try:
                self._redis.expire(redis_key("running", self.project_id), LEASE_S)
            except RedisError:
                # Redis does not answer. The round goes on; the turn expires if Redis stays away.
                continue
