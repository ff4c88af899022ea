"""The learner's recipes and the setfit package on the same random labels."""

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import Progress

from benchmarks.gold import Gold, GoldSet, read_gold
from model.bert import TextClassifier
from model.evaluation import evaluate
from model.inference import head_logits, score_texts
from model.recipes import Recipe, TrainingConfig
from model.training import train
from model.types import LabelSet, Scored, Targets

SETS = ("sst2", "trec6", "agnews", "banking77")
BUDGETS = (16, 64, 256)
SEEDS = range(5)
LINES = Path(__file__).with_name("learner.jsonl")


def run_recipes(
    data: Path, sets: Iterable[str], budgets: Iterable[int], seeds: Iterable[int], recipes: Iterable[Recipe]
) -> None:
    """Train and score every combination that has no line yet, and write one for each."""
    cells = list(product(seeds, budgets, sets, recipes))
    gold = {name: read_gold(data, name) for name in {name for _, _, name, _ in cells}}
    done = {(line["set"], line["labels"], line["seed"], line["learner"]) for line in read_lines()}
    with Progress() as progress:
        for seed, labels, name, recipe in progress.track(cells, description="recipes"):
            if (name, labels, seed, recipe.value) not in done:
                write_line(_measure(gold[name], labels, seed, recipe))


def _measure(gold: GoldSet, labels: int, seed: int, recipe: Recipe) -> dict[str, object]:
    """One training, and what it gives on held-out texts."""
    # Folds find the temperature, which moves no decision: only the shipped recipe's calibration is asked for.
    folds = 2 if recipe is Recipe.AUTO and seed < 2 else 0
    began = time.monotonic()
    trained = train(as_targets(gold, gold.draw(labels, seed)), TrainingConfig(recipe=recipe, seed=seed, folds=folds))
    seconds = time.monotonic() - began
    heldout = as_targets(gold, gold.heldout)
    scored = score_texts(trained.classifier, heldout.texts)
    scores = evaluate(scored.proba_N_C, heldout.targets_N_C)
    line: dict[str, object] = {"set": gold.name, "labels": labels, "seed": seed, "learner": recipe.value}
    line |= {"accuracy": scores.accuracy, "macro_f1": scores.macro_f1, "calibration_error": scores.calibration_error}
    if trained.out_of_fold is not None:
        line |= {
            "out_of_fold": asdict(trained.out_of_fold),
            "temperature": trained.classifier.config.temperature,
            "uncalibrated_error": _raw_calibration_error(trained.classifier, scored, heldout),
        }
    return {**line, "fit_s": round(seconds, 2)}


def _raw_calibration_error(classifier: TextClassifier, scored: Scored, heldout: Targets) -> float:
    """What the error would be without the temperature."""
    classifier.config = replace(classifier.config, temperature=1.0)
    logits_N_C = head_logits(classifier, scored.embeddings_N_D)
    proba_N_C = classifier.proba(torch.from_numpy(logits_N_C)).numpy()
    return evaluate(proba_N_C, heldout.targets_N_C).calibration_error


def read_lines() -> list[dict[str, Any]]:
    """What was measured so far."""
    return [json.loads(line) for line in LINES.read_text(encoding="utf-8").splitlines()] if LINES.exists() else []


def write_line(line: Mapping[str, object]) -> None:
    """Add a measurement; a run that is cut short goes on from here."""
    with LINES.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def as_targets(gold: GoldSet, some: Gold) -> Targets:
    """Gold labels as training wants them."""
    one_hot_C_C = np.eye(len(gold.labels), dtype=np.float32)
    label_set = LabelSet(gold.labels, is_multilabel=False)
    return Targets(tuple(range(len(some.texts))), some.texts, one_hot_C_C[some.labels_N], label_set)
