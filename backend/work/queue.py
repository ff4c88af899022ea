"""The queue of rounds, on RQ and Redis.

For each project at most one round runs and at most one round waits. RQ refuses a job whose id it knows, and a project
has two job ids: while one job runs, the other waits. Two further ids are for rounds after a delay. A job carries only
the project's id and may run twice: each round reads the project's state itself.

A project's errand, which somebody asked for on its page, waits in the same queue; there is one at most.
"""

import re
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from redis import Redis
from rq import Retry
from rq.exceptions import DuplicateJobError, NoSuchJobError
from rq.job import Job, JobStatus

from backend.errors import UnknownProjectError
from backend.work.forms import PERFORM_ERRAND, PERFORM_ROUND
from backend.work.jobs import JsonJob, JsonQueue
from backend.work.redis_access import redis_errors
from backend.work.requests import Requested, Requests
from backend.work.states import RoundState, read_state
from backend.work.turn import Turn, record_key, turn_key
from backend.work.workers import Workers

QUEUE = "shortlist"
PARTS_QUEUE = "shortlist-parts"
ROUND_TIMEOUT_S = 6 * 3600
# Most deaths of workers in one round: then it is not run again. The usual cause is too little memory.
MAX_DEATHS = 3
_STATUSES = {status.value.encode(): status for status in JobStatus}
_JOB_ID = re.compile(r"(?:round|later)-(\d+)-[ab]")
_ERRAND_ID = re.compile(r"errand-\d+")
_ALIVE = frozenset({JobStatus.QUEUED, JobStatus.STARTED, JobStatus.SCHEDULED})


