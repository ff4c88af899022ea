"""What `apply` promises and what comes of it: four sets, random samples of several sizes, a sample people look at."""

import json
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import Progress

from benchmarks.learning import learner
from benchmarks.learning.gold import Gold, GoldSet, read_set
from benchmarks.learning.names import Texts
from benchmarks.machine import described
from model.applying.held_out import held_out_proba
from model.applying.promise import (
    LOOK_RISK,
    Evidence,
    Promise,
    choose_promise,
    interval_of_rest,
    likely_threshold,
    promise_at,
)
from model.encoder.inference import head_proba
from model.learner.recipes import TrainingConfig
from model.learner.training import train
from model.query.uncertainty import margin_scores
from model.tasks.label_names import label_texts
from model.types import Background, FloatArray, IntArray, Recipe, TrainingData

PRECISION = 0.95
SEEDS = 20
# Texts of each set that make its pool, and unlabelled texts that teach.
POOL, TAUGHT = 2_000, 300
# Labels, and how many of them are of the random sample; and how many more people are asked for by --sample.
VARIANTS = ((256, 26), (800, 80))
SAMPLES = (0, 30)
# A strategy chooses the labels that are not random in so many batches.
BATCHES = 3
LINES = Path(__file__).with_name("applying.jsonl")
TABLE = Path(__file__).with_name("applying.md")

Line = dict[str, Any]
Cell = tuple[str, int, int, int]


class Pool:
    """A set's pool with its gold labels, embedded once."""

    def __init__(self, gold: GoldSet) -> None:
        drawn = gold.draw(POOL, 0)
        self.gold = gold
        self.targets = learner.as_targets(gold, Gold(drawn.texts, drawn.labels_N))
        self.texts = Texts(gold)
        self.embeddings_N_D = self.texts.embed(drawn.texts)

    def measure(self, labels: int, drawn: int, seed: int) -> list[Line]:
        """Label as people do, plan as `apply` does, and look at the gold labels of what would be labelled."""
        rng = np.random.default_rng(seed)
        config = TrainingConfig(recipe=Recipe.HEAD, seed=seed)
        mixed_N = rng.permutation(len(self.targets))
        random_R, rows_L = mixed_N[:drawn], mixed_N[:drawn]
        for batch in range(BATCHES):
            proba_N_C = self._proba(rows_L, TrainingConfig(recipe=Recipe.HEAD, seed=seed, folds=0))
            scores_N = margin_scores(proba_N_C)
            scores_N[rows_L] = -np.inf
            more = (labels - drawn) * (batch + 1) // BATCHES - (len(rows_L) - drawn)
            rows_L = np.concatenate([rows_L, np.argsort(-scores_N, kind="stable")[:more]])
        return self._plan(rows_L, random_R, config)

    def _data(self, rows_L: IntArray) -> TrainingData:
        pool = tuple(self.targets.texts[row] for row in range(TAUGHT))
        return TrainingData(self.targets.some(rows_L), background=Background(label_texts(self.gold.labels), pool))

    def _proba(self, rows_L: IntArray, config: TrainingConfig) -> FloatArray:
        version = train(self._data(rows_L), config, self.texts.start).classifier
        return head_proba(version, version.head, self.embeddings_N_D)

    def _plan(self, rows_L: IntArray, random_R: IntArray, config: TrainingConfig) -> list[Line]:
        version = train(self._data(rows_L), config, self.texts.start).classifier
        gold_N = self.targets.targets_N_C.argmax(axis=1)
        # The random sample comes first among the labels.
        held_R_C = held_out_proba(self._data(rows_L), np.arange(len(random_R)), config, self.texts.start, version)
        evidence = Evidence(held_R_C.max(axis=1), held_R_C.argmax(axis=1) == gold_N[random_R])
        rest_N = np.setdiff1d(np.arange(len(gold_N)), rows_L)
        proba_N_C = head_proba(version, version.head, self.embeddings_N_D[rest_N])
        rest = Evidence(proba_N_C.max(axis=1), proba_N_C.argmax(axis=1) == gold_N[rest_N])
        about = {"set": self.gold.name, "labels": len(rows_L), "random": len(random_R), "seed": config.seed}
        return [{**about, "sample": sampled, **_outcome(evidence, rest, sampled)} for sampled in SAMPLES]


