"""Learning curves, the area under them, and the strategies that are ahead by more than chance."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import stats

from model.types import FloatArray, IntArray

FULL_POOL = "full_pool"
"""Stands in place of a strategy's name for the training on the whole pool."""
CONFIDENCE = 0.95
# With two seeds, both differences are too often equal by chance, above all with few held-out texts: no interval.
MIN_SEEDS = 3


@dataclass(frozen=True)
class Point:
    """One training of a simulation: one line of its output.

    Attributes:
        strategy: name of the strategy that chose the labelled texts, or FULL_POOL.
        seed: of the start, the choices and the training.
        labels: number of labelled texts, whichever questions they answer.
        accuracy: on held-out texts, in [0, 1].
        macro_f1: on held-out texts, in [0, 1].
        fit_s: seconds of the training.
        query_s: seconds of the last query, of all questions together.
        question: name of the question; empty where the gold labels name none.
        mae: mean absolute error in stars on held-out texts; None for other answers than stars.
    """

    strategy: str
    seed: int
    labels: int
    accuracy: float
    macro_f1: float
    fit_s: float
    query_s: float
    question: str = ""
    mae: float | None = None

    def line(self) -> dict[str, Any]:
        """The point as an object of JSON, without a question that has no name, and without an error that is none."""
        return {key: value for key, value in asdict(self).items() if value not in ("", None)}


@dataclass(frozen=True)
class Curve:
    """Accuracy of one strategy over label counts.

    Attributes:
        seeds_S: S seeds that have every budget.
        labels_B: label counts, rising.
        accuracy_S_B: in [0, 1].
        query_s_B: mean seconds of a query over seeds.
        mae_S_B: mean absolute error in stars; None for other answers than stars.
    """

    seeds_S: tuple[int, ...]
    labels_B: IntArray
    accuracy_S_B: FloatArray
    query_s_B: FloatArray
    mae_S_B: FloatArray | None = None

    def areas(self) -> FloatArray:
        """Area under each seed's curve, divided by its width: area_S, a mean accuracy in [0, 1].

        The area is taken over the logarithm of the labels, since budgets double: over the labels themselves the last
        doubling would be half of the area.
        """
        if len(self.labels_B) == 1:
            return self.accuracy_S_B[:, 0]
        logarithm_B = np.log2(self.labels_B)
        area_S: FloatArray = np.trapezoid(self.accuracy_S_B, logarithm_B, axis=1) / (logarithm_B[-1] - logarithm_B[0])
        return area_S


@dataclass(frozen=True)
class Difference:
    """A mean of paired differences over seeds, from low to high by Student's t interval."""

    mean: float
    low: float
    high: float
    seeds: int


def by_question(points: Iterable[Point]) -> dict[str, list[Point]]:
    """The points of each question, in order of appearance."""
    found: dict[str, list[Point]] = {}
    for point in points:
        found.setdefault(point.question, []).append(point)
    return found


def mean_of_questions(points: Iterable[Point]) -> list[Point]:
    """The points of all questions together: mean accuracy and F1 of a strategy's trainings on the same texts."""
    together: dict[tuple[str, int, int], list[Point]] = {}
    for point in points:
        together.setdefault((point.strategy, point.seed, point.labels), []).append(point)
    return [
        Point(
            strategy=strategy,
            seed=seed,
            labels=labels,
            accuracy=float(np.mean([point.accuracy for point in each])),
            macro_f1=float(np.mean([point.macro_f1 for point in each])),
            fit_s=sum(point.fit_s for point in each),
            query_s=each[0].query_s,
        )
        for (strategy, seed, labels), each in together.items()
    ]


def curves(points: Iterable[Point]) -> dict[str, Curve]:
    """Learning curves by strategy, in order of appearance; seeds that lack a budget are left out."""
    by_strategy: dict[str, dict[int, dict[int, Point]]] = {}
    for point in points:
        if point.strategy != FULL_POOL:
            by_strategy.setdefault(point.strategy, {}).setdefault(point.seed, {})[point.labels] = point
    found = {strategy: _curve(by_seed) for strategy, by_seed in by_strategy.items()}
    return {strategy: curve for strategy, curve in found.items() if curve.seeds_S}


def _curve(by_seed: Mapping[int, Mapping[int, Point]]) -> Curve:
    labels = sorted({count for by_labels in by_seed.values() for count in by_labels})
    whole = {seed: by_labels for seed, by_labels in sorted(by_seed.items()) if len(by_labels) == len(labels)}
    points_S_B = [[by_labels[count] for count in labels] for by_labels in whole.values()]
    shape = (len(whole), len(labels))

    def values_S_B(name: str) -> FloatArray:
        return np.array([[getattr(point, name) for point in row] for row in points_S_B], dtype=float).reshape(shape)

    query_s_B = values_S_B("query_s").mean(axis=0) if whole else np.zeros(len(labels))
    has_errors = all(point.mae is not None for row in points_S_B for point in row)
    mae_S_B = values_S_B("mae") if has_errors else None
    return Curve(tuple(whole), np.array(labels), values_S_B("accuracy"), query_s_B, mae_S_B)


