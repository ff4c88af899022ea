"""How a classifier can be trained: the recipes, their numbers, and what each does in which order."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from model.learner.fine_tuning import Objective, Stage
from model.types import FloatArray

# The encoder learning rate is for encoders of this width; wider ones want less.
REFERENCE_WIDTH = 384
# Pairs are worth it where a text of a batch meets so many others on average that they can bring nearer. Of eight sets,
# those that learned better by pairs had 0.9 and more, the others less than 0.7.
ENOUGH_PARTNERS = 0.75
MOST_NEIGHBOURS = 2000
# Fine-tuning without pairs wants so many labelled texts a class. With 3 a class on Banking77 the head alone was ahead
# by 1 point, with 7 behind by 1, and 600 times as fast; with 13 behind by 2.
ENOUGH_LABELS = 8


class Recipe(str, Enum):
    """How a classifier is trained."""

    AUTO = "auto"
    """The one of the others that measured best for such labels (`choose_recipe`)."""
    HEAD = "head"
    """A linear head on the frozen encoder."""
    LP_FT = "lp-ft"
    """The linear head first, then the encoder with it (Kumar et al., ICLR 2022)."""
    FULL = "full"
    """Head and encoder at once, the head from random weights, all layers (Devlin et al., 2019)."""
    CONTRASTIVE = "contrastive"
    """The encoder on pairs of texts, then the linear head (SetFit; Tunstall et al., 2022)."""


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that decides a training, saved beside the weights.

    Attributes:
        recipe: which stages.
        encoder: a Hugging Face name or folder; empty for the bundled one.
        max_tokens: of longer texts, fine-tuning reads so many tokens, or it would take minutes; the linear fits and the
            finished classifier read all.
        min_steps: fine-tuning never does fewer; few labels need many passes.
        epochs: passes over the labels, once those are more steps; five left 128 and 256 labels a point worse learned.
        max_steps: nor does it do more, so that what a label costs stays bounded.
        encoder_lr: for an encoder of 384 dimensions; a wider one gets proportionally less.
        frozen_share: share of the encoder's layers, from the lowest, that stay as they are; `full` freezes none.
        warmup_share: share of the steps in which the learning rate rises.
        pool_texts: so many of the unlabelled texts teach, those that the prototypes are surest of.
        pool_weight: how often each of them comes, beside a labelled text: all together as often as 32 labelled ones.
        pool_weight_without_names: the same where the label names say nothing: as often as 8.
        folds: parts of the labels, each predicted by a classifier that has not seen it; 0: none.
        fold_min_steps: fine-tuning of such a classifier never does fewer: an estimate has to cost less than what it
            estimates.
        fold_epochs: nor does it, beyond those steps, pass over its texts more often.
        fold_max_steps: nor does it ever do more: hundreds of texts say enough of a temperature.
        fold_min_batch_size: nor are its batches smaller, however few texts it has.
    """

    recipe: Recipe = Recipe.AUTO
    encoder: str = ""
    seed: int = 0
    batch_size: int = 16
    max_tokens: int = 64
    min_steps: int = 36
    epochs: int = 9
    max_steps: int = 640
    encoder_lr: float = 1e-4
    head_lr: float = 1e-3
    frozen_share: float = 1 / 3
    weight_decay: float = 0.01
    warmup_share: float = 0.1
    max_gradient_norm: float = 1.0
    pool_texts: int = 160
    pool_weight: float = 0.2
    pool_weight_without_names: float = 0.05
    folds: int = 2
    fold_min_steps: int = 12
    fold_epochs: int = 5
    fold_max_steps: int = 100
    fold_min_batch_size: int = 8


@dataclass(frozen=True)
class LinearFit:
    """The head alone, around the prototypes of what the encoder gives at that point."""


Plan = Sequence[Stage | LinearFit]

_HEAD = "head"
_ORDER: dict[Recipe, tuple[Objective | str, ...]] = {
    Recipe.HEAD: (_HEAD,),
    Recipe.LP_FT: (_HEAD, Objective.LABELS),
    Recipe.FULL: (Objective.LABELS,),
    Recipe.CONTRASTIVE: (Objective.PAIRS, _HEAD),
}


