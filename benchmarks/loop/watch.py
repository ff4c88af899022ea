"""Waits for a project's rounds and records how long each step takes."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from rich.console import Console

from backend.store.project_folder import ProjectFolder
from backend.work.queue import RoundQueue
from backend.work.states import FAILED, IDLE, SCORING, RoundState
from model.errors import ShortlistError

# A second round starts 5 s after connecting; an interrupted clean-up goes on after 1 s. Workers look once a second.
REST_S = 3.0
REST_AFTER_CONNECTING_S = 7.0
TIMEOUT_S = 1800.0
# Polling more often would take processor time from the measured programs.
POLL_S = 0.05
ASKED, ORDERING = "asked", "ordering"


class LoopError(ShortlistError):
    """A wait failed: the round failed, or the time is over."""

    code = "loop"


@dataclass(frozen=True)
class Watched:
    """The seconds that a wait took, and the states that the project's round passed through.

    Attributes:
        steps_s: seconds by state, in the order of first appearance.
    """

    seconds: float
    steps_s: Mapping[str, float]


class RoundWatch:
    """Watches one project's rounds.

    Args:
        folder: the project's folder.
        rounds: the backend's queue.
        console: shows what is waited for.
    """

    def __init__(self, folder: ProjectFolder, rounds: RoundQueue, console: Console) -> None:
        self._folder = folder
        self._rounds = rounds
        self._console = console

    def state(self) -> RoundState:
        """The state of the project's round, as `/projects/<id>/status` has it."""
        return self._rounds.state(self._folder.project_id)

    def wait_for(self, what: str, is_over: Callable[[], bool], began: float, timeout_s: float = TIMEOUT_S) -> Watched:
        """Wait until `is_over`, and record the states that the round passes through.

        Args:
            what: the name of the wait, for the console and errors.
            is_over: called every POLL_S seconds; must be cheap.
            began: start of the wait, by `time.monotonic()`; the time before this call counts as ASKED.
            timeout_s: when to give up.

        Raises:
            LoopError: `timeout_s` passed, or the round failed.
        """
        steps_s: dict[str, float] = {}
        step, since = ASKED, began
        with self._console.status(what) as status:
            while True:
                over, state, now = is_over(), self.state(), time.monotonic()
                steps_s[step] = steps_s.get(step, 0.0) + now - since
                if over:
                    return Watched(now - began, steps_s)
                if self._error(state) or now - began > timeout_s:
                    raise LoopError(f"{what}: {self._why_not(state, now - began)}")
                step, since = _step(state), now
                done = f" {state.progress['done']}/{state.progress['total']}" if state.progress else ""
                status.update(f"{what}: {step}{done} ({now - began:.0f} s)")
                time.sleep(POLL_S)

    def await_rest(self, rest_s: float = REST_S) -> None:
        """Wait until no round has run or waited for `rest_s` seconds."""
        last_busy = time.monotonic()

        def is_rested() -> bool:
            nonlocal last_busy
            if self.state().state not in (IDLE, FAILED):
                last_busy = time.monotonic()
            return time.monotonic() - last_busy > rest_s

        self.wait_for("until it rests", is_rested, last_busy)

    def _error(self, state: RoundState) -> str:
        """Why the last round failed, or its training, which keeps the order in use."""
        last = self._folder.sync_record.read() if state.state == IDLE else None
        return state.last_error or (last.failure.message if last and last.failure else "")

    def _why_not(self, state: RoundState, waited_s: float) -> str:
        if error := self._error(state):
            return f"the round failed: {error}"
        publication = self._folder.publications.current()
        order = f"{publication.name}, made of {publication.labelled_tasks} labels" if publication else "none yet"
        return f"not within {waited_s:.0f} s; the order in use is {order}, and the state is {state.state}"


def _step(state: RoundState) -> str:
    """The round's state; scoring counts as ORDERING once all texts are scored."""
    is_scored = state.state == SCORING and state.progress and state.progress["done"] == state.progress["total"]
    return ORDERING if is_scored else state.state


def by_step(watched: Iterable[Watched]) -> dict[str, list[float]]:
    """The seconds of every wait, by step."""
    each = list(watched)
    steps = dict.fromkeys(step for one in each for step in one.steps_s)
    return {step: [one.steps_s.get(step, 0.0) for one in each] for step in steps}
