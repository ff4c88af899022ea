"""Learning curves as pictures for the page of a simulation."""

import io
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, NullLocator, ScalarFormatter

from model.simulation.learning_curves import Curve
from model.types import FloatArray, IntArray

# Panels in a row of the plot.
COLUMNS = 4
# Okabe and Ito's blue, and a grey: people who see colours differently can tell them apart, also in print.
BLUE, GREY = "#0072b2", "#8a8a8a"


def plot_accuracy(found: Mapping[str, Curve], baseline: str, full_pool: float | None) -> str:
    """Draw the accuracy of each strategy beside the baseline in its own panel; returns an SVG element for a page.

    Sixteen curves in one panel could not be told apart.

    Args:
        found: learning curves by strategy; at least one.
        baseline: the strategy that others are compared with.
        full_pool: accuracy of the training on the whole pool, in [0, 1], if it was measured.
    """
    values = {name: 100 * curve.accuracy_S_B for name, curve in found.items()}
    line = None if full_pool is None else 100 * full_pool
    return _plot(found, values, baseline, "accuracy, %", line)


def plot_errors(found: Mapping[str, Curve], baseline: str) -> str:
    """Draw the mean absolute error in stars of each strategy likewise; empty where answers are no stars."""
    values = {name: curve.mae_S_B for name, curve in found.items() if curve.mae_S_B is not None}
    return _plot(found, values, baseline, "stars off, mean") if len(values) == len(found) else ""


def _plot(
    found: Mapping[str, Curve],
    values: Mapping[str, FloatArray],
    baseline: str,
    axis: str,
    full_pool: float | None = None,
) -> str:
    names = [name for name in found if name != baseline] or list(found)
    rows = -(-len(names) // COLUMNS)
    figure = Figure(figsize=(3.1 * min(COLUMNS, len(names)), 2.6 * rows), layout="constrained")
    panels = np.atleast_1d(figure.subplots(rows, min(COLUMNS, len(names)), sharex=True, sharey=True)).ravel()
    for name, panel in zip(names, panels, strict=False):
        if baseline in found and name != baseline:
            _draw(panel, found[baseline].labels_B, values[baseline], GREY)
        _draw(panel, found[name].labels_B, values[name], BLUE)
        if full_pool is not None:
            panel.axhline(full_pool, color="black", linewidth=0.8, linestyle=":")
        panel.set_title(name, fontsize=10)
    for panel in panels[len(names) :]:
        panel.set_visible(False)
    _label_axes(panels, [int(labels) for labels in found[names[0]].labels_B])
    figure.supxlabel("labels", fontsize=10)
    figure.supylabel(axis, fontsize=10)
    return _svg(figure)


def _draw(panel: Axes, labels_B: IntArray, values_S_B: FloatArray, colour: str) -> None:
    mean_B = values_S_B.mean(axis=0)
    panel.plot(labels_B, mean_B, color=colour, linewidth=1.6, marker="o", markersize=3)
    if len(values_S_B) > 1:
        deviation_B = values_S_B.std(axis=0, ddof=1)
        panel.fill_between(labels_B, mean_B - deviation_B, mean_B + deviation_B, color=colour, alpha=0.18, lw=0)


def _label_axes(panels: Iterable[Axes], budgets: Sequence[int]) -> None:
    for panel in panels:
        panel.set_xscale("log", base=2)
        panel.set_xticks(budgets)
        panel.xaxis.set_major_formatter(ScalarFormatter())
        panel.xaxis.set_minor_locator(NullLocator())
        panel.xaxis.set_minor_formatter(NullFormatter())
        panel.tick_params(labelsize=8)
        panel.grid(alpha=0.25)


def _svg(figure: Figure) -> str:
    """The figure as an SVG element for an HTML page."""
    written = io.StringIO()
    figure.savefig(written, format="svg", metadata={"Date": None})
    return written.getvalue().partition("<svg")[1] + written.getvalue().partition("<svg")[2]
