"""Waiting for a project's rounds, and seeing where their time goes."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from rich.console import Console

from backend.store.project_folder import ProjectFolder
from backend.work.queue import RoundQueue
from backend.work.states import FAILED, IDLE, SCORING, RoundState
from model.errors import ShortlistError

# Connecting asks for a second round after 5 s, and a clean-up that made way goes on after 1 s; a worker looks for both
# once a second.
REST_S = 3.0
REST_AFTER_CONNECTING_S = 7.0
TIMEOUT_S = 1800.0
# Rarely enough to take no core from what is measured.
POLL_S = 0.05
ASKED, ORDERING = "asked", "ordering"


class LoopError(ShortlistError):
    """Something that was waited for does not come."""

    code = "loop"


@dataclass(frozen=True)
class Watched:
    """How long something took, and in which states the project's round was meanwhile.

    Attributes:
        steps_s: seconds by state, in the order in which they came first.
    """

    seconds: float
    steps_s: Mapping[str, float]


class RoundWatch:
    """Watches one project's rounds.

    Args:
        folder: what the backend keeps of the project.
        rounds: the backend's.
        console: where to say what is waited for.
    """

    def __init__(self, folder: ProjectFolder, rounds: RoundQueue, console: Console) -> None:
        self._folder = folder
        self._rounds = rounds
        self._console = console

    def state(self) -> RoundState:
        """Where its round stands, by what `/projects/<id>/status` reads."""
        return self._rounds.state(self._folder.project_id)

    def wait_for(self, what: str, is_over: Callable[[], bool], began: float, timeout_s: float = TIMEOUT_S) -> Watched:
        """Wait, and see which states the round goes through.

        Args:
            what: is waited for, for people.
            is_over: asked again and again; must be cheap.
            began: since when, by `time.monotonic()`; what was before this call counts as ASKED.
            timeout_s: when to give up.

        Raises:
            LoopError: it did not come in time, or the round failed.
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
        """Wait until no round ran or waited for a while."""
        last_busy = time.monotonic()

        def is_rested() -> bool:
            nonlocal last_busy
            if self.state().state not in (IDLE, FAILED):
                last_busy = time.monotonic()
            return time.monotonic() - last_busy > rest_s

        self.wait_for("until it rests", is_rested, last_busy)

    def _error(self, state: RoundState) -> str:
        """Why the last round failed, or its training, which keeps the order in use."""
        failure = self._folder.synced().get("failure") if state.state == IDLE else None
        return state.last_error or (str(failure["message"]) if failure else "")

    def _why_not(self, state: RoundState, waited_s: float) -> str:
        if error := self._error(state):
            return f"the round failed: {error}"
        publication = self._folder.publication()
        order = f"{publication.name}, made of {publication.labelled_tasks} labels" if publication else "none yet"
        return f"not within {waited_s:.0f} s; the order in use is {order}, and the state is {state.state}"


def _step(state: RoundState) -> str:
    """A round's state; scoring is ordering once all texts are scored."""
    is_scored = state.state == SCORING and state.progress and state.progress["done"] == state.progress["total"]
    return ORDERING if is_scored else state.state


def by_step(watched: Iterable[Watched]) -> dict[str, list[float]]:
    """Seconds of each that was watched, by step."""
    each = list(watched)
    steps = dict.fromkeys(step for one in each for step in one.steps_s)
    return {step: [one.steps_s.get(step, 0.0) for one in each] for step in steps}
