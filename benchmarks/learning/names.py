"""What label names and the unlabelled pool are worth to the learner, on the same random labels as `learner`."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import Progress

from benchmarks.learning import learner
from benchmarks.learning.gold import TEST_TEXTS, GoldSet, read_set
from benchmarks.machine import described
from model.encoder.classifier import with_new_head
from model.encoder.inference import head_proba
from model.learner.evaluation import evaluate
from model.learner.knowledge import MOST_POOL
from model.learner.recipes import TrainingConfig
from model.learner.training import Start, Trained, train, train_on_names
from model.simulation.question import UntrainedEncoder
from model.tasks.label_names import label_texts
from model.types import Background, FloatArray, LabelSet, LabelTexts, Recipe, Targets, TrainingData

BUDGETS = (0, 16, 32, 64, 128, 256)
# What labels are called: as they are, or so that their names say nothing.
NAMED, OPAQUE = "names", "opaque"
VARIANTS = (NAMED, OPAQUE)
LINES = Path(__file__).with_name("names.jsonl")
TABLE = Path(__file__).with_name("names.md")
LETTERS = 26

Line = dict[str, Any]
Cell = tuple[str, str, int, int]


class Texts:
    """A set's texts and their embeddings before any training, each read once."""

    def __init__(self, gold: GoldSet, encoder: str = "") -> None:
        self.gold = gold
        self.label_set = LabelSet(gold.labels)
        untrained = UntrainedEncoder(encoder)
        self.embed = untrained.embed
        self.start = Start(with_new_head(untrained.encoder, self.label_set), untrained.embed)

    def measure(self, variant: str, labels: int, seed: int, recipe: Recipe = Recipe.AUTO) -> Line:
        """One training, and what it gives on held-out texts."""
        # Folds find the temperature, which moves no decision.
        config = TrainingConfig(recipe=recipe, seed=seed, folds=0)
        trained, proba_N_C = self.score(_label_texts(self.gold.labels, variant), labels, config)
        worth = evaluate(proba_N_C, learner.as_targets(self.gold, self.gold.heldout).targets_N_C)
        return {
            "set": self.gold.name,
            "variant": variant,
            "labels": labels,
            "seed": seed,
            "accuracy": worth.accuracy,
            "macro_f1": worth.macro_f1,
            "recipe": trained.recipe.value,
            "names": trained.trust.names,
            "pool": trained.trust.pool,
            "fit_s": round(trained.train_s, 2),
        }

    def score(self, texts: LabelTexts, labels: int, config: TrainingConfig) -> tuple[Trained, FloatArray]:
        """One training, and the class probabilities that it gives held-out texts: proba_N_C.

        Args:
            texts: texts with each label's meaning.
            labels: number of labelled texts.
            config: of the training; its seed draws the texts, too.
        """
        drawn = learner.as_targets(self.gold, self.gold.draw(labels, config.seed))
        background = Background(texts, self.gold.draw(MOST_POOL, config.seed).texts)
        trained = self._train(drawn, background, config)
        embed = self.embed if trained.recipe is Recipe.HEAD else trained.classifier.encoder.embed
        embeddings_N_D = embed(self.gold.heldout.texts)
        return trained, head_proba(trained.classifier, trained.classifier.head, embeddings_N_D)

    def _train(self, drawn: Targets, background: Background, config: TrainingConfig) -> Trained:
        if len(drawn):
            return train(TrainingData(drawn, background=background), config, self.start)
        trained = train_on_names(drawn, self.start, background)
        if trained is None:
            raise ValueError(f"no label of {self.gold.name} says anything")
        return trained


