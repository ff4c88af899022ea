"""The learner's recipes and the setfit package on the same random labels."""

import json
import platform
import resource
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import Progress

from benchmarks.learning.gold import TEST_TEXTS, Gold, GoldSet, read_set
from model.encoder.classifier import TextClassifier
from model.encoder.inference import head_proba, score_texts
from model.encoder.processor import available_cores
from model.learner.evaluation import evaluate
from model.learner.recipes import TrainingConfig, choose_recipe
from model.learner.training import load_start, train
from model.types import LabelSet, Recipe, Scored, Targets, TrainingData

SETS = ("sst2", "trec6", "agnews", "banking77")
BUDGETS = (16, 32, 64, 128, 256)
SEEDS = 5
TIMED_BUDGETS = (32, 128, 1000)
RECIPES = (Recipe.CONTRASTIVE, Recipe.LP_FT, Recipe.FULL, Recipe.HEAD)
LEARNERS = ("auto", *(recipe.value for recipe in RECIPES), "setfit")
# Calibration costs two more trainings, so it is measured with fewer seeds.
CALIBRATED_SEEDS = 1
LINES = Path(__file__).with_name("learner.jsonl")
TABLE = Path(__file__).with_name("learner.md")

Line = dict[str, Any]
Cell = tuple[str, int, int, str]


def run(
    data: Path, sets: Sequence[str], budgets: Sequence[int], seeds: Iterable[int], recipes: Sequence[Recipe]
) -> None:
    """Train and score every combination that has no line yet, and write one for each."""
    gold = {name: read_set(data, name) for name in sets}
    done = {_cell(line) for line in read_lines() if "accuracy" in line}
    with Progress() as progress:
        for seed, labels, name, recipe in progress.track(list(product(seeds, budgets, sets, recipes))):
            if (name, labels, seed, recipe.value) not in done:
                write_line(_measure(gold[name], labels, seed, recipe))


def run_seconds(data: Path, sets: Sequence[str]) -> None:
    """Train as a round does, with folds, and write seconds and peak memory."""
    for name in sets:
        gold = read_set(data, name)
        for labels in TIMED_BUDGETS:
            trained = train(TrainingData(as_targets(gold, gold.draw(labels, 0))), TrainingConfig())
            peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            write_line({"set": name, "labels": labels, "train_s": round(trained.train_s, 1), "peak_mb": peak_mb})


def _cell(line: Line) -> Cell:
    return line["set"], line["labels"], line["seed"], line["learner"]


def _measure(gold: GoldSet, labels: int, seed: int, recipe: Recipe) -> Line:
    """Train once and measure on held-out texts."""
    drawn = as_targets(gold, gold.draw(labels, seed))
    untuned_N_D = load_start("", drawn.label_set).embed(drawn.texts)
    is_shipped = recipe is choose_recipe(drawn.targets_N_C, untuned_N_D, TrainingConfig().batch_size)
    # Folds find the temperature, which changes no decision: without calibration figures they are left out.
    folds = 2 if is_shipped and seed < CALIBRATED_SEEDS else 0
    began = time.monotonic()
    trained = train(TrainingData(drawn), TrainingConfig(recipe=recipe, seed=seed, folds=folds))
    seconds = time.monotonic() - began
    heldout = as_targets(gold, gold.heldout)
    scored = score_texts(trained.classifier, heldout.texts)
    scores = evaluate(scored.proba_N_C, heldout.targets_N_C)
    line: Line = {"set": gold.name, "labels": labels, "seed": seed, "learner": recipe.value, "is_auto": is_shipped}
    line |= {"device": trained.classifier.encoder.device}
    line |= {"accuracy": scores.accuracy, "macro_f1": scores.macro_f1, "calibration_error": scores.calibration_error}
    if trained.out_of_fold is not None:
        line |= {
            "out_of_fold": asdict(trained.out_of_fold),
            "temperature": trained.classifier.config.temperature,
            "uncalibrated_error": _raw_calibration_error(trained.classifier, scored, heldout),
        }
    return {**line, "fit_s": round(seconds, 2)}