def choose_recipe(targets_N_C: FloatArray, embeddings_N_D: FloatArray, batch_size: int) -> Recipe:
    """What `auto` stands for with these labels (docs/the-learner.md).

    Pairs teach by texts that are alike and that the encoder does not put beside each other yet. Where a text of a batch
    hardly meets such a one (many classes, a few texts of each, or an encoder that tells the classes apart as it came),
    pairs only push apart what may belong together. There the encoder stays as it came while labels are few for their
    classes: prototypes then know more than fine-tuning finds out.

    Args:
        targets_N_C: shares of N >= 2 texts.
        embeddings_N_D: what the encoder said of them before any training.
        batch_size: of fine-tuning.
    """
    partners = batch_size * mean_likeness(targets_N_C) * (1 - neighbours_agree(targets_N_C, embeddings_N_D))
    if partners >= ENOUGH_PARTNERS:
        return Recipe.CONTRASTIVE
    classes = np.count_nonzero(targets_N_C.any(axis=0))
    return Recipe.LP_FT if len(targets_N_C) >= ENOUGH_LABELS * classes else Recipe.HEAD


def mean_likeness(targets_N_C: FloatArray) -> float:
    """Mean cosine of the label shares of two different texts, in [0, 1]; with one choice: how many pairs share a label.

    Simpson's index (1949), where everybody agrees on one choice.
    """
    unit_N_C = _unit(targets_N_C)
    texts = len(targets_N_C)
    return float((np.square(unit_N_C.sum(axis=0)).sum() - np.square(unit_N_C).sum()) / (texts * (texts - 1)))


def neighbours_agree(targets_N_C: FloatArray, embeddings_N_D: FloatArray) -> float:
    """How far the labels of a text and its nearest neighbour are more alike than those of any two, in [0, 1].

    Cohen's kappa (1960) of leaving one out: 0 where the encoder knows nothing of the classes, 1 where every text is
    nearest to one of its own.

    Args:
        targets_N_C: shares of N >= 2 texts; of very many, so many are looked at as suffice.
        embeddings_N_D: of the same texts.
    """
    rows_M = np.unique(np.linspace(0, len(targets_N_C) - 1, MOST_NEIGHBOURS, dtype=np.int64))
    labels_M_C, near_M_D = _unit(targets_N_C[rows_M]), _unit(embeddings_N_D[rows_M])
    cosines_M_M = near_M_D @ near_M_D.T
    np.fill_diagonal(cosines_M_M, -np.inf)
    agreed = float((labels_M_C * labels_M_C[cosines_M_M.argmax(axis=1)]).sum(axis=1).mean())
    by_chance = mean_likeness(targets_N_C[rows_M])
    return max(0.0, (agreed - by_chance) / (1 - by_chance)) if by_chance < 1 else 0.0


def _unit(rows_N_K: FloatArray) -> FloatArray:
    """Rows of length 1; those of length 0 stay."""
    unit_N_K: FloatArray = rows_N_K / np.maximum(np.linalg.norm(rows_N_K, axis=1, keepdims=True), 1e-12)
    return unit_N_K


def make_plan(config: TrainingConfig, texts: int, width: int, *, is_fold: bool = False) -> Plan:
    """What to do with so many labelled texts, one thing after the other.

    Args:
        config: the recipe, chosen, and its numbers.
        texts: labelled texts to learn from.
        width: dimensions of the encoder.
        is_fold: for a classifier that serves an estimate.
    """
    if is_fold:
        batch_size = min(config.batch_size, max(config.fold_min_batch_size, texts // 4))
        config = replace(
            config,
            min_steps=config.fold_min_steps,
            epochs=min(config.epochs, config.fold_epochs),
            max_steps=min(config.max_steps, config.fold_max_steps),
            batch_size=batch_size,
        )
    steps = min(max(config.min_steps, math.ceil(texts / config.batch_size) * config.epochs), config.max_steps)
    return [
        Stage(
            objective=part,
            steps=steps,
            max_tokens=config.max_tokens,
            seed=config.seed,
            batch_size=config.batch_size,
            encoder_lr=config.encoder_lr * min(1.0, REFERENCE_WIDTH / width),
            head_lr=config.head_lr,
            frozen_share=0.0 if config.recipe is Recipe.FULL else config.frozen_share,
            weight_decay=config.weight_decay,
            warmup_share=config.warmup_share,
            max_gradient_norm=config.max_gradient_norm,
        )
        if isinstance(part, Objective)
        else LinearFit()
        for part in _ORDER[config.recipe]
    ]


def count_steps(plan: Plan) -> int:
    """Gradient steps of all its stages."""
    return sum(stage.steps for stage in plan if isinstance(stage, Stage))
