"""Stars by their median and by the likeliest, and leaves of a taxonomy beside the same labels as choices."""

import json
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import Progress

from benchmarks.learning.gold import read_set
from benchmarks.learning.names import Texts
from benchmarks.machine import described
from model.learner.evaluation import median_classes
from model.learner.recipes import TrainingConfig
from model.simulation.learning_curves import interval
from model.tasks.label_names import label_texts
from model.tasks.taxonomy.task import SEPARATOR
from model.types import FloatArray, Recipe

STARS, TAXONOMY = KINDS = ("stars", "taxonomy")
BUDGETS = (64, 128, 256)
LINES = Path(__file__).with_name("questions.jsonl")
TABLE = Path(__file__).with_name("questions.md")

Line = dict[str, Any]


def run(data: Path, kinds: Sequence[str], budgets: Sequence[int], seeds: Sequence[int], recipe: Recipe) -> None:
    """Train and score every combination that has no line yet, and write one for each.

    Args:
        data: a folder with the sets `stars` (labels 1, 2 …) and `taxonomy` (labels such as `travel / book flight`).
        kinds: which of them.
        budgets: label counts.
        seeds: random draws of each.
        recipe: the learner.
    """
    measures = {STARS: _stars, TAXONOMY: _leaves}
    texts = {kind: Texts(read_set(data, kind)) for kind in kinds}
    done = {(line["kind"], line["labels"], line["seed"], line["recipe"]) for line in read_lines()}
    with Progress() as progress:
        for seed, labels, kind in progress.track(list(product(seeds, budgets, kinds))):
            if (kind, labels, seed, recipe.value) in done:
                continue
            config = TrainingConfig(recipe=recipe, seed=seed)
            line = {"kind": kind, "labels": labels, "seed": seed, "recipe": recipe.value}
            line |= measures[kind](texts[kind], labels, config)
            with LINES.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")


def _stars(texts: Texts, labels: int, config: TrainingConfig) -> Line:
    """Mean absolute errors in stars, by the median and by the likeliest class."""
    order = [int(label) for label in texts.gold.labels]
    _, proba_N_C = texts.score(((),) * len(order), labels, config)
    right_N = np.array(order)[texts.gold.heldout.labels_N]
    by_stars = np.argsort(order)
    sorted_N_C, stars = proba_N_C[:, by_stars], np.sort(order)
    return {
        "median": float(np.abs(stars[median_classes(sorted_N_C)] - right_N).mean()),
        "likeliest": float(np.abs(stars[sorted_N_C.argmax(axis=1)] - right_N).mean()),
    }


def _leaves(texts: Texts, labels: int, config: TrainingConfig) -> Line:
    """Accuracy of leaves named by their paths and by themselves alone, and of the parents of the former."""
    paths = texts.gold.labels
    _, by_path = texts.score(label_texts(paths), labels, config)
    _, by_name = texts.score(label_texts([path.split(SEPARATOR)[-1] for path in paths]), labels, config)
    parents = np.array([path.split(SEPARATOR)[0] for path in paths])
    right_N = texts.gold.heldout.labels_N
    return {
        "leaf": _share(by_path, right_N),
        "choice": _share(by_name, right_N),
        "parent": float((parents[by_path.argmax(axis=1)] == parents[right_N]).mean()),
    }


def _share(proba_N_C: FloatArray, right_N: Any) -> float:
    return float((proba_N_C.argmax(axis=1) == right_N).mean())


def read_lines() -> list[Line]:
    """What was measured so far."""
    return [json.loads(line) for line in LINES.read_text(encoding="utf-8").splitlines()] if LINES.exists() else []


def write_table() -> None:
    """Write questions.md."""
    TABLE.write_text("\n".join(_table(read_lines())) + "\n", encoding="utf-8")


def _table(lines: Sequence[Line]) -> Iterator[str]:
    yield "# Stars and taxonomies\n"
    yield (
        f'`make bench ARGS="questions --data FOLDER"` on {described("torch", "transformers")}; every figure from '
        "`questions.jsonl`, one line a draw of random labels. Bundled encoder, 500 test texts, means over seeds; "
        "differences are paired by seed, with the 95 % interval (Student's t)."
    )
    yield "\n## Stars\n"
    yield "Mean absolute error in stars: of the median, which is preselected, and of the likeliest class.\n"
    yield "| recipe | labels | likeliest | median | difference |"
    yield "|---|---|---|---|---|"
    yield from _rows(lines, STARS, "likeliest", "median", scale=1.0)
    yield "\n## A taxonomy\n"
    yield (
        "Accuracy of leaves in %: as choices of the leaves' names alone, and as a taxonomy, whose labels are paths; "
        "then how often the parent is right.\n"
    )
    yield "| recipe | labels | as choices | as a taxonomy | difference | parents |"
    yield "|---|---|---|---|---|---|"
    yield from _rows(lines, TAXONOMY, "choice", "leaf", scale=100.0, also="parent")


def _rows(lines: Sequence[Line], kind: str, first: str, second: str, *, scale: float, also: str = "") -> Iterator[str]:
    cells = sorted({(line["recipe"], line["labels"]) for line in lines if line["kind"] == kind})
    for recipe, labels in cells:
        of_cell = [line for line in lines if (line["kind"], line["recipe"], line["labels"]) == (kind, recipe, labels)]
        before, after = (scale * np.array([line[name] for line in of_cell]) for name in (first, second))
        digits = 1 if scale > 1 else 3
        more = f" {scale * np.mean([line[also] for line in of_cell]):.1f} |" if also else ""
        yield (
            f"| {recipe} | {labels} | {before.mean():.{digits}f} | {after.mean():.{digits}f} | "
            f"{_difference((after - before).tolist(), digits)} |{more}"
        )


def _difference(differences: Sequence[float], digits: int) -> str:
    found = interval(differences)
    if found is None:
        return f"{np.mean(differences):+.{digits}f} ({len(differences)})"
    span = f"{found.low:+.{digits}f} to {found.high:+.{digits}f}"
    return f"{found.mean:+.{digits}f} ({span}; {len(differences)})"
