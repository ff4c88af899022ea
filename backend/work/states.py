"""Where a project's round stands: said by who runs it, read by who asks."""

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


# What is told of a running step, as Redis keeps it and as it is read.
_PROGRESS: dict[str, Callable[[str], float]] = {"done": int, "total": int, "seconds_left": float, "loss": float}


@dataclass(frozen=True)
class Pace:
    """How fast something is counted.

    Attributes:
        done, total: where the count stands.
        began_s: when it began, by a clock; began_at: and with how many.
        seconds_left: until all is counted, at the mean pace; 0 while there is none.
    """

    done: int = 0
    total: int = 0
    began_s: float = 0.0
    began_at: int = 0
    seconds_left: float = 0.0

    def after(self, done: int, total: int, now_s: float) -> "Pace":
        """The count as it stands now; one of something else begins anew."""
        if total != self.total or done < self.done:
            return Pace(done, total, now_s, done)
        each_s = (now_s - self.began_s) / max(1, done - self.began_at)
        return replace(self, done=done, seconds_left=round(each_s * (total - done), 1))


@dataclass(frozen=True)
class RoundState:
    """Where a project's round stands.

    Attributes:
        state: one of STATES.
        progress: what the running step has done so far, e.g. {"done": 20, "total": 60, "seconds_left": 8.1}; in a
            training with the loss of its last batch.
        last_error: a sentence, empty after a round that went well.
    """

    state: str
    progress: Mapping[str, Any]
    last_error: str
    last_error_code: str


class RoundProgress:
    """What is told of a project's running round, and of how the last one went."""

    def __init__(self, redis: Redis, project_id: int) -> None:
        self._redis = redis
        self._project_id = project_id
        self._pace = Pace()
        self._key = redis_key("state", project_id)

    def step(self, name: str) -> None:
        """Say which step the round is in."""
        self._redis.hset(self._key, "step", name)
        self._redis.hdel(self._key, *_PROGRESS)
        self._pace = Pace()

    def progress(self, done: int, total: int, loss: float | None = None) -> None:
        """Say how far the step is, and in a training what the loss is."""
        self._pace = self._pace.after(done, total, time.monotonic())
        told: dict[Any, float] = {"done": done, "total": total, "seconds_left": self._pace.seconds_left}
        if loss is not None:
            told["loss"] = loss
        self._redis.hset(self._key, mapping=told)

    def end(self, error: str, code: str) -> None:
        """Say how the round went; both are empty if it went well."""
        self._redis.hset(self._key, mapping={"last_error": error, "last_error_code": code})
        self._redis.hdel(self._key, "step", *_PROGRESS)

    def read(self, *, runs: bool, waits: bool) -> RoundState:
        """What was told.

        Args:
            runs: whether a round of the project runs.
            waits: whether one waits.

        Raises:
            RedisUnavailableError: Redis does not answer.
        """
        with redis_errors():
            stored: Any = self._redis.hgetall(self._key)
        fields = {key.decode(): value.decode() for key, value in stored.items()}
        error = fields.get("last_error", "")
        resting = QUEUED if waits else FAILED if error else IDLE
        progress = {name: read(fields[name]) for name, read in _PROGRESS.items() if runs and name in fields}
        state = fields.get("step", SYNCING) if runs else resting
        return RoundState(state, progress, error, fields.get("last_error_code", ""))
