"""The JSON lines of a simulation, one a point: write them, and resume a run that was cut short."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from model.errors import InvalidGoldError
from model.simulation.learning_curves import Point
from model.simulation.simulate import Key, key_of


@dataclass(frozen=True)
class PointLines:
    """An open output and the points that an earlier run wrote to it."""

    lines: TextIO
    measured: Mapping[Key, Point]

    def write_new(self, points: Iterable[Point]) -> Iterator[Point]:
        """Yield each point; write a point that the earlier run lacks as soon as it comes, so that none is lost."""
        for point in points:
            if key_of(point) not in self.measured:
                print(json.dumps(point.line()), file=self.lines, flush=True)
            yield point


@contextmanager
def open_points(out: Path | None, setup: dict[str, Any], *, resume: bool) -> Iterator[PointLines]:
    """Open the output of a simulation.

    Args:
        out: the file; None: stdout.
        setup: the set-up's fingerprint, written beside the file.
        resume: whether the file may have lines of an earlier run of the same set-up.

    Raises:
        InvalidGoldError: the file has lines, and `resume` is off or the lines are from another set-up.
    """
    if out is None:
        yield PointLines(sys.stdout, {})
        return
    beside = out.with_name(f"{out.name}.setup.json")
    measured: dict[Key, Point] = {}
    if out.exists() and out.stat().st_size:
        if not resume:
            raise InvalidGoldError(f"{out} has lines already: name another file, or --resume to go on with that run")
        if json.loads(beside.read_text(encoding="utf-8")) != setup:
            raise InvalidGoldError(
                f"{out} was measured on other data or with other options ({beside.name}): name another file"
            )
        measured = {key_of(point): point for point in _read_points(out)}
    beside.write_text(json.dumps(setup, indent=1) + "\n", encoding="utf-8")
    with out.open("a", encoding="utf-8") as file:
        yield PointLines(file, measured)


def _read_points(out: Path) -> Iterator[Point]:
    """Read an earlier run's points; cut off a last line that a killed run left without an end."""
    whole, _, torn = out.read_text(encoding="utf-8").rpartition("\n")
    if torn:
        out.write_text(f"{whole}\n" if whole else "", encoding="utf-8")
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            yield Point(**json.loads(line))
        except (ValueError, TypeError) as error:
            raise InvalidGoldError(f"{out}, line {number} is not from a simulation ({error})") from error
