"""The state of a project's round: RQ's job keeps the progress of the running round, Redis the error of the last one."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from rq.job import Job

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

# The fields of a job's `meta`: the step, and its progress.
_STEP, _PROGRESS = "step", ("done", "total", "seconds_left", "loss")


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
    """The step and the progress of a running round, in its job's `meta`."""

    def __init__(self, job: Job, is_shown: Callable[[], bool]) -> None:
        """Start without a step.

        Args:
            job: RQ's job that runs the round.
            is_shown: returns False once another worker may run the job: then nothing is written any more.
        """
        self._job = job
        self._is_shown = is_shown
        self._pace = Pace()

    def step(self, name: str) -> None:
        """Record that the round begins a step.

        Args:
            name: one of STATES.
        """
        self._pace = Pace()
        self._show({_STEP: name})

    def progress(self, done: int, total: int, loss: float | None = None) -> None:
        """Record the progress of the step.

        Args:
            done: items done.
            total: items to do.
            loss: loss of the last batch of a training; None outside a training.
        """
        self._pace = self._pace.after(done, total, time.monotonic())
        shown = {"done": done, "total": total, "seconds_left": self._pace.seconds_left, "loss": loss}
        known = {name: value for name, value in shown.items() if value is not None}
        self._show({_STEP: self._job.meta.get(_STEP, SYNCING), **known})

    def _show(self, meta: Mapping[str, Any]) -> None:
        self._job.meta = dict(meta)
        if self._is_shown():
            self._job.save_meta()  # type: ignore[no-untyped-call]


def read_state(meta: Mapping[str, Any] | None, *, is_waiting: bool, error: str, code: str) -> RoundState:
    """Put together the state of a project's round.

    Args:
        meta: the running job's `meta`; None if no round runs.
        is_waiting: a round of the project waits.
        error: error message of the last round; empty if it succeeded.
        code: error code of the last round.
    """
    if meta is None:
        return RoundState(QUEUED if is_waiting else FAILED if error else IDLE, {}, error, code)
    progress = {name: meta[name] for name in _PROGRESS if name in meta}
    return RoundState(str(meta.get(_STEP, SYNCING)), progress, error, code)
