"""People who label at once, each with an account and a session of their own, at a human pace."""

import itertools
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np

from benchmarks.loop.project import BenchProject
from examples.accounts import sign_up

# Seconds that a person takes to read a text and choose a label: 15 on average.
PACE_S = (10.0, 20.0)
# Seconds until a person who was told that no text is left asks again.
ASK_AGAIN_S = 10.0
TIMEOUT_S = 120.0


@dataclass
class Labelled:
    """Everything that people did together.

    Attributes:
        next_s: seconds of each `/next`.
        annotation_s: seconds of each annotation that Label Studio took.
        served: for each `/next`, the number of the person and the task.
        given: the tasks that people labelled.
        turned_away: how often a person was told that no text is left.
        problems: answers that a person would see as an error.
    """

    next_s: list[float] = field(default_factory=list)
    annotation_s: list[float] = field(default_factory=list)
    served: list[tuple[int, int]] = field(default_factory=list)
    given: list[int] = field(default_factory=list)
    turned_away: int = 0
    problems: list[str] = field(default_factory=list)

    def served_to_several(self) -> int:
        """How many tasks were served to more than one person."""
        people = {(person, task) for person, task in self.served}
        return len(people) - len({task for _, task in people})


@contextmanager
def signed_up_people(url: str, count: int) -> Iterator[list[httpx.Client]]:
    """Sign people up in Label Studio; yields a session for each.

    Raises:
        AccountError: Label Studio refused.
    """
    batch = secrets.token_hex(4)
    with ExitStack() as stack:
        sessions = [
            stack.enter_context(httpx.Client(base_url=url, timeout=TIMEOUT_S, follow_redirects=True, trust_env=False))
            for _ in range(count)
        ]
        for number, session in enumerate(sessions):
            sign_up(session, f"person-{batch}-{number}@example.com", secrets.token_hex(8))
        yield sessions


def label_for(project: BenchProject, people: Sequence[httpx.Client], seconds: float) -> Labelled:
    """Have everybody label until the time is over; each ends with the text in hand.

    Args:
        project: the project, with gold labels.
        people: a session for each.
        seconds: how long.

    Returns:
        What they did.
    """
    done, end = Labelled(), time.monotonic() + seconds
    over = threading.Event()
    with ThreadPoolExecutor(len(people)) as threads:
        working = [
            threads.submit(_Person(number, session, project, done).label_until, end, over)
            for number, session in enumerate(people)
        ]
        try:
            for person in working:
                person.result()
        finally:
            over.set()
    return done


class _Person:
    def __init__(self, number: int, session: httpx.Client, project: BenchProject, done: Labelled) -> None:
        self._number = number
        self._session = session
        self._project = project
        self._done = done
        self._rng = np.random.default_rng(number)

    def label_until(self, end: float, over: threading.Event) -> None:
        """Label one text after the other."""
        # Nobody starts in the same second.
        pause_s = self._rng.uniform(0.0, PACE_S[1])
        for _ in itertools.count():
            if over.wait(pause_s) or time.monotonic() > end:
                return
            pause_s = self._label_one(over)

    def _label_one(self, over: threading.Event) -> float:
        """Label the next text; returns how many seconds later to ask for another."""
        path = f"/api/projects/{self._project.project_id}/next"
        answer, seconds = self._timed("GET", path)
        if answer is None:
            return 0.0
        if answer.status_code == httpx.codes.NOT_FOUND:
            self._done.turned_away += 1
            return ASK_AGAIN_S
        task = answer.json()
        self._done.next_s.append(seconds)
        self._done.served.append((self._number, task["id"]))
        over.wait(self._rng.uniform(*PACE_S))
        path = f"/api/tasks/{task['id']}/annotations/"
        answer, seconds = self._timed("POST", path, self._project.answer(task))
        if answer is not None:
            self._done.annotation_s.append(seconds)
            self._done.given.append(task["id"])
        return 0.0

    def _timed(self, method: str, path: str, body: Any = None) -> tuple[httpx.Response | None, float]:
        """Send a request; returns the answer, or None after an error, and the seconds."""
        began = time.perf_counter()
        try:
            answer = self._session.request(method, path, json=body)
        except httpx.TransportError as error:
            self._done.problems.append(f"{method} {path}: {type(error).__name__}")
            return None, 0.0
        seconds = time.perf_counter() - began
        if answer.is_error and answer.status_code != httpx.codes.NOT_FOUND:
            self._done.problems.append(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
            return None, seconds
        return answer, seconds