def _outcome(evidence: Evidence, rest: Evidence, sampled: int) -> Line:
    """What is promised, and the truth of it."""
    texts, promise = len(rest.confidence_R), choose_promise(evidence, rest.confidence_R, PRECISION)
    if sampled:
        promise, rest = _with_sample(promise, evidence, rest, sampled)
    line: Line = {"pool_accuracy": round(float(rest.is_right_R.mean()), 4)}
    if promise is None or not promise.holds(PRECISION):
        return {**line, "is_promised": False}
    right, applied = rest.above(promise.threshold)
    told = {"share": round(applied / texts, 4), "interval": promise.interval, "precision": round(right / applied, 4)}
    return {**line, "is_promised": True, **told}


def _with_sample(
    promise: Promise | None, evidence: Evidence, rest: Evidence, sampled: int
) -> tuple[Promise | None, Evidence]:
    """People look at so many texts above the threshold, drawn at random; returns what is left, too."""
    threshold = promise.threshold if promise else likely_threshold(rest.confidence_R, PRECISION)
    if threshold is None:
        return None, rest
    above = np.flatnonzero(rest.confidence_R >= threshold)
    shown = np.random.default_rng(len(above)).permutation(above)[:sampled]
    left = np.setdiff1d(np.arange(len(rest.confidence_R)), shown)
    before = promise_at(evidence, rest.confidence_R, threshold)
    right, tested = before.right + int(rest.is_right_R[shown].sum()), before.tested + len(shown)
    rest = Evidence(rest.confidence_R[left], rest.is_right_R[left])
    _, texts = rest.above(threshold)
    interval = interval_of_rest(right, tested, texts, LOOK_RISK) if texts else (0.0, 1.0)
    return Promise(threshold, texts, right, tested, interval), rest


def run(data: Path, sets: Sequence[str], seeds: Sequence[int]) -> None:
    """Measure every combination that has no line yet, and write one for each."""
    done = {_cell(line) for line in read_lines()}
    pools: dict[str, Pool] = {}
    with Progress() as progress:
        for seed, (labels, drawn), name in progress.track(list(product(seeds, VARIANTS, sets))):
            if (name, labels, drawn, seed) in done:
                continue
            if name not in pools:
                pools[name] = Pool(read_set(data, name))
            with LINES.open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(line) + "\n" for line in pools[name].measure(labels, drawn, seed))


def read_lines() -> list[Line]:
    """What was measured so far."""
    return [json.loads(line) for line in LINES.read_text(encoding="utf-8").splitlines()] if LINES.exists() else []


def _cell(line: Line) -> Cell:
    return line["set"], line["labels"], line["random"], line["seed"]


def write_table() -> None:
    """Write applying.md from the lines."""
    lines = read_lines()
    text = [
        "# What `apply` promises, and how right its labels are",
        "",
        f'`make bench ARGS="apply --data FOLDER"` on {described("torch", "transformers")}; every figure from '
        "`applying.jsonl`, one line a seed.",
        "",
        f"Pools of {POOL} texts, `RECIPE=head`, bundled encoder; the labels that are not random were chosen by their "
        f"margin. A precision of {PRECISION:.0%} is asked for. *promised*: seeds in which it could be promised. Of "
        "these seeds, *share*: the mean share of the unlabelled texts that got a label; *true*: the mean true "
        f"precision of the labels, and the lowest; *held*: seeds with a true precision of {PRECISION:.0%} or more; "
        "*within*: seeds with a true precision within the interval.",
        "",
        "| labels | random | `--sample` | set | right on all | promised | share | true (lowest) | held | within |",
        "|---|---|---|---|---|---|---|---|---|---|",
        *_rows(lines),
        "",
    ]
    TABLE.write_text("\n".join(text), encoding="utf-8")


def _rows(lines: Sequence[Line]) -> Iterator[str]:
    for (labels, drawn), sampled, name in product(VARIANTS, SAMPLES, learner.SETS):
        here = [line for line in lines if (*_cell(line)[:3], line["sample"]) == (name, labels, drawn, sampled)]
        if here:
            yield f"| {labels} | {drawn} | {sampled or ''} | {name} | {_figures(here)} |"


def _figures(here: Sequence[Line]) -> str:
    accuracy = f"{100 * np.mean([line['pool_accuracy'] for line in here]):.0f} %"
    promised = [line for line in here if line["is_promised"]]
    if not promised:
        return f"{accuracy} | 0 of {len(here)} | | | |"
    truths = [line["precision"] for line in promised]
    held = sum(truth >= PRECISION for truth in truths)
    within = sum(line["interval"][0] <= line["precision"] <= line["interval"][1] for line in promised)
    share, true = np.mean([line["share"] for line in promised]), f"{np.mean(truths):.1%} ({min(truths):.1%})"
    counted = f"{held} of {len(promised)} | {within} of {len(promised)}"
    return f"{accuracy} | {len(promised)} of {len(here)} | {share:.0%} | {true} | {counted}"
