"""RQ with JSON in place of pickles, and with jobs of ours alone.

RQ pickles by default, and reading a pickle runs code. A job can also name callbacks, which RQ imports and calls, and
web addresses, which RQ asks. Here a job is JSON, names a function of `forms.ARGUMENTS` with arguments of its form, and
has nothing else. Any other job is deleted with a line in the log, as if it had never been queued.
"""

import logging
import re
from collections.abc import Mapping
from typing import Any

from redis import Redis
from rq import Queue
from rq.exceptions import DeserializationError, NoSuchJobError
from rq.job import Job, parse_job_id
from rq.serializers import JSONSerializer
from rq.utils import now
from rq.worker import SimpleWorker

from backend.work.forms import ARGUMENTS

# Fields of RQ's jobs that ours never have: the first four name code to call or addresses to ask.
_FOREIGN_FIELDS = (
    "success_callback_name",
    "failure_callback_name",
    "stopped_callback_name",
    "webhooks",
    "dependency_id",
    "dependency_ids",
    "group_id",
    "repeats_left",
)
# Errors that RQ raises if a job's fields are garbage. A pydantic ValidationError is a ValueError, too.
_UNREADABLE = (
    AttributeError,
    DeserializationError,
    NoSuchJobError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
)
# How RQ names a running job: job's id and execution's id.
_STARTED = re.compile(rb"([\w-]+):([\w-]+)")

log = logging.getLogger(__name__)


class JsonJob(Job):
    """A job of ours. Reading any other job deletes it and raises NoSuchJobError."""

    def __init__(self, id: str | None = None, connection: Redis | None = None, serializer: Any = None) -> None:
        """Describe a job.

        Args:
            id: the job's id; RQ makes one if it is None.
            connection: the connection pool.
            serializer: what RQ would read it with; not used.
        """
        super().__init__(id, connection, JSONSerializer)

    @classmethod
    def fetch(cls, id: str, connection: Redis | None = None, serializer: Any = None) -> "JsonJob":
        """Read a job.

        Args:
            id: the job's id.
            connection: the connection pool.
            serializer: what RQ would read it with; not used.

        Raises:
            NoSuchJobError: there is no such job, or it is no job of ours.
        """
        try:
            job = cls(parse_job_id(id), connection)
        except ValueError as error:
            log.warning("event=job_refused job=%s reason=%s", id, "it is no id of a job")
            raise NoSuchJobError(f"{id!r} is no id of a job") from error
        job.refresh()  # type: ignore[no-untyped-call]
        return job

    def restore(self, raw_data: Mapping[bytes, bytes]) -> None:
        """Take the fields that Redis holds.

        Args:
            raw_data: the fields.

        Raises:
            NoSuchJobError: it is no job of ours.
        """
        try:
            _check_fields(raw_data)
            super().restore(raw_data)
            self._check_call()
        except _UNREADABLE as error:
            log.warning("event=job_refused job=%s reason=%s", self.id, _reason(error))
            self.connection.delete(self.key)
            raise NoSuchJobError(f"{self.id} is no job of ours") from error

    def _check_call(self) -> None:
        """Look at function and arguments. RQ imports the function only when the job runs."""
        if not isinstance(self.func_name, str) or self.func_name not in ARGUMENTS:
            raise ValueError(f"the function {str(self.func_name)[:100]!r} is not allowed")
        if self.instance is not None or self.kwargs != {}:
            raise ValueError("it has an object or named arguments")
        ARGUMENTS[self.func_name].validate_python(self.args)


def _check_fields(raw_data: Mapping[bytes, bytes]) -> None:
    for name in _FOREIGN_FIELDS:
        if raw_data.get(name.encode()):
            raise ValueError(f"it has the field {name}")


def _reason(error: Exception) -> str:
    """Why a job is refused, without its texts: pydantic would quote them."""
    return str(error) if type(error) is ValueError else f"it cannot be read ({type(error).__name__})"


class JsonQueue(Queue):
    """A queue of JsonJobs. A job that is refused, or an id that is none, does not hold up the others."""

    def __init__(self, name: str, connection: Redis, **settings: Any) -> None:
        """Name the queue.

        Args:
            name: its name.
            connection: the connection pool.
            **settings: more of RQ's.
        """
        super().__init__(name, connection, **{**settings, "job_class": JsonJob, "serializer": JSONSerializer})

    @classmethod
    def dequeue_any(cls, *arguments: Any, **settings: Any) -> tuple[Job, Queue] | None:
        """Take the next job of several queues, as RQ does.

        Args:
            *arguments: as of RQ.
            **settings: as of RQ.
        """
        while True:
            try:
                return super().dequeue_any(*arguments, **settings)
            except UnicodeDecodeError:
                log.warning("event=job_refused reason=%s", "its id is no text")

    def enqueue_dependents(self, *_: Any, **__: Any) -> None:
        """Queue nothing: no job of ours waits for another."""

    def drop_refused(self) -> None:
        """Drop all waiting jobs that are not ours, such as the pickled jobs of an earlier release."""
        waiting: Any = self.connection.lrange(self.key, 0, -1)
        for raw_id in waiting:
            try:
                # RQ takes ids without a job from the queue.
                self.fetch_job(raw_id.decode())
            except UnicodeDecodeError:
                log.warning("event=job_refused reason=%s", "its id is no text")
                self.connection.lrem(self.key, 0, raw_id)

    def enqueue_due(self, now_s: float) -> None:
        """Queue the delayed jobs whose time has come. Of all workers only the one with the scheduler's lock may do so.

        Args:
            now_s: clock time in seconds.
        """
        key = self.scheduled_job_registry.key
        due: Any = self.connection.zrangebyscore(key, 0, now_s)
        for raw_id in due:
            with self.connection.pipeline() as pipe:
                job = self.fetch_job(raw_id.decode(errors="replace"))
                if job is not None:
                    self.enqueue_job(job, pipeline=pipe)
                pipe.zrem(key, raw_id)
                pipe.execute()

    def started(self) -> list[tuple[str, str]]:
        """Job and execution ids of the jobs that run. Entries that RQ did not write are removed: it fails on them."""
        key = self.started_job_registry.key
        entries: Any = self.connection.zrange(key, 0, -1)
        found = {entry: _STARTED.fullmatch(entry) for entry in entries}
        if strange := [entry for entry, ids in found.items() if ids is None]:
            self.connection.zrem(key, *strange)
        return [(ids[1].decode(), ids[2].decode()) for ids in found.values() if ids is not None]


class JsonWorker(SimpleWorker):
    """RQ's worker for JsonQueues. It takes jobs from Redis and no commands: RQ's could end this process."""

    job_class = JsonJob
    queue_class: type[Queue] = JsonQueue

    def __init__(self, queues: list[JsonQueue], connection: Redis, **settings: Any) -> None:
        """Name the queues.

        Args:
            queues: the queues; jobs come from the first one that has any.
            connection: the connection pool.
            **settings: more of RQ's.
        """
        super().__init__(queues, connection=connection, **{**settings, "serializer": JSONSerializer})

    def subscribe(self) -> None:
        """Listen to no commands."""

    def run_maintenance_tasks(self) -> None:
        """Clean what RQ keeps of past jobs. Groups, which are not ours, hold pickles."""
        try:
            self.clean_registries()  # type: ignore[no-untyped-call]
        except _UNREADABLE as error:
            self.last_cleaned_at = now()  # type: ignore[assignment]
            log.warning("event=not_cleaned reason=%s", f"what RQ keeps of past jobs cannot be read: {error}")
