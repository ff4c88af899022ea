"""A simulation's result as one self-contained HTML page: recommendation, curves, table, for each question."""

import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from model.encoder.processor import available_cores
from model.links import ONE_OF
from model.simulation.learning_curves import (
    Curve,
    Point,
    by_question,
    curves,
    difference,
    full_pool_accuracy,
    labels_needed,
    mean_of_questions,
    recommend,
)
from model.simulation.plots import plot_accuracy, plot_errors
from model.types import FloatArray

# The strategy that others are compared with, and the strategy that Shortlist uses unless told otherwise.
BASELINE, DEFAULT = "random", "hybrid"
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
        errors: mean absolute error at each budget, in stars; empty for other answers than stars.
        needed_90, needed_95: labels for 90 % and 95 % of the whole pool's accuracy.
        query_s: mean seconds of a query.
    """

    name: str
    seeds: int
    area: str
    ahead: str
    accuracies: tuple[str, ...]
    errors: tuple[str, ...]
    needed_90: str
    needed_95: str
    query_s: str


@dataclass(frozen=True)
class Heading:
    """The head of the page.

    Attributes:
        title: names the texts, for people.
        command: repeats the simulation.
        rights: what texts must get to be counted as right, for people, by question.
    """

    title: str
    command: str
    rights: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Section:
    """The figures of one question, or of all together.

    Attributes:
        name: of the question; empty if there is one alone, or for all together.
        advice: which strategy to use.
        plot: learning curves as an SVG element; empty without a whole curve.
        error_plot: the same for the mean absolute error in stars; empty for other answers than stars.
        budgets: label counts.
        full_pool: accuracy with the whole pool labelled, in percent; None if it was not measured.
        rows: the table.
        right: what texts must get to be counted as right; empty for all together.
    """

    name: str
    advice: str
    plot: str
    error_plot: str
    budgets: tuple[int, ...]
    full_pool: str | None
    rows: tuple[Row, ...]
    right: str


def write_report(file: Path, points: Sequence[Point], heading: Heading) -> str:
    """Write the page into `file`, and return its recommendation.

    Args:
        file: an HTML file; replaced if it exists.
        points: the measured points.
        heading: title and command.
    """
    sections = list(_sections(points, heading.rights))
    page = Environment(loader=PackageLoader("model.simulation"), autoescape=True, undefined=StrictUndefined)
    html = page.get_template("report.html").render(
        title=heading.title,
        command=heading.command,
        sections=sections,
        baseline=BASELINE,
        default=DEFAULT,
        machine=_machine(),
    )
    # Written straight: the user may name a pipe or a terminal.
    file.write_text(html, encoding="utf-8")
    return sections[0].advice


def _sections(points: Sequence[Point], rights: Mapping[str, str]) -> Iterator[Section]:
    """All questions together, then each; a question alone has one section."""
    asked = by_question(points)
    if len(asked) > 1:
        yield _section("", mean_of_questions(points), "")
    for name, of_question in asked.items():
        yield _section(name, of_question, rights.get(name, ONE_OF.right))


def _section(name: str, points: Sequence[Point], right: str) -> Section:
    found, full_pool = curves(points), full_pool_accuracy(points)
    return Section(
        name=name,
        advice=recommend(found, BASELINE, DEFAULT),
        plot=plot_accuracy(found, BASELINE, full_pool) if found else "",
        error_plot=plot_errors(found, BASELINE) if found else "",
        budgets=_budgets(found),
        full_pool=None if full_pool is None else f"{100 * full_pool:.1f}",
        rows=tuple(table_rows(found, BASELINE, full_pool)),
        right=right,
    )


def _budgets(found: Mapping[str, Curve]) -> tuple[int, ...]:
    return tuple(sorted({int(labels) for curve in found.values() for labels in curve.labels_B}))


def table_rows(found: Mapping[str, Curve], baseline: str, full_pool: float | None) -> Iterator[Row]:
    """Yield every strategy's figures, the largest area first.

    Args:
        found: learning curves by strategy.
        baseline: the strategy that others are compared with.
        full_pool: accuracy of the training on the whole pool, in [0, 1], if it was measured.
    """
    budgets = _budgets(found)
    for name, curve in sorted(found.items(), key=lambda item: -float(item[1].areas().mean())):
        yield Row(
            name=name,
            seeds=len(curve.seeds_S),
            area=_percent(curve.areas().mean()),
            ahead=_ahead(curve, found.get(baseline)),
            accuracies=_at_budgets(curve, budgets, 100 * curve.accuracy_S_B, digits=1),
            errors=() if curve.mae_S_B is None else _at_budgets(curve, budgets, curve.mae_S_B, digits=2),
            needed_90=_needed(curve, full_pool, 0.90),
            needed_95=_needed(curve, full_pool, 0.95),
            query_s=f"{curve.query_s_B.mean():.1f}",
        )


def _at_budgets(curve: Curve, budgets: Sequence[int], values_S_B: FloatArray, *, digits: int) -> tuple[str, ...]:
    """The mean over seeds at each budget."""
    mean_of = dict(zip(curve.labels_B.tolist(), values_S_B.mean(axis=0).tolist(), strict=True))
    return tuple(f"{mean_of[labels]:.{digits}f}" if labels in mean_of else NO_FIGURE for labels in budgets)


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


def _machine() -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "scikit-learn"))
    return f"{platform.machine()}, {available_cores()} cores, Python {platform.python_version()}, {packages}"
