"""How many of the first labels that look wrong are wrong: gold labels of which some were flipped."""

import json
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import Progress

from benchmarks.learning import learner
from benchmarks.learning.gold import GoldSet, read_set
from benchmarks.learning.names import Texts
from benchmarks.machine import described
from model.figures.label_errors import find_label_errors
from model.learner.knowledge import MOST_POOL
from model.learner.recipes import TrainingConfig
from model.learner.training import train
from model.tasks.label_names import label_texts
from model.types import Background, IntArray, Recipe, Targets, TrainingData

SETS = ("banking77", "agnews")
LABELS, FLIPPED, SEEDS, FIRST = 256, 0.05, 5, 20
LINES = Path(__file__).with_name("suspects.jsonl")
TABLE = Path(__file__).with_name("suspects.md")

Line = dict[str, Any]


def run(data: Path, sets: Sequence[str], labels: int, seeds: Sequence[int], recipe: Recipe) -> None:
    """Flip labels, train, and look at the first suspects, for every combination that has no line yet."""
    texts = {name: Texts(read_set(data, name)) for name in sets}
    done = {_cell(line) for line in read_lines()}
    with Progress() as progress:
        for name, seed in progress.track(list(product(sets, seeds))):
            if (name, labels, seed, recipe.value) not in done:
                line = _measure(texts[name], labels, seed, recipe)
                with LINES.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")


def _measure(texts: Texts, labels: int, seed: int, recipe: Recipe) -> Line:
    """One training on labels of which some are flipped, and what the first suspects are."""
    gold, rng = texts.gold, np.random.default_rng(seed)
    drawn = learner.as_targets(gold, gold.draw(labels, seed))
    targets, flipped_F = flip(drawn, FLIPPED, rng)
    background = Background(label_texts(gold.labels), _pool(gold, labels, seed))
    trained = train(TrainingData(targets, background=background), TrainingConfig(recipe=recipe, seed=seed), texts.start)
    if trained.held_out is None:
        raise ValueError("the training held nothing out")
    found = find_label_errors(trained.held_out)
    first = [suspect.task_id for suspect in found[:FIRST]]
    return {
        "set": gold.name,
        "labels": labels,
        "seed": seed,
        "recipe": recipe.value,
        "recipe_used": trained.recipe.value,
        "flipped": len(flipped_F),
        "suspects": len(found),
        "first": len(first),
        "real": len(set(first) & set(flipped_F.tolist())),
        "out_of_fold": round(trained.out_of_fold.accuracy, 4) if trained.out_of_fold else None,
    }


def _pool(gold: GoldSet, labels: int, seed: int) -> tuple[str, ...]:
    """Unlabelled texts: the draw begins with the labelled ones."""
    return gold.draw(labels + MOST_POOL, seed).texts[labels:]


def flip(targets: Targets, share: float, rng: np.random.Generator) -> tuple[Targets, IntArray]:
    """Give a share of the texts another label, drawn at random; returns them, and the rows that were changed."""
    rows_F = rng.permutation(len(targets))[: round(share * len(targets))]
    classes = len(targets.label_set.labels)
    labels_N = targets.targets_N_C.argmax(axis=1)
    labels_N[rows_F] = (labels_N[rows_F] + rng.integers(1, classes, size=len(rows_F))) % classes
    shares_N_C = np.eye(classes, dtype=np.float32)[labels_N]
    return Targets(targets.task_ids, targets.texts, shares_N_C, targets.label_set), rows_F


def read_lines() -> list[Line]:
    """What was measured so far."""
    return [json.loads(line) for line in LINES.read_text(encoding="utf-8").splitlines()] if LINES.exists() else []


def _cell(line: Line) -> tuple[str, int, int, str]:
    return line["set"], line["labels"], line["seed"], line["recipe"]


def write_table() -> None:
    """Write suspects.md from the lines."""
    text = [
        "# Labels that look wrong",
        "",
        f'`make bench ARGS="suspects --data FOLDER"` on {described("torch", "transformers")}; every figure from '
        "`suspects.jsonl`, one line a training.",
        "",
        f"Random labels, of which {FLIPPED:.0%} were given another label at random. A classifier is trained on all of "
        "them, and the out-of-fold answers say which labels look wrong (`model/figures/label_errors.py`). The table "
        f"counts, for each seed, the flipped labels among the first {FIRST} suspects; wrong labels of the set itself "
        "do not count.",
        "",
        "| set | labels | recipe | flipped | flipped among the first suspects, by seed | mean | share |",
        "|---|---|---|---|---|---|---|",
        *_rows(read_lines()),
        "",
    ]
    TABLE.write_text("\n".join(text), encoding="utf-8")


def _rows(lines: Sequence[Line]) -> Iterator[str]:
    cells = sorted({(line["set"], line["labels"], line["recipe"]) for line in lines})
    for name, labels, recipe in cells:
        found = [line for line in lines if (line["set"], line["labels"], line["recipe"]) == (name, labels, recipe)]
        found.sort(key=lambda line: int(line["seed"]))
        by_seed = ", ".join(f"{line['real']} of {line['first']}" for line in found)
        real, first = (sum(line[key] for line in found) for key in ("real", "first"))
        flipped = sorted({line["flipped"] for line in found})
        yield (
            f"| {name} | {labels} | {recipe} | {'/'.join(map(str, flipped))} | {by_seed} | {real / len(found):.1f} "
            f"| {real / first:.0%} |"
        )