def _raw_calibration_error(classifier: TextClassifier, scored: Scored, heldout: Targets) -> float:
    """The calibration error without the temperature."""
    classifier = replace(classifier, config=replace(classifier.config, temperature=1.0))
    proba_N_C = head_proba(classifier, classifier.head, scored.embeddings_N_D)
    return evaluate(proba_N_C, heldout.targets_N_C).calibration_error


def read_lines() -> list[Line]:
    """Every line measured so far."""
    return [json.loads(line) for line in LINES.read_text(encoding="utf-8").splitlines()] if LINES.exists() else []


def write_line(line: Line) -> None:
    """Append a measurement; an interrupted run continues after it."""
    with LINES.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def write_table() -> None:
    """Write learner.md from the lines."""
    lines = read_lines()
    by_processor, by_gpu = _by_device(lines)
    # If a processor and a GPU trained the same combination, the processor's line counts.
    measured = [*{**by_gpu, **by_processor}.values()]
    accuracy = {_cell(line): 100 * line["accuracy"] for line in measured}
    # `auto` chooses one of the recipes with the same seed, so it has that recipe's figures.
    accuracy |= {(*_cell(line)[:3], "auto"): 100 * line["accuracy"] for line in measured if line.get("is_auto")}
    rows = sorted({(line["labels"], line["set"]) for line in measured})
    text = [
        "# The learner",
        "",
        f'`make bench ARGS="learner --data FOLDER"`, then `make bench-setfit DATA=FOLDER`, on {platform.machine()}, '
        f"{available_cores()} cores, Python {platform.python_version()}, torch {version('torch')}, transformers "
        f"{version('transformers')}; every figure from `learner.jsonl`, one line a training.",
        "",
        "Measured with a554ebc, before the learner knew label names and the unlabelled pool: `names.md` has the "
        "learner that ships. `auto`, the recipes and their rule below are those of a554ebc.",
        "",
        "## Accuracy",
        "",
        f"Random labels, bundled encoder, the first {TEST_TEXTS} test texts. Mean over seeds ± deviation, in %; "
        "in brackets how many seeds. A seed draws the same labels for every learner. `auto` is the recipe that its "
        "rule named, trained with the same seed. setfit: 20 pairs a text, one epoch, bf16 (some of its lines "
        "at 16 labels fp32).",
        "",
        *_devices(by_processor, by_gpu),
        "| labels | set | " + " | ".join(LEARNERS) + " | `auto` against the best other, same seeds |",
        "|---|---|" + "---|" * (len(LEARNERS) + 1),
        *(_row(accuracy, labels, name) for labels, name in rows),
        _mean_row(accuracy, rows),
        "",
        "## Calibration of `auto`",
        "",
        "Expected calibration error on the same test texts, in points, without and with the temperature found on "
        "out-of-fold predictions; and out-of-fold accuracy on the labels at hand beside the accuracy on test texts.",
        "",
        "| labels | set | error without | with | accuracy out of fold | on test texts |",
        "|---|---|---|---|---|---|",
        *_calibration_rows(measured),
        "",
        "## Seconds",
        "",
        '`make bench ARGS="seconds --data FOLDER"` on idle cores: one training of `auto` with its folds, loading and '
        "temperature; peak memory of the whole process so far.",
        "",
        "| set | labels | seconds | MB |",
        "|---|---|---|---|",
        *(
            f"| {line['set']} | {line['labels']} | {line['train_s']} | {line['peak_mb']} |"
            for line in lines
            if "train_s" in line
        ),
        "",
    ]
    TABLE.write_text("\n".join(text), encoding="utf-8")


def _by_device(lines: Sequence[Line]) -> tuple[dict[Cell, Line], dict[Cell, Line]]:
    """Lines with an accuracy that a processor trained, and those that a GPU did."""
    devices: tuple[dict[Cell, Line], dict[Cell, Line]] = ({}, {})
    for line in lines:
        if "accuracy" in line:
            devices[line.get("device") == "cuda"][_cell(line)] = line
    return devices


