"""Charts as geometry: coordinates in an SVG picture. A template draws the chart, and a table beside has the numbers."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from backend.store.figures import TrainingRecord
from model.figures.held_out import Bin
from model.figures.shares import Share

WIDTH, HEIGHT = 640.0, 280.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 14.0, 12.0, 38.0
# If the largest label count is this many times the smallest, the axis is logarithmic.
_WIDE_RANGE = 4.0
# Least distance between two labels of the axis.
_LEAST_GAP = 44.0


@dataclass(frozen=True)
class Mark:
    """A point, and the interval around it, in the coordinates of the picture.

    Attributes:
        x, y: the point.
        low, high: ends of its interval; None without an interval.
        words: shown to people who point at the mark.
    """

    x: float
    y: float
    low: float | None
    high: float | None
    words: str


@dataclass(frozen=True)
class Series:
    """Points of one kind, joined by a line.

    Attributes:
        name: for the legend.
        style: name of its style in the style sheet.
        marks: in order of x.
    """

    name: str
    style: str
    marks: tuple[Mark, ...]

    @property
    def path(self) -> str:
        """The line through the points, as a path of SVG."""
        return "M" + " L".join(f"{mark.x:.1f},{mark.y:.1f}" for mark in self.marks) if self.marks else ""


@dataclass(frozen=True)
class Tick:
    """A place on an axis, and the words there."""

    at: float
    words: str


@dataclass(frozen=True)
class Chart:
    """A picture with two axes.

    Attributes:
        series: the lines, the first on top.
        x_ticks, y_ticks: the axes.
        diagonal: end points of a line of reference, x1, y1, x2, y2; None for none.
    """

    series: tuple[Series, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    diagonal: tuple[float, float, float, float] | None = None
    width: float = WIDTH
    height: float = HEIGHT
    left: float = _LEFT
    right: float = WIDTH - _RIGHT
    top: float = _TOP
    bottom: float = HEIGHT - _BOTTOM


def percent(share: float) -> str:
    """A share as a percentage with one decimal, such as 87.5 %; no line breaks within it."""
    return f"{100 * share:.1f}\N{NO-BREAK SPACE}%"


def learning_curve(trainings: Sequence[TrainingRecord]) -> Chart | None:
    """Draw accuracy over labels: on the random tenth, out of fold, and with random labels; None without a figure."""
    known = [each for each in trainings if each.out_of_fold.of or each.fair.of]
    if not known:
        return None
    labels = [each.labels for each in known]
    x = _labels_axis(min(labels), max(labels))
    fair = [(each.labels, _point(each.fair)) for each in known if each.fair.of]
    out_of_fold = [(each.labels, _point(each.out_of_fold)) for each in known if each.out_of_fold.of]
    random = [(each.labels, _random_point(each)) for each in known if each.random and each.fair.of]
    floor = _floor([point[1] if point[1] is not None else point[0] for _, point in (*fair, *out_of_fold, *random)])
    y = _share_axis(floor)
    series = (
        Series("random tenth", "fair", _marks(fair, x, y)),
        Series("out of fold", "fold", _marks(out_of_fold, x, y)),
        Series("random labelling, estimated", "random", _marks(random, x, y)),
    )
    drawn = tuple(each for each in series if each.marks)
    return Chart(drawn, tuple(_label_ticks(labels, x)), tuple(_share_ticks(floor, y)))


def calibration_chart(bins: Sequence[Bin]) -> Chart | None:
    """Draw how often answers of like confidence are right; None without answers."""
    if not bins:
        return None
    x: Callable[[float], float] = lambda share: _LEFT + share * (WIDTH - _LEFT - _RIGHT)  # noqa: E731
    y = _share_axis(0.0)
    marks = tuple(
        Mark(
            x(each.confidence),
            y(each.right),
            None,
            None,
            f"{each.answers} answers said with {percent(each.confidence)}: {percent(each.right)} right",
        )
        for each in bins
    )
    ticks = tuple(Tick(x(share / 5), f"{20 * share} %") for share in range(6))
    return Chart(
        (Series("answers", "fair", marks),), ticks, tuple(_share_ticks(0.0, y)), (x(0.0), y(0.0), x(1.0), y(1.0))
    )


_Point = tuple[float, float | None, float | None]


def _point(share: Share) -> _Point:
    low, high = share.interval or (None, None)
    return share.value or 0.0, low, high


def _random_point(training: TrainingRecord) -> _Point:
    """The accuracy of the random tenth, less what choosing adds by the paired estimate."""
    estimate = random_accuracy(training)
    return estimate if estimate is not None else (0.0, None, None)


def random_accuracy(training: TrainingRecord) -> tuple[float, float, float] | None:
    """Estimate the accuracy with as many random labels, and its interval; None without a paired estimate."""
    if training.random is None or not training.fair.of:
        return None
    accuracy = training.fair.count / training.fair.of
    bounds = (accuracy - training.random.gain, accuracy - training.random.high, accuracy - training.random.low)
    estimate, low, high = (min(1.0, max(0.0, bound)) for bound in bounds)
    return estimate, low, high


def _marks(
    points: Sequence[tuple[int, _Point]], x: Callable[[float], float], y: Callable[[float], float]
) -> tuple[Mark, ...]:
    return tuple(
        Mark(
            x(labels),
            y(value),
            None if low is None else y(low),
            None if high is None else y(high),
            f"{labels} labels: {percent(value)}"
            + ("" if low is None or high is None else f" ({percent(low)} to {percent(high)})"),
        )
        for labels, (value, low, high) in points
    )


def _floor(shares: Sequence[float]) -> float:
    """Return where the axis of shares begins: at the tenth below the lowest drawn share."""
    return max(0.0, math.floor(10 * min(shares, default=0.0)) / 10)


def _share_axis(floor: float) -> Callable[[float], float]:
    high, low = _TOP, HEIGHT - _BOTTOM
    return lambda share: low - (max(floor, share) - floor) / (1 - floor) * (low - high) if floor < 1 else high


def _share_ticks(floor: float, y: Callable[[float], float]) -> Iterator[Tick]:
    step = 1 if floor >= 0.6 else 2
    for tenth in range(round(10 * floor), 11, step):
        yield Tick(y(tenth / 10), f"{10 * tenth} %")


def _labels_axis(least: int, most: int) -> Callable[[float], float]:
    left, right = _LEFT + 12, WIDTH - _RIGHT - 12
    if least == most:
        return lambda _: (left + right) / 2
    if most < _WIDE_RANGE * least:
        return lambda labels: left + (labels - least) / (most - least) * (right - left)
    return lambda labels: left + math.log(labels / least) / math.log(most / least) * (right - left)


def _label_ticks(labels: Sequence[int], x: Callable[[float], float]) -> Iterator[Tick]:
    """Yield the label counts of trainings for which there is room, and the last count always."""
    last, taken = max(labels), -math.inf
    for count in sorted(set(labels)):
        is_free = x(count) - taken >= _LEAST_GAP and x(last) - x(count) >= _LEAST_GAP
        if count == last or is_free:
            taken = x(count)
            yield Tick(x(count), f"{count:,}")