def full_pool_accuracy(points: Iterable[Point]) -> float | None:
    """Mean accuracy with the whole pool labelled, in [0, 1]; None if it was not measured."""
    accuracies = [point.accuracy for point in points if point.strategy == FULL_POOL]
    return float(np.mean(accuracies)) if accuracies else None


def labels_needed(curve: Curve, accuracy: float) -> int | None:
    """Labels at which the mean curve first reaches an accuracy; None if it never does.

    Between two budgets the curve is a straight line over the logarithm of the labels.
    """
    mean_B = curve.accuracy_S_B.mean(axis=0)
    reached = np.flatnonzero(mean_B >= accuracy)
    if not len(reached):
        return None
    last = int(reached[0])
    if last == 0:
        return int(curve.labels_B[0])
    # A whole number plus a rounding error must not be rounded up.
    steps = np.log2(curve.labels_B[last - 1 : last + 1])
    between = np.interp(accuracy, mean_B[last - 1 : last + 1], steps)
    return int(np.ceil(2.0**between - 1e-6))


def difference(one: Curve, other: Curve, confidence: float = CONFIDENCE) -> Difference | None:
    """Area under one curve minus the area under another, over the seeds of both; None with fewer than three seeds."""
    shared = sorted(set(one.seeds_S) & set(other.seeds_S))
    return interval([_area(one, seed) - _area(other, seed) for seed in shared], confidence)


def interval(differences: Sequence[float], confidence: float = CONFIDENCE) -> Difference | None:
    """Mean and Student's t interval of paired differences; None with fewer than three."""
    if len(differences) < MIN_SEEDS:
        return None
    mean, error = float(np.mean(differences)), float(stats.sem(differences))
    if error == 0:
        return Difference(mean, mean, mean, len(differences))
    low, high = stats.t.interval(confidence, len(differences) - 1, mean, error)
    return Difference(mean, float(low), float(high), len(differences))


def _area(curve: Curve, seed: int) -> float:
    return float(curve.areas()[curve.seeds_S.index(seed)])


def recommend(found: Mapping[str, Curve], baseline: str, default: str) -> str:
    """Recommend a strategy, in sentences for people, with its interval.

    Args:
        found: learning curves by strategy.
        baseline: the strategy that others are compared with: drawing at random.
        default: the strategy that Shortlist uses unless told otherwise; recommended where none is better beyond
            chance.
    """
    if baseline not in found:
        return f"Nothing to compare with: simulate --strategy {baseline} too."
    rivals = [name for name in found if name != baseline]
    if not rivals:
        return "Nothing to compare: simulate more than one strategy."
    # Bonferroni: all intervals hold together with 95 % confidence, so that picking the best one is fair.
    confidence = 1 - (1 - CONFIDENCE) / len(rivals)
    leads = {name: difference(found[name], found[baseline], confidence) for name in rivals}
    ahead_of = {name: lead for name, lead in leads.items() if lead is not None}
    if len(ahead_of) < len(leads):
        return f"With fewer than {MIN_SEEDS} seeds of every strategy, any lead may be chance: take five or more."
    beating = {name: lead for name, lead in ahead_of.items() if lead.low > 0}
    if not beating:
        return _nothing_beats(ahead_of, baseline)
    best = max(beating, key=lambda name: beating[name].mean)
    alike = [name for name in beating if name != best and not _is_behind(found[name], found[best])]
    chosen = default if default in alike else best
    also = [name for name in (best, *alike) if name != chosen]
    sentence = f"Use {chosen}: {_points(ahead_of[chosen])} over {baseline}."
    return f"{sentence} As good within chance: {', '.join(also)}." if also else sentence


def _nothing_beats(ahead_of: Mapping[str, Difference], baseline: str) -> str:
    possible = {name: lead for name, lead in ahead_of.items() if lead.high > 0}
    if not possible:
        return f"Use {baseline}: every other strategy is behind it beyond chance on these texts."
    nearest = max(possible, key=lambda name: possible[name].mean)
    return (
        f"No strategy beats {baseline} beyond chance on these texts. The nearest is {nearest}: "
        f"{_points(possible[nearest])}. More seeds may tell."
    )


def _is_behind(one: Curve, best: Curve) -> bool:
    ahead = difference(best, one)
    return ahead is not None and ahead.low > 0


def _points(lead: Difference) -> str:
    return (
        f"{100 * lead.mean:+.1f} points of accuracy ({100 * lead.low:+.1f} to {100 * lead.high:+.1f} with "
        f"{CONFIDENCE:.0%} confidence for all comparisons at once, {lead.seeds} seeds)"
    )