class RoundQueue:
    """The waiting and running rounds on one Redis.

    Attributes:
        redis: the connection pool.
        queue: RQ's queue of rounds.
        parts: RQ's queue of parts of running rounds, for workers without a round.
        workers: the living workers.
    """

    def __init__(self, redis: Redis, function: str = PERFORM_ROUND) -> None:
        """Name the function of the jobs.

        Args:
            redis: the connection pool.
            function: dotted name of the function that runs a round; one of `forms.ARGUMENTS`.
        """
        self.redis = redis
        self.queue = JsonQueue(QUEUE, redis, default_timeout=ROUND_TIMEOUT_S)
        self.parts = JsonQueue(PARTS_QUEUE, redis)
        self.workers = Workers(redis)
        self._function = function
        self._suspects: set[int] = set()
        self._missed: set[str] = set()

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
            Requests(self.redis, project_id).add(Requested(changes, train, frozenset(task_ids), are_all_named))
            return self._enqueue(project_id)

    def _enqueue(self, project_id: int) -> str:
        """Queue a job unless one waits. Whoever takes the waiting job finds the request, which is in Redis already."""
        jobs = job_ids(project_id)
        for job_id, status in zip(jobs, self.statuses(jobs), strict=True):
            if status == JobStatus.QUEUED:
                return job_id
        now_or_next = jobs[:2]
        for job_id in now_or_next:
            with suppress(DuplicateJobError):
                self.queue.enqueue_job(self._job(job_id, project_id), unique=True)
                return job_id
            if self.statuses([job_id]) == [JobStatus.QUEUED]:
                return job_id
        # One job runs, and the other waits for its time: the time is now.
        self.redis.zadd(self.queue.scheduled_job_registry.key, dict.fromkeys(now_or_next, 0.0), xx=True)
        return now_or_next[1]

    def _job(self, job_id: str, project_id: int, function: str = "") -> Job:
        return self.queue.create_job(
            function or self._function,
            args=(project_id,),
            job_id=job_id,
            retry=Retry(MAX_DEATHS),
            result_ttl=0,
            failure_ttl=0,
        )

    def request_later(self, project_id: int, delay_s: float) -> None:
        """Request a round after a delay.

        Args:
            project_id: the project.
            delay_s: seconds from now; an earlier request of this kind stays.

        Raises:
            RedisUnavailableError: Redis does not answer.
        """
        due = datetime.now(UTC) + timedelta(seconds=delay_s)
        with redis_errors():
            for job_id in job_ids(project_id)[2:]:
                with suppress(DuplicateJobError):
                    self.queue.schedule_job(self._job(job_id, project_id), due, unique=True)
                    return
                if self.statuses([job_id]) == [JobStatus.SCHEDULED]:
                    key = self.queue.scheduled_job_registry.key
                    self.redis.zadd(key, {job_id: int(due.timestamp())}, xx=True, lt=True)
                    return

    def request_errand(self, project_id: int) -> bool:
        """Have a worker do the errand that the project's folder describes.

        Args:
            project_id: the project.

        Returns:
            False if an errand of the project waits or runs already.

        Raises:
            RedisUnavailableError: Redis does not answer.
        """
        if self.has_errand(project_id):
            return False
        job_id = errand_id(project_id)
        with redis_errors(), suppress(DuplicateJobError):
            # The record of a job that nobody will run would keep its id.
            self.redis.delete(Job.key_for(job_id))
            self.queue.enqueue_job(self._job(job_id, project_id, PERFORM_ERRAND), unique=True)
            return True
        return False

    def has_errand(self, project_id: int) -> bool:
        """Whether an errand of the project waits or runs."""
        with redis_errors():
            (status,) = self.statuses([errand_id(project_id)])
        return status in _ALIVE

    def drop_errand(self, project_id: int) -> None:
        """Drop an errand that waits; a worker that does one notices by the project's folder.

        Args:
            project_id: the project.

        Raises:
            RedisUnavailableError: Redis does not answer.
        """
        job_id = errand_id(project_id)
        with redis_errors():
            self.queue.remove(job_id)
            if job_id not in {started for started, _ in self.queue.started()}:
                self.redis.delete(Job.key_for(job_id))

    def enqueue_due(self) -> None:
        """Queue the delayed rounds whose time has come. Only the worker that has the scheduler's lock may call this."""
        self.queue.enqueue_due(time.time())

    def begin(self, job: Job) -> Turn | None:
        """Take the turn to run a project's round.

        Args:
            job: the job that runs the round.

        Returns:
            The turn; None if another worker runs a round of the project.

        Raises:
            RedisUnavailableError: Redis does not answer.
        """
        turn = Turn(self.redis, int(job.args[0]), job, deaths_of(job))
        with redis_errors():
            return turn if turn.take() else None

    def look_after(self, project_ids: Iterable[int]) -> None:
        """Repair what killed workers left: put their jobs back, and queue rounds and errands whose jobs are lost.

        Every worker calls this each few seconds.

        Args:
            project_ids: the projects that this worker knows.

        Raises:
            RedisUnavailableError: Redis does not answer.
        """
        with redis_errors():
            self.workers.run_again([self.queue, self.parts])
            self.workers.free_scheduler(self.queue)
            projects = list(project_ids)
            # A worker takes a job from the queue a moment before it says that it runs it.
            missed = {job_id for project_id in projects for job_id in self._missing(project_id)}
            for job_id in missed & self._missed:
                self.queue.push_job_id(job_id)
            self._missed = missed - self._missed
            idle = {project_id for project_id in projects if self._is_forgotten(project_id)}
            for project_id in idle & self._suspects:
                self._start_anew(project_id)
            self._suspects = idle - self._suspects

    def look_at(self, project_ids: Iterable[int], within_s: float) -> None:
        """See that each project has a round within some seconds: events may be lost, and faults end without an event.

        Args:
            project_ids: the projects. One that Label Studio does not know any more is left alone.
            within_s: seconds until the round, unless one is due sooner.

        Raises:
            RedisUnavailableError: Redis does not answer.
        """
        for project_id in project_ids:
            with redis_errors():
                is_gone = self._error(project_id)[1] == UnknownProjectError.code
            if not is_gone:
                self.request_later(project_id, within_s)

    def recover(self, project_ids: Iterable[int]) -> None:
        """Run the jobs of killed workers again, and request a round of every project. A starting worker calls this.

        Args:
            project_ids: all projects of this backend.
        """
        # An earlier release pickled its jobs; the rounds are requested anew.
        for queue in (self.queue, self.parts):
            queue.drop_refused()
        self.workers.run_again([self.queue, self.parts])
        for project_id in project_ids:
            # Events may have been lost while no process ran.
            self.request(project_id, are_all_named=False)
            if self._is_forgotten(project_id):
                self._start_anew(project_id)

    def _is_forgotten(self, project_id: int) -> bool:
        """Whether somebody asked for a round, no job will run it, and the last round did not fail."""
        if Requests(self.redis, project_id).is_empty() or self._error(project_id)[0]:
            return False
        started = {job_id for job_id, _ in self.queue.started()}
        return not any(
            job_id in started
            or self.queue.get_job_position(job_id) is not None
            or self.redis.zscore(self.queue.scheduled_job_registry.key, job_id) is not None
            for job_id in job_ids(project_id)
        )

    def _missing(self, project_id: int) -> Iterator[str]:
        """Yield a project's jobs that pass for waiting and are in no queue.

        A worker took such a job, and was killed, or Redis refused, before the worker could say that it runs the job.
        """
        jobs = (*job_ids(project_id), errand_id(project_id))
        waiting = [job for job, status in zip(jobs, self.statuses(jobs), strict=True) if status == JobStatus.QUEUED]
        if waiting:
            held = {*self.queue.job_ids, *(job_id for job_id, _ in self.queue.started())}
            yield from (job_id for job_id in waiting if job_id not in held)

    def _start_anew(self, project_id: int) -> None:
        """Delete the records of jobs that nobody will run, and queue another."""
        for job_id in job_ids(project_id):
            self.redis.delete(Job.key_for(job_id))
        self._enqueue(project_id)

    def forget(self, project_id: int) -> None:
        """Delete Redis's record of a deleted project.

        Args:
            project_id: the project.

        Raises:
            RedisUnavailableError: Redis does not answer.
        """
        with redis_errors():
            Requests(self.redis, project_id).forget()

    def state(self, project_id: int) -> RoundState:
        """Read the state of a project's round.

        Args:
            project_id: the project.

        Raises:
            RedisUnavailableError: Redis does not answer.
        """
        with redis_errors():
            token: Any = self.redis.get(turn_key(project_id))
            meta = self._meta(token.decode(errors="replace").split(":")[0]) if token else None
            error, code = self._error(project_id)
            is_waiting = JobStatus.QUEUED in self.statuses(job_ids(project_id))
        return read_state(meta, is_waiting=is_waiting, error=error, code=code)

    def _meta(self, job_id: str) -> dict[str, Any]:
        try:
            return JsonJob.fetch(job_id, connection=self.redis).get_meta(refresh=False)
        except NoSuchJobError:
            return {}

    def _error(self, project_id: int) -> tuple[str, str]:
        """Return message and code of the last round's error; both are empty if it succeeded."""
        found: list[Any] = self.redis.hmget(record_key(project_id), ["error", "code"])
        error, code = (field.decode(errors="replace") if field else "" for field in found)
        return error, code

    def statuses(self, job_ids: Sequence[str]) -> list[JobStatus | None]:
        """Read the statuses of jobs; None where there is no such job.

        Args:
            job_ids: the jobs.
        """
        with self.redis.pipeline() as pipe:
            for job_id in job_ids:
                pipe.hget(Job.key_for(job_id), "status")
            found = pipe.execute()
        return [_STATUSES.get(status) for status in found]

    def anybody_waits(self) -> bool:
        """Whether a round of any project waits for a worker."""
        return self.length() > 0

    def anybody_runs(self) -> bool:
        """Whether a round or an errand of any project runs."""
        with redis_errors():
            ids = [job_id for job_id, _ in self.queue.started()]
            if any(map(_ERRAND_ID.fullmatch, ids)):
                return True
            started = [found for job_id in ids if (found := _JOB_ID.fullmatch(job_id))]
            # The job of a killed worker stays started for seconds; its turn expires as soon.
            return bool(started and self.redis.exists(*(turn_key(int(found[1])) for found in started)))

    def living_workers(self) -> int:
        """Number of living workers that run rounds; helpers and this process are left out."""
        with redis_errors():
            return len(self.workers.others(self.queue.name))

    def length(self) -> int:
        """Number of rounds that wait for a worker."""
        with redis_errors():
            return len(self.queue)


def deaths_of(job: Job) -> int:
    """Return the number of workers that died over a job."""
    return MAX_DEATHS - (job.retries_left if job.retries_left is not None else MAX_DEATHS)


def errand_id(project_id: int) -> str:
    """Return the id of the job of a project's errand."""
    return f"errand-{project_id}"


def job_ids(project_id: int) -> tuple[str, str, str, str]:
    """Return the ids of a project's jobs: two for rounds at once, and two for rounds after a delay."""
    return f"round-{project_id}-a", f"round-{project_id}-b", f"later-{project_id}-a", f"later-{project_id}-b"
