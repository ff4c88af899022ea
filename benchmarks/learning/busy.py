"""A training beside busy programs, against the same training alone."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from backend.work.worker import NICENESS
from benchmarks.learning.gold import read_set
from benchmarks.learning.learner import as_targets
from benchmarks.machine import described
from model.encoder.processor import use_available_cores
from model.learner.recipes import TrainingConfig
from model.learner.training import Start, load_start, train
from model.types import Targets, TrainingData

SET, LABELS, PROGRAMS, PAIRS = "agnews", 48, 2, 5
# Beside two busy programs on two cores, a fair share makes a training three times as long.
TARGET = 4.0
TABLE = Path(__file__).with_name("busy.md")


@dataclass(frozen=True)
class Pair:
    """Seconds of one training, alone and beside busy programs."""

    alone_s: float
    beside_s: float

    @property
    def ratio(self) -> float:
        """How many times as long the training took beside the others."""
        return self.beside_s / self.alone_s


def run(data: Path, console: Console) -> bool:
    """Train in turn alone and beside busy programs, as niced as a worker; print and write the table.

    Returns:
        Whether the median training beside the others took at most TARGET times as long.
    """
    os.nice(NICENESS)
    use_available_cores()
    gold = read_set(data, SET)
    targets = as_targets(gold, gold.draw(LABELS, 0))
    start = load_start("", targets.label_set)
    _seconds(targets, start)
    pairs = []
    for number in range(PAIRS):
        alone_s = _seconds(targets, start)
        with _busy_programs(PROGRAMS):
            pairs.append(Pair(alone_s, _seconds(targets, start)))
        console.print(f"pair {number + 1} of {PAIRS}: {pairs[-1].ratio:.1f} times as long")
    TABLE.write_text("\n".join(_table(pairs)) + "\n", encoding="utf-8")
    console.print(TABLE.read_text(encoding="utf-8"), markup=False, highlight=False, soft_wrap=True)
    return float(np.median([pair.ratio for pair in pairs])) <= TARGET


def _seconds(targets: Targets, start: Start) -> float:
    began = time.monotonic()
    train(TrainingData(targets), TrainingConfig(), start)
    return time.monotonic() - began


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


def _table(pairs: Sequence[Pair]) -> Iterator[str]:
    ratios = [pair.ratio for pair in pairs]
    yield "# A training on a busy machine\n"
    yield (
        f'`make bench ARGS="busy --data FOLDER"` on {described("torch")}. One training of {LABELS} labels of {SET} '
        f"(`RECIPE=auto`, with its folds), at a worker's niceness, alone and beside {PROGRAMS} endless "
        "loops, in turn.\n"
    )
    yield "| pair | alone, s | beside the loops, s | times as long |"
    yield "|---|---|---|---|"
    for number, pair in enumerate(pairs, 1):
        yield f"| {number} | {pair.alone_s:.1f} | {pair.beside_s:.1f} | {pair.ratio:.1f} |"
    yield f"\nMedian: **{np.median(ratios):.1f} times** ({min(ratios):.1f} to {max(ratios):.1f}); at most {TARGET:g}."
