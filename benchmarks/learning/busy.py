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
# Beside two busy programs on two cores, a fair share makes a training three times as long.
TARGET, SLOWER = 4.0, 1.1
# What GNU's runtime spins where nothing is set: about three milliseconds.
SPINNING = {"GOMP_SPINCOUNT": "300000"}
TABLE = Path(__file__).with_name("busy.md")


@dataclass(frozen=True)
class Round:
    """Seconds of one training, alone and beside busy programs, with idle threads that sleep and that spin."""

    alone_s: float
    beside_s: float
    spinning_alone_s: float
    spinning_beside_s: float

    @property
    def ratio(self) -> float:
        """How many times as long the training took beside the others, as it ships."""
        return self.beside_s / self.alone_s

    @property
    def spinning_ratio(self) -> float:
        """The same with idle threads that spin."""
        return self.spinning_beside_s / self.spinning_alone_s

    @property
    def slower(self) -> float:
        """How many times as long sleeping threads make the training that is alone."""
        return self.alone_s / self.spinning_alone_s


def run(data: Path, console: Console) -> bool:
    """Train in turn alone and beside busy programs, as niced as a worker; print and write the table.

    Returns:
        Whether the median training beside the others took at most TARGET times as long, and the median training alone
        at most SLOWER times as long as with threads that spin.
    """
    rounds = []
    with _trainer(data, {}) as sleeping, _trainer(data, SPINNING) as spinning:
        for number in range(ROUNDS):
            alone_s, spinning_alone_s = sleeping(), spinning()
            with _busy_programs(PROGRAMS):
                rounds.append(Round(alone_s, sleeping(), spinning_alone_s, spinning()))
            console.print(f"{number + 1} of {ROUNDS}: {rounds[-1].ratio:.1f} times as long")
    TABLE.write_text("\n".join(_table(rounds)) + "\n", encoding="utf-8")
    console.print(TABLE.read_text(encoding="utf-8"), markup=False, highlight=False, soft_wrap=True)
    beside, alone = np.median([(each.ratio, each.slower) for each in rounds], axis=0)
    return bool(beside <= TARGET and alone <= SLOWER)


@contextmanager
def _trainer(data: Path, environment: dict[str, str]) -> Iterator[Callable[[], float]]:
    """A process that trains when called, and answers with the seconds; it has an environment of its own."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        process = context.Process(target=_train_when_asked, args=(theirs, data), daemon=True)
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


def _train_when_asked(asked: Connection, data: Path) -> None:
    # `serve` gives its worker a session of its own, and the worker takes this niceness.
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
def _busy_programs(count: int) -> Iterator[None]:
    """Endless loops, each in a session of its own, as a browser would be: Linux shares cores out by sessions."""
    with ExitStack() as stack:
        for _ in range(count):
            command = [sys.executable, "-c", "while True: pass"]
            stack.callback(_end, subprocess.Popen(command, start_new_session=True))  # noqa: S603 - this Python, a loop
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
        f"(`RECIPE=auto`, with its folds), in a session of its own and at a worker's niceness, alone and beside "
        f"{PROGRAMS} endless loops, each in a session of its own, in turn. Idle threads sleep, as in every process of "
        "ours; in the columns to the right they spin, which is the default of OpenMP's runtime.\n"
    )
    yield "| | alone, s | beside the loops, s | times as long | spinning: alone, s | beside, s | times as long |"
    yield "|---|---|---|---|---|---|---|"
    for number, each in enumerate(rounds, 1):
        yield (
            f"| {number} | {each.alone_s:.1f} | {each.beside_s:.1f} | {each.ratio:.1f} | {each.spinning_alone_s:.1f} | "
            f"{each.spinning_beside_s:.1f} | {each.spinning_ratio:.1f} |"
        )
    yield (
        f"\nTimes as long beside the loops, median and range: {_spread([each.ratio for each in rounds])}; at most "
        f"{TARGET:g}. With threads that spin: {_spread([each.spinning_ratio for each in rounds])}. Alone, threads that "
        f"sleep take {_spread([each.slower for each in rounds], 2)} times the seconds of threads that spin; at most "
        f"{SLOWER:g}."
    )


def _spread(ratios: Sequence[float], digits: int = 1) -> str:
    low, median, high = (f"{each:.{digits}f}" for each in (min(ratios), float(np.median(ratios)), max(ratios)))
    return f"**{median}** ({low} to {high})"
