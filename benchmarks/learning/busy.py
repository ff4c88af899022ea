"""A training beside busy programs, against the same training alone, and against idle threads that spin."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from rich.console import Console

from backend.work.worker import NICENESS
from benchmarks.learning.gold import read_set
from benchmarks.learning.learner import as_targets
from benchmarks.machine import described
from model.encoder.processor import use_available_cores
from model.learner.recipes import TrainingConfig
from model.learner.training import load_start, train
from model.types import TrainingData

SET, LABELS, PROGRAMS, ROUNDS = "agnews", 48, 2, 5
# Beside two busy programs on two cores, a fair share makes a training two to three times as long.
TARGET, SLOWER = 4.0, 1.1
# What GNU's runtime spins where nothing is set: about three milliseconds.
SPINNING = {"GOMP_SPINCOUNT": "300000"}
TABLE = Path(__file__).with_name("busy.md")


@dataclass(frozen=True)
class Round:
    """Seconds of one training.

    Attributes:
        alone_s: alone.
        beside_s: beside busy programs of other sessions.
        among_s: beside busy programs of its own session.
        spinning_alone_s: alone, with idle threads that spin.
        spinning_beside_s: beside busy programs of other sessions, with idle threads that spin.
    """

    alone_s: float
    beside_s: float
    among_s: float
    spinning_alone_s: float
    spinning_beside_s: float

    @property
    def ratios(self) -> tuple[float, float, float, float]:
        """Times as long: beside other sessions, in one session, spinning beside others, sleeping against spinning."""
        return (
            self.beside_s / self.alone_s,
            self.among_s / self.alone_s,
            self.spinning_beside_s / self.spinning_alone_s,
            self.alone_s / self.spinning_alone_s,
        )


def run(data: Path, console: Console) -> bool:
    """Train in turn alone and beside busy programs, as niced as a worker; print and write the table.

    Returns:
        Whether the median training beside the others took at most TARGET times as long, and the median training alone
        at most SLOWER times as long as with threads that spin.
    """
    rounds = []
    with (
        _trainer(data, {}) as sleeping,
        _trainer(data, {}, has_session=False) as among,
        _trainer(data, SPINNING) as spinning,
    ):
        for number in range(ROUNDS):
            alone_s, spinning_alone_s = sleeping(), spinning()
            with _busy_programs(PROGRAMS, have_sessions=True):
                beside_s, spinning_beside_s = sleeping(), spinning()
            with _busy_programs(PROGRAMS, have_sessions=False):
                rounds.append(Round(alone_s, beside_s, among(), spinning_alone_s, spinning_beside_s))
            console.print(f"{number + 1} of {ROUNDS}: {rounds[-1].ratios[0]:.1f} times as long")
    TABLE.write_text("\n".join(_table(rounds)) + "\n", encoding="utf-8")
    console.print(TABLE.read_text(encoding="utf-8"), markup=False, highlight=False, soft_wrap=True)
    beside, among_others, _, slower = np.median([each.ratios for each in rounds], axis=0)
    return bool(max(beside, among_others) <= TARGET and slower <= SLOWER)


@contextmanager
def _trainer(data: Path, environment: dict[str, str], *, has_session: bool = True) -> Iterator[Callable[[], float]]:
    """A process that trains when called, and answers with the seconds; it has an environment of its own."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        process = context.Process(target=_train_when_asked, args=(theirs, data, has_session), daemon=True)
        process.start()
    finally:
        os.environ.clear()
        os.environ.update(before)

    def seconds() -> float:
        ours.send(None)
        return float(ours.recv())

    # The first training loads and warms what every later one finds.
    seconds()
    try:
        yield seconds
    finally:
        process.terminate()
        process.join()


def _train_when_asked(asked: Connection, data: Path, has_session: bool) -> None:
    if has_session:
        # As `serve` starts its worker.
        os.setsid()
    os.nice(NICENESS)
    use_available_cores()
    gold = read_set(data, SET)
    targets = as_targets(gold, gold.draw(LABELS, 0))
    start = load_start("", targets.label_set)
    while True:
        asked.recv()
        began = time.monotonic()
        train(TrainingData(targets), TrainingConfig(), start)
        asked.send(time.monotonic() - began)


@contextmanager
def _busy_programs(count: int, *, have_sessions: bool) -> Iterator[None]:
    """Endless loops, each in a session of its own, as a browser has, or all in this program's."""
    with ExitStack() as stack:
        for _ in range(count):
            command = [sys.executable, "-c", "while True: pass"]
            loop = subprocess.Popen(command, start_new_session=have_sessions)  # noqa: S603 - this Python, a loop
            stack.callback(_end, loop)
        # They need a moment to start.
        time.sleep(1.0)
        yield


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait()


def _table(rounds: Sequence[Round]) -> Iterator[str]:
    yield "# A training on a busy machine\n"
    yield (
        f'`make bench ARGS="busy --data FOLDER"` on {described("torch")}. One training of {LABELS} labels of {SET} '
        f"(`RECIPE=auto`, with its folds) at a worker's niceness of {NICENESS}, in turn alone and beside {PROGRAMS} "
        "endless loops. Linux shares cores out by sessions first: loops in sessions of their own are like a browser, "
        "loops in the training's session are like programs on a system that knows no such groups. Idle threads sleep, "
        "as in every process of ours; in the columns to the right they spin, which is the default of OpenMP's "
        "runtime.\n"
    )
    yield (
        "| | alone, s | beside other sessions, s | times as long | in one session, s | times as long "
        "| spinning: alone, s | beside other sessions, s | times as long |"
    )
    yield "|---|---|---|---|---|---|---|---|---|"
    for number, each in enumerate(rounds, 1):
        beside, among, spinning, _ = each.ratios
        yield (
            f"| {number} | {each.alone_s:.1f} | {each.beside_s:.1f} | {beside:.1f} | {each.among_s:.1f} | {among:.1f} "
            f"| {each.spinning_alone_s:.1f} | {each.spinning_beside_s:.1f} | {spinning:.1f} |"
        )
    beside_R, among_R, spinning_R, slower_R = zip(*(each.ratios for each in rounds), strict=True)
    yield (
        f"\nTimes as long, median and range: beside other sessions {_spread(beside_R)}, in one session "
        f"{_spread(among_R)}; at most {TARGET:g}. With threads that spin, beside other sessions: "
        f"{_spread(spinning_R)}. Alone, threads that sleep take {_spread(slower_R, 2)} times the seconds of threads "
        f"that spin; at most {SLOWER:g}."
    )


def _spread(ratios: Sequence[float], digits: int = 1) -> str:
    low, median, high = (f"{each:.{digits}f}" for each in (min(ratios), float(np.median(ratios)), max(ratios)))
    return f"**{median}** ({low} to {high})"