def _label_texts(labels: Sequence[str], variant: str) -> LabelTexts:
    """What the labels are called; or A, B … Z, AA, BB …, which say nothing."""
    if variant == NAMED:
        return label_texts(labels)
    return label_texts([chr(ord("A") + row % LETTERS) * (1 + row // LETTERS) for row in range(len(labels))])


def run(data: Path, sets: Sequence[str], budgets: Sequence[int], seeds: Sequence[int], variants: Sequence[str]) -> None:
    """Train and score every combination that has no line yet, and write one for each."""
    texts = {name: Texts(read_set(data, name)) for name in sets}
    done = {_cell(line) for line in read_lines()}
    with Progress() as progress:
        for variant, seed, labels, name in progress.track(list(product(variants, seeds, budgets, sets))):
            if (variant, name, labels, seed) not in done:
                with LINES.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(texts[name].measure(variant, labels, seed)) + "\n")


def read_lines() -> list[Line]:
    """What was measured so far."""
    return [json.loads(line) for line in LINES.read_text(encoding="utf-8").splitlines()] if LINES.exists() else []


def _cell(line: Line) -> Cell:
    return line["variant"], line["set"], line["labels"], line["seed"]


def write_table() -> None:
    """Write names.md from the lines, beside the learner that knew neither names nor pool."""
    accuracy = {_cell(line): 100 * line["accuracy"] for line in read_lines()}
    before = {
        ("before", line["set"], line["labels"], line["seed"]): 100 * line["accuracy"]
        for line in learner.read_lines()
        if line.get("is_auto")
    }
    every = {**accuracy, **before}
    text = [
        "# Label names and the unlabelled pool",
        "",
        f'`make bench ARGS="names --data FOLDER"` on {described("torch", "transformers")}; every figure from '
        "`names.jsonl`, one line a training.",
        "",
        f"Random labels, bundled encoder, `RECIPE=auto`, {MOST_POOL} unlabelled texts, the first {TEST_TEXTS} test "
        "texts. Accuracy in %, mean over seeds ± deviation; in brackets how many seeds. `before`: the learner of "
        "a554ebc on the same labels (`learner.jsonl`), which knew neither names nor pool. `opaque`: the same texts "
        "with labels called A, B, C …. Differences are paired by seed, ± the standard error.",
        "",
        "| labels | set | before | names and pool | difference | opaque names and pool | difference |",
        "|---|---|---|---|---|---|---|",
        *_rows(every),
        "",
        "## Labels for the accuracy that 256 random labels gave before",
        "",
        "| set | before, 256 labels | reached with |",
        "|---|---|---|",
        *_saved(every),
        "",
    ]
    TABLE.write_text("\n".join(text), encoding="utf-8")


def _rows(accuracy: Mapping[Cell, float]) -> Iterator[str]:
    cells = sorted({(labels, name) for _, name, labels, _ in accuracy})
    for labels, name in cells:
        before, named, opaque = (_by_seed(accuracy, variant, name, labels) for variant in ("before", *VARIANTS))
        yield (
            f"| {labels} | {name} | {_spread(before)} | {_spread(named)} | {_gain(named, before)} "
            f"| {_spread(opaque)} | {_gain(opaque, before)} |"
        )
    for title, counts in (("16 to 256", {labels for labels, _ in cells if labels}), *((n, {n}) for n in BUDGETS)):
        means = [_mean(accuracy, variant, counts) for variant in ("before", *VARIANTS)]
        yield f"| **{title}** | mean | {means[0]} | {means[1]} | | {means[2]} | |"


def _by_seed(accuracy: Mapping[Cell, float], variant: str, name: str, labels: int) -> dict[int, float]:
    return {seed: value for (*key, seed), value in accuracy.items() if key == [variant, name, labels]}


def _mean(accuracy: Mapping[Cell, float], variant: str, counts: set[int]) -> str:
    """Mean of the cells' means."""
    names = sorted({name for _, name, _, _ in accuracy})
    cells = [list(_by_seed(accuracy, variant, name, labels).values()) for name in names for labels in counts]
    return f"{np.mean([np.mean(cell) for cell in cells]):.1f}" if cells and all(cells) else ""


def _spread(values: Mapping[int, float]) -> str:
    found = list(values.values())
    if not found:
        return ""
    deviation = f" ± {np.std(found, ddof=1):.1f}" if len(found) > 1 else ""
    return f"{np.mean(found):.1f}{deviation} ({len(found)})"


def _gain(ours: Mapping[int, float], before: Mapping[int, float]) -> str:
    paired = [ours[seed] - before[seed] for seed in sorted(ours.keys() & before.keys())]
    if not paired:
        return ""
    error = f" ± {np.std(paired, ddof=1) / np.sqrt(len(paired)):.1f}" if len(paired) > 1 else ""
    return f"{np.mean(paired):+.1f}{error}"


def _saved(accuracy: Mapping[Cell, float]) -> Iterator[str]:
    """With how many labels the mean over seeds is first as good as 256 were before."""
    for name in sorted({name for _, name, _, _ in accuracy}):
        before = list(_by_seed(accuracy, "before", name, max(BUDGETS)).values())
        means = {
            labels: np.mean(list(found.values()))
            for labels in BUDGETS
            if (found := _by_seed(accuracy, NAMED, name, labels))
        }
        if before and means:
            # Means are compared as they are printed.
            enough = [labels for labels, mean in means.items() if round(mean, 1) >= round(np.mean(before), 1)]
            yield f"| {name} | {np.mean(before):.1f} | {enough[0] if enough else f'more than {max(means)}'} |"
