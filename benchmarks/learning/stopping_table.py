"""The table of `stopping`: for every simulated project the moment at which the advice says that labels are enough."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

from benchmarks.learning.stopping import LABELS, POOL, SETS, STRATEGY, TEST, Line, read_lines
from benchmarks.machine import described
from model.judging.growth import NEXT_LABELS
from model.judging.history import VersionRecord
from model.stopping import ENOUGH, Advice, advise
from model.types import Recipe

# The promise: at half of LABELS or fewer, accuracy is within so much of what LABELS give.
WITHIN = 0.02
TABLE = Path(__file__).with_name("stopping.md")
TITLES = {
    Recipe.HEAD: "The head alone, on the encoder as it came (`RECIPE=head`)",
    Recipe.AUTO: "The shipped learner (`RECIPE=auto`)",
}
_RECORD = TypeAdapter(VersionRecord)


def write_table() -> None:
    """Write stopping.md from the lines."""
    lines = read_lines()
    recipes = [recipe for recipe in Recipe if any(line["recipe"] == recipe.value for line in lines)]
    text = [
        "# When to stop",
        "",
        f'`make bench ARGS="stopping --data FOLDER"` on {described("torch", "scikit-learn")}; every figure from '
        "`stopping.jsonl`, one line a model version.",
        "",
        f"A project grows to {LABELS} labels: a pool of {POOL} random texts of a set, others for each seed; {STRATEGY} "
        "chooses, a tenth is random; a version is trained when the labels grew by a quarter, by 16 at least. Accuracy "
        f"on up to {TEST} test texts, which the advice never sees.",
        "",
    ]
    for recipe in recipes:
        text += _section(recipe, [line for line in lines if line["recipe"] == recipe.value])
    TABLE.write_text("\n".join(text), encoding="utf-8")


def _section(recipe: Recipe, lines: Sequence[Line]) -> Iterator[str]:
    stops = [_stop(run) for run in _runs(lines).values()]
    yield from [f"## {TITLES.get(recipe, recipe.value)}", ""]
    kept = [stop for stop in stops if stop.is_kept]
    yield f"**{len(kept)} of {len(stops)} projects kept the promise**: when the advice first said that labels are"
    yield f"enough, accuracy was within {100 * WITHIN:.0f} points of what {LABELS} give, with {LABELS // 2} at most."
    could = sum(stop.at_end - stop.at_half <= WITHIN for stop in stops)
    yield f"In {could} of the {len(stops)} this was possible: half of the labels gave that much."
    advised = [stop for stop in stops if stop.lost is not None]
    right = sum(stop.lost is not None and stop.lost <= WITHIN for stop in advised)
    yield f"The advice came in {len(advised)}, sooner or later; in {right} of them accuracy was within these points."
    yield from [
        "",
        "| set | seed | labels | accuracy | with 1,000 | difference | kept, or why not |",
        "|---|---|---|---|---|---|---|",
    ]
    for stop in stops:
        cells = (stop.name, stop.seed, stop.labels or "", *_accuracies(stop), "kept" if stop.is_kept else stop.why)
        yield f"| {' | '.join(map(str, cells))} |"
    yield from ["", _about_gains(lines), "", _about_gate(lines), ""]


@dataclass(frozen=True)
class _Stop:
    """The first time that a project's advice said that labels are enough.

    Attributes:
        labels, accuracy: then; None if it never did.
        last: the advice with the most labels before the end.
        at_half: accuracy with at most half of the labels.
        at_end: accuracy with all labels.
    """

    name: str
    seed: int
    labels: int | None
    accuracy: float | None
    last: Advice
    at_half: float
    at_end: float

    @property
    def lost(self) -> float | None:
        """How much less accuracy was then than with all labels; None without the advice."""
        return None if self.accuracy is None else self.at_end - self.accuracy

    @property
    def is_kept(self) -> bool:
        """At half of the labels or fewer, and within WITHIN of the accuracy that all labels give."""
        if self.labels is None or self.lost is None:
            return False
        return self.labels <= LABELS // 2 and self.lost <= WITHIN

    @property
    def why(self) -> str:
        """Why the promise was not kept."""
        if self.labels is None:
            lacks = f"half of the labels give {100 * (self.at_end - self.at_half):.1f} points less"
            return f"never advised to stop, {lacks}; at {self.last.labels} labels: {self.last.reason}"
        if self.labels > LABELS // 2:
            return "advised later" if self.at_end - self.at_half <= WITHIN else "advised later: half is too few"
        return "advised too early"


def _runs(lines: Sequence[Line]) -> dict[tuple[str, int], list[Line]]:
    runs: dict[tuple[str, int], list[Line]] = {}
    for line in lines:
        runs.setdefault((line["set"], line["seed"]), []).append(line)
    return dict(sorted(runs.items(), key=lambda run: (SETS.index(run[0][0]) if run[0][0] in SETS else 99, run[0])))


def _stop(run: Sequence[Line]) -> _Stop:
    records = [_RECORD.validate_python(line["record"]) for line in run]
    advices = [advise(records[: row + 1]) for row in range(len(run) - 1)]
    first = next((row for row, advice in enumerate(advices) if advice.state == ENOUGH), None)
    return _Stop(
        name=run[0]["set"],
        seed=run[0]["seed"],
        labels=None if first is None else records[first].labels,
        accuracy=None if first is None else run[first]["accuracy"],
        last=advices[-1],
        at_half=next(line["accuracy"] for line in reversed(run) if line["record"]["labels"] <= LABELS // 2),
        at_end=run[-1]["accuracy"],
    )


def _accuracies(stop: _Stop) -> tuple[str, str, str]:
    if stop.accuracy is None:
        return "", f"{100 * stop.at_end:.1f}", ""
    return f"{100 * stop.accuracy:.1f}", f"{100 * stop.at_end:.1f}", f"{100 * (stop.accuracy - stop.at_end):+.1f}"


def _about_gains(lines: Sequence[Line]) -> str:
    """A sentence: how often the interval held the gain that test texts show."""
    held, told = [], []
    for run in _runs(lines).values():
        records = [_RECORD.validate_python(line["record"]) for line in run]
        labels_B, accuracy_B = [record.labels for record in records], [line["accuracy"] for line in run]
        for row, record in enumerate(records):
            gain = advise(records[: row + 1]).gain
            if gain is None or record.labels + NEXT_LABELS > LABELS:
                continue
            true = float(np.interp(record.labels + NEXT_LABELS, labels_B, accuracy_B)) - accuracy_B[row]
            held.append(gain.low <= true <= gain.high)
            told.append((gain.expected, true))
    expected, true = np.mean(told, axis=0)
    return (
        f"The gain of the next {NEXT_LABELS} labels was expected {len(told)} times: {100 * expected:.1f} points on "
        f"average, and {100 * true:.1f} came, by the test texts. The 90 % interval held what came in "
        f"{100 * np.mean(held):.0f} %, though what came has a standard error of about a point itself."
    )


def _about_gate(lines: Sequence[Line]) -> str:
    """A sentence: how often the gate would have held a version that learned from more right labels."""
    compared = [_RECORD.validate_python(line["record"]).paired for line in lines]
    compared = [paired for paired in compared if paired.texts]
    held = sum(paired.is_clearly_worse for paired in compared)
    return f"The gate compared {len(compared)} versions with the one before; it would have held {held} of them."
