"""The state of a project's round in Redis: the worker writes it, web processes read it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from redis import Redis

from backend.work.redis_access import redis_errors, redis_key

IDLE, QUEUED, SYNCING, TRAINING, SCORING, PUBLISHING, FAILED = (
    "idle",
    "queued",
    "syncing",
    "training",
    "scoring",
    "publishing",
    "failed",
)
STATES = (IDLE, QUEUED, SYNCING, TRAINING, SCORING, PUBLISHING, FAILED)


# The fields of a running step in Redis, each with the function that parses it.
_PROGRESS: dict[str, Callable[[str], float]] = {"done": int, "total": int, "seconds_left": float, "loss": float}


@dataclass(frozen=True)
class Pace:
    """The pace of a step, and the time that it still needs.

    Attributes:
        done: items done.
        total: items to do.
        began_s: clock time when the count began, in seconds.
        began_at: items done at that time.
        seconds_left: seconds until all items are done, at the mean pace; 0 before a pace is known.
    """

    done: int = 0
    total: int = 0
    began_s: float = 0.0
    began_at: int = 0
    seconds_left: float = 0.0

    def after(self, done: int, total: int, now_s: float) -> "Pace":
        """Return the pace at a new count; a smaller count or another total starts a new pace.

        Args:
            done: items done.
            total: items to do.
            now_s: clock time in seconds.
        """
        if total != self.total or done < self.done:
            return Pace(done, total, now_s, done)
        each_s = (now_s - self.began_s) / max(1, done - self.began_at)
        return replace(self, done=done, seconds_left=round(each_s * (total - done), 1))


@dataclass(frozen=True)
class RoundState:
    """The state of a project's round.

    Attributes:
        state: one of STATES.
        progress: progress of the running step, e.g. {"done": 20, "total": 60, "seconds_left": 8.1}; a training adds
            "loss", the loss of its last batch.
        last_error: error message of the last round; empty if it succeeded.
        last_error_code: error code of the last round; empty if it succeeded.
    """

    state: str
    progress: Mapping[str, Any]
    last_error: str
    last_error_code: str


class RoundProgress:
    """Redis's record of a project's running round and of the last round's error."""

    def __init__(self, redis: Redis, project_id: int) -> None:
        self._redis = redis
        self._project_id = project_id
        self._pace = Pace()
        self._key = redis_key("state", project_id)

    def step(self, name: str) -> None:
        """Record that the round begins a step.

        Args:
            name: one of STATES.
        """
        self._redis.hset(self._key, "step", name)
        self._redis.hdel(self._key, *_PROGRESS)
        self._pace = Pace()

    def progress(self, done: int, total: int, loss: float | None = None) -> None:
        """Record the progress of the step.

        Args:
            done: items done.
            total: items to do.
            loss: loss of the last batch of a training; None outside a training.
        """
        self._pace = self._pace.after(done, total, time.monotonic())
        fields: dict[Any, float] = {"done": done, "total": total, "seconds_left": self._pace.seconds_left}
        if loss is not None:
            fields["loss"] = loss
        self._redis.hset(self._key, mapping=fields)

    def end(self, error: str, code: str) -> None:
        """Record that the round ended.

        Args:
            error: error message; empty if the round succeeded.
            code: error code; empty if the round succeeded.
        """
        self._redis.hset(self._key, mapping={"last_error": error, "last_error_code": code})
        self._redis.hdel(self._key, "step", *_PROGRESS)

    def read(self, *, is_running: bool, is_waiting: bool) -> RoundState:
        """Read the state.

        Args:
            is_running: a round of the project runs.
            is_waiting: a round of the project waits.

        Raises:
            RedisUnavailableError: Redis does not answer.
        """
        with redis_errors():
            stored: Any = self._redis.hgetall(self._key)
        fields = {key.decode(): value.decode() for key, value in stored.items()}
        error = fields.get("last_error", "")
        resting = QUEUED if is_waiting else FAILED if error else IDLE
        progress = {name: read(fields[name]) for name, read in _PROGRESS.items() if is_running and name in fields}
        state = fields.get("step", SYNCING) if is_running else resting
        return RoundState(state, progress, error, fields.get("last_error_code", ""))
