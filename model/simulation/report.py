"""A simulation's result as one self-contained HTML page: recommendation, curves, table."""

import io
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, NullLocator, ScalarFormatter

from model.encoder.processor import available_cores
from model.links import ONE_OF
from model.simulation.learning_curves import (
    Curve,
    Point,
    curves,
    difference,
    full_pool_accuracy,
    labels_needed,
    recommend,
)

# The strategy that others are compared with, and the strategy that Shortlist uses unless told otherwise.
BASELINE, DEFAULT = "random", "hybrid"
# Panels in a row of the plot.
COLUMNS = 4
# Okabe and Ito's blue, and a grey: people who see colours differently can tell them apart, also in print.
BLUE, GREY = "#0072b2", "#8a8a8a"
NO_FIGURE = "—"


@dataclass(frozen=True)
class Row:
    """One strategy in the table, as text.

    Attributes:
        name: of the strategy.
        seeds: number of whole curves.
        area: mean area under the curve, in percent.
        ahead: points of area ahead of the baseline, with interval.
        accuracies: mean accuracy at each budget, in percent.
        needed_90, needed_95: labels for 90 % and 95 % of the whole pool's accuracy.
        query_s: mean seconds of a query.
    """

    name: str
    seeds: int
    area: str
    ahead: str
    accuracies: tuple[str, ...]
    needed_90: str
    needed_95: str
    query_s: str


@dataclass(frozen=True)
class Heading:
    """The head of the page.

    Attributes:
        title: names the texts, for people.
        command: repeats the simulation.
        right: what texts must get to be counted as right, for people.
    """

    title: str
    command: str
    right: str = ONE_OF.right


def write_report(file: Path, points: Sequence[Point], heading: Heading) -> str:
    """Write the page into `file`, and return its recommendation.

    Args:
        file: an HTML file; replaced if it exists.
        points: the measured points.
        heading: title and command.
    """
    found = curves(points)
    full_pool = full_pool_accuracy(points)
    recommendation = recommend(found, BASELINE, DEFAULT)
    page = Environment(loader=PackageLoader("model.simulation"), autoescape=True, undefined=StrictUndefined)
    html = page.get_template("report.html").render(
        **asdict(heading),
        recommendation=recommendation,
        baseline=BASELINE,
        default=DEFAULT,
        plot=_plot(found, BASELINE, full_pool) if found else "",
        budgets=sorted({int(labels) for curve in found.values() for labels in curve.labels_B}),
        full_pool=None if full_pool is None else f"{100 * full_pool:.1f}",
        rows=list(table_rows(found, BASELINE, full_pool)),
        machine=_machine(),
    )
    # Written straight: the user may name a pipe or a terminal.
    file.write_text(html, encoding="utf-8")
    return recommendation


def table_rows(found: Mapping[str, Curve], baseline: str, full_pool: float | None) -> Iterator[Row]:
    """Yield every strategy's figures, the largest area first.

    Args:
        found: learning curves by strategy.
        baseline: the strategy that others are compared with.
        full_pool: accuracy of the training on the whole pool, in [0, 1], if it was measured.
    """
    budgets = sorted({int(labels) for curve in found.values() for labels in curve.labels_B})
    for name, curve in sorted(found.items(), key=lambda item: -float(item[1].areas().mean())):
        mean_of = dict(zip(curve.labels_B.tolist(), curve.accuracy_S_B.mean(axis=0), strict=True))
        yield Row(
            name=name,
            seeds=len(curve.seeds_S),
            area=_percent(curve.areas().mean()),
            ahead=_ahead(curve, found.get(baseline)),
            accuracies=tuple(_percent(mean_of[labels]) if labels in mean_of else NO_FIGURE for labels in budgets),
            needed_90=_needed(curve, full_pool, 0.90),
            needed_95=_needed(curve, full_pool, 0.95),
            query_s=f"{curve.query_s_B.mean():.1f}",
        )


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _ahead(curve: Curve, baseline: Curve | None) -> str:
    ahead = difference(curve, baseline) if baseline is not None and baseline is not curve else None
    if ahead is None:
        return NO_FIGURE
    return f"{100 * ahead.mean:+.1f} ({100 * ahead.low:+.1f} to {100 * ahead.high:+.1f})"


def _needed(curve: Curve, full_pool: float | None, share: float) -> str:
    if full_pool is None:
        return NO_FIGURE
    needed = labels_needed(curve, share * full_pool)
    return "more" if needed is None else str(needed)


def _plot(found: Mapping[str, Curve], baseline: str, full_pool: float | None) -> str:
    """Draw each strategy beside the baseline in its own panel; sixteen curves in one panel could not be told apart."""
    names = [name for name in found if name != baseline] or list(found)
    rows = -(-len(names) // COLUMNS)
    figure = Figure(figsize=(3.1 * min(COLUMNS, len(names)), 2.6 * rows), layout="constrained")
    panels = np.atleast_1d(figure.subplots(rows, min(COLUMNS, len(names)), sharex=True, sharey=True)).ravel()
    for name, panel in zip(names, panels, strict=False):
        if baseline in found and name != baseline:
            _draw(panel, found[baseline], GREY)
        _draw(panel, found[name], BLUE)
        if full_pool is not None:
            panel.axhline(100 * full_pool, color="black", linewidth=0.8, linestyle=":")
        panel.set_title(name, fontsize=10)
    for panel in panels[len(names) :]:
        panel.set_visible(False)
    _label_axes(figure, panels, [int(labels) for labels in found[names[0]].labels_B])
    return _svg(figure)


def _draw(panel: Axes, curve: Curve, colour: str) -> None:
    mean_B = 100 * curve.accuracy_S_B.mean(axis=0)
    panel.plot(curve.labels_B, mean_B, color=colour, linewidth=1.6, marker="o", markersize=3)
    if len(curve.seeds_S) > 1:
        deviation_B = 100 * curve.accuracy_S_B.std(axis=0, ddof=1)
        panel.fill_between(curve.labels_B, mean_B - deviation_B, mean_B + deviation_B, color=colour, alpha=0.18, lw=0)


def _label_axes(figure: Figure, panels: Iterable[Axes], budgets: Sequence[int]) -> None:
    for panel in panels:
        panel.set_xscale("log", base=2)
        panel.set_xticks(budgets)
        panel.xaxis.set_major_formatter(ScalarFormatter())
        panel.xaxis.set_minor_locator(NullLocator())
        panel.xaxis.set_minor_formatter(NullFormatter())
        panel.tick_params(labelsize=8)
        panel.grid(alpha=0.25)
    figure.supxlabel("labels", fontsize=10)
    figure.supylabel("accuracy, %", fontsize=10)


def _svg(figure: Figure) -> str:
    """The figure as an SVG element for an HTML page."""
    written = io.StringIO()
    figure.savefig(written, format="svg", metadata={"Date": None})
    return written.getvalue().partition("<svg")[1] + written.getvalue().partition("<svg")[2]


def _machine() -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "scikit-learn"))
    return f"{platform.machine()}, {available_cores()} cores, Python {platform.python_version()}, {packages}"
