"""A simulation's result as one self-contained HTML page: what to use, curves, table."""

import io
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, NullLocator, ScalarFormatter

from model.encoder.processor import available_cores
from model.simulation.learning_curves import (
    Curve,
    Point,
    curves,
    difference,
    full_pool_accuracy,
    labels_needed,
    recommend,
)

COLUMNS = 4
# Okabe and Ito's blue, and a grey: told apart by people who see colours differently, and in print.
BLUE, GREY = "#0072b2", "#8a8a8a"
NO_FIGURE = "—"


@dataclass(frozen=True)
class Row:
    """One strategy in the table, as text."""

    name: str
    seeds: int
    area: str
    ahead: str
    accuracies: tuple[str, ...]
    needed_90: str
    needed_95: str
    query_s: str


def write_report(
    file: Path,
    points: Sequence[Point],
    *,
    title: str,
    command: str,
    is_multilabel: bool = False,
    baseline: str = "random",
    default: str = "hybrid",
) -> str:
    """Write the page; returns its recommendation.

    Args:
        file: where to.
        points: what was measured.
        title: what of, for people.
        command: how to measure it again.
        is_multilabel: whether a text may have several labels.
        baseline: the strategy that the others are compared with.
        default: the strategy that ships.
    """
    found = curves(points)
    full_pool = full_pool_accuracy(points)
    recommendation = recommend(found, baseline, default)
    page = Environment(loader=PackageLoader("model.simulation"), autoescape=True, undefined=StrictUndefined)
    html = page.get_template("report.html").render(
        title=title,
        command=command,
        recommendation=recommendation,
        baseline=baseline,
        default=default,
        is_multilabel=is_multilabel,
        plot=_plot(found, baseline, full_pool) if found else "",
        budgets=sorted({int(labels) for curve in found.values() for labels in curve.labels_B}),
        full_pool=None if full_pool is None else f"{100 * full_pool:.1f}",
        rows=list(table_rows(found, baseline, full_pool)),
        machine=_machine(),
    )
    file.write_text(html, encoding="utf-8")
    return recommendation


def table_rows(found: Mapping[str, Curve], baseline: str, full_pool: float | None) -> Iterator[Row]:
    """Every strategy's figures, the largest area first."""
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
    """One panel a strategy, beside the baseline: sixteen curves in one panel could not be told apart."""
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
    """The drawing itself, to stand inside a page."""
    written = io.StringIO()
    figure.savefig(written, format="svg", metadata={"Date": None})
    return written.getvalue().partition("<svg")[1] + written.getvalue().partition("<svg")[2]


def _machine() -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "scikit-learn"))
    return f"{platform.machine()}, {available_cores()} cores, Python {platform.python_version()}, {packages}"