def _devices(by_processor: Mapping[Cell, Line], by_gpu: Mapping[Cell, Line]) -> list[str]:
    """A sentence: how many trainings a GPU did, and whether their figures differ."""
    both = by_gpu.keys() & by_processor.keys()
    if not both:
        return []
    apart = [100 * (by_gpu[cell]["accuracy"] - by_processor[cell]["accuracy"]) for cell in both]
    return [
        f"A GPU did {len(by_gpu.keys() - both)} of these {len(by_gpu.keys() | by_processor.keys())} trainings, a "
        f"processor the others. {len(both)} were done by both: accuracies differ by {np.mean(apart):+.2f} points on "
        f"average, by {np.max(np.abs(apart)):.1f} at most, and not at all in {sum(not gap for gap in apart)}.",
        "",
    ]


Accuracies = Mapping[Cell, float]


def _row(accuracy: Accuracies, labels: int, name: str) -> str:
    cells = [_spread(list(_by_seed(accuracy, labels, name, learner).values())) for learner in LEARNERS]
    return f"| {labels} | {name} | {' | '.join(cells)} | {_margin(accuracy, labels, name)} |"


def _mean_row(accuracy: Accuracies, rows: Sequence[tuple[int, str]]) -> str:
    """Means over the rows that every recipe has."""
    means = []
    for learner in LEARNERS:
        values = [list(_by_seed(accuracy, labels, name, learner).values()) for labels, name in rows]
        means.append(f"{np.mean([np.mean(part) for part in values]):.1f}" if all(values) else "")
    return f"| **mean** | of the rows above | {' | '.join(means)} | |"


def _by_seed(accuracy: Accuracies, labels: int, name: str, learner: str) -> dict[int, float]:
    return {
        seed: value
        for (a_name, a_labels, seed, a_learner), value in accuracy.items()
        if (a_name, a_labels, a_learner) == (name, labels, learner)
    }


def _margin(accuracy: Accuracies, labels: int, name: str) -> str:
    """The margin of `auto` over the best other recipe on shared seeds, ± the standard error."""
    auto = _by_seed(accuracy, labels, name, "auto")
    others = {learner: _by_seed(accuracy, labels, name, learner) for learner in LEARNERS if learner != "auto"}
    paired = {
        learner: [auto[seed] - values[seed] for seed in sorted(auto.keys() & values.keys())]
        for learner, values in others.items()
        if auto.keys() & values.keys()
    }
    others_alone = {learner: differences for learner, differences in paired.items() if any(differences)}
    if not others_alone:
        return ""
    best = min(others_alone, key=lambda learner: float(np.mean(others_alone[learner])))
    differences = others_alone[best]
    error = f" ± {np.std(differences, ddof=1) / np.sqrt(len(differences)):.1f}" if len(differences) > 1 else ""
    return f"{np.mean(differences):+.1f}{error} ({best}, {len(differences)})"


def _spread(values: Sequence[float]) -> str:
    if not values:
        return ""
    deviation = f" ± {np.std(values, ddof=1):.1f}" if len(values) > 1 else ""
    return f"{np.mean(values):.1f}{deviation} ({len(values)})"


def _calibration_rows(measured: Sequence[Line]) -> Iterator[str]:
    calibrated = [line for line in measured if "out_of_fold" in line]
    for labels, name in sorted({(line["labels"], line["set"]) for line in calibrated}):
        here = [line for line in calibrated if (line["labels"], line["set"]) == (labels, name)]
        figures = (
            [line["uncalibrated_error"] for line in here],
            [line["calibration_error"] for line in here],
            [line["out_of_fold"]["accuracy"] for line in here],
            [line["accuracy"] for line in here],
        )
        cells = " | ".join(f"{100 * np.mean(values):.1f}" for values in figures)
        yield f"| {labels} | {name} | {cells} |"


def as_targets(gold: GoldSet, some: Gold) -> Targets:
    """Gold labels as training targets."""
    one_hot_C_C = np.eye(len(gold.labels), dtype=np.float32)
    label_set = LabelSet(gold.labels)
    return Targets(tuple(range(len(some.texts))), some.texts, one_hot_C_C[some.labels_N], label_set)
