"""Recipes for training a classifier: their numbers, and the plan of each."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from model.encoder.stages import Objective, Stage
from model.types import FloatArray, Recipe

# The encoder's learning rate is for encoders of this many dimensions; a wider one gets proportionally less.
REFERENCE_WIDTH = 384
# The recipe of pairs is chosen where a text meets this many others in a batch, on average, that share its label and are
# not its neighbours yet. Of eight data sets, those that learned better by pairs had 0.9 or more, the others under 0.7.
ENOUGH_PARTNERS = 0.75
# The most texts that are compared with each other: their cosines take this number squared.
MOST_COMPARED = 2000
# Fine-tuning without pairs is chosen from this many labelled texts a class on. On Banking77, the head alone was ahead
# by 1 point with 3 texts a class, behind by 1 point with 7, while 600 times as fast, and behind by 2 points with 13.
ENOUGH_LABELS = 8


@dataclass(frozen=True)
class TrainingConfig:
    """All settings of a training, saved beside the weights.

    Attributes:
        recipe: decides the stages.
        encoder: a Hugging Face name or folder; empty for the bundled encoder.
        seed: of the head's first weights, the folds and the order of texts.
        batch_size: texts of a fine-tuning step.
        max_tokens: fine-tuning reads this many tokens of a longer text, or it would take minutes; linear fits and the
            finished classifier read the whole text.
        min_steps: lower limit on fine-tuning steps; few labels need many passes.
        epochs: passes over the labels, between the limits on steps; five passes cost a point of accuracy with 128 and
            256 labels.
        max_steps: upper limit on fine-tuning steps; it bounds the time of a training.
        encoder_lr: learning rate of an encoder of 384 dimensions; a wider one gets proportionally less.
        head_lr: learning rate of the head.
        frozen_share: share of the encoder's layers, from the lowest, that are not trained; `full` trains all.
        weight_decay: of AdamW.
        warmup_share: share of the steps in which the learning rate rises.
        max_gradient_norm: longer gradients are scaled down to this norm.
        pool_texts: upper limit on unlabelled texts that teach; they have the surest prototypes.
        pool_weight: how often a pool text comes beside a labelled text; 160 of them come as often as 32 labelled texts.
        pool_weight_without_names: the same where label names do not count and there are fewer than ENOUGH_LABELS labels
            a class; from there on no pool text comes.
        folds: parts of the labels, each predicted by a classifier that has not seen it; 0: no estimate.
        fold_min_steps: lower limit on fine-tuning steps of a fold's classifier.
        fold_epochs: upper limit on passes of a fold's classifier, so that an estimate costs less than the training.
        fold_max_steps: upper limit on fold steps; hundreds of texts are enough for a temperature.
        fold_min_batch_size: lower limit on the batch size of a fold.
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
    """Fit the head alone, around prototypes in the encoder's space at that point of the plan."""


Plan = Sequence[Stage | LinearFit]
"""Parts of a training, in order."""

_HEAD = "head"
_ORDER: dict[Recipe, tuple[Objective | str, ...]] = {
    Recipe.HEAD: (_HEAD,),
    Recipe.LP_FT: (_HEAD, Objective.LABELS),
    Recipe.FULL: (Objective.LABELS,),
    Recipe.CONTRASTIVE: (Objective.PAIRS, _HEAD),
}


def choose_recipe(targets_N_C: FloatArray, embeddings_N_D: FloatArray, batch_size: int) -> Recipe:
    """Choose the recipe that `auto` stands for with these labels (docs/the-learner.md).

    Pairs teach by two texts of one class that the encoder does not put beside each other yet. Where a text hardly meets
    such a partner in a batch (many classes with few texts each, or an untrained encoder that tells the classes apart),
    pairs only push texts apart. There the encoder is not trained while each class has few labels: prototypes are then
    better than fine-tuning.

    Args:
        targets_N_C: shares of N >= 2 texts.
        embeddings_N_D: the same texts' embeddings by the untrained encoder.
        batch_size: of fine-tuning.

    Returns:
        CONTRASTIVE, LP_FT or HEAD.
    """
    partners = batch_size * mean_likeness(targets_N_C) * (1 - neighbours_agree(targets_N_C, embeddings_N_D))
    if partners >= ENOUGH_PARTNERS:
        return Recipe.CONTRASTIVE
    classes = np.count_nonzero(targets_N_C.any(axis=0))
    return Recipe.LP_FT if len(targets_N_C) >= ENOUGH_LABELS * classes else Recipe.HEAD


def mean_likeness(targets_N_C: FloatArray) -> float:
    """Mean cosine of the label shares of two different texts, in [0, 1].

    With one choice and no disagreement: the share of pairs with the same label, Simpson's index (1949).
    """
    unit_N_C = _unit(targets_N_C)
    texts = len(targets_N_C)
    return float((np.square(unit_N_C.sum(axis=0)).sum() - np.square(unit_N_C).sum()) / (texts * (texts - 1)))


def neighbours_agree(targets_N_C: FloatArray, embeddings_N_D: FloatArray) -> float:
    """Measure how far nearest neighbours share labels beyond chance, in [0, 1].

    Cohen's kappa (1960) of leaving one out: 0 where the encoder does not tell the classes apart, 1 where every text is
    nearest to a text of its own class.

    Args:
        targets_N_C: shares of N >= 2 texts; MOST_COMPARED of them are compared.
        embeddings_N_D: embeddings of the same texts.
    """
    rows_M = np.unique(np.linspace(0, len(targets_N_C) - 1, MOST_COMPARED, dtype=np.int64))
    labels_M_C, near_M_D = _unit(targets_N_C[rows_M]), _unit(embeddings_N_D[rows_M])
    cosines_M_M = near_M_D @ near_M_D.T
    np.fill_diagonal(cosines_M_M, -np.inf)
    agreed = float((labels_M_C * labels_M_C[cosines_M_M.argmax(axis=1)]).sum(axis=1).mean())
    by_chance = mean_likeness(targets_N_C[rows_M])
    return max(0.0, (agreed - by_chance) / (1 - by_chance)) if by_chance < 1 else 0.0


def _unit(rows_N_K: FloatArray) -> FloatArray:
    """Scale rows to length 1; rows of length 0 stay."""
    unit_N_K: FloatArray = rows_N_K / np.maximum(np.linalg.norm(rows_N_K, axis=1, keepdims=True), 1e-12)
    return unit_N_K


def make_plan(config: TrainingConfig, texts: int, width: int, *, is_fold: bool = False) -> Plan:
    """Make the plan of a training.

    Args:
        config: the recipe, which must not be `auto`, and its numbers.
        texts: number of labelled texts to learn from.
        width: dimensions of the encoder.
        is_fold: whether the classifier serves an estimate alone, which has to be quick.
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
    """Gradient steps of all stages of a plan."""
    return sum(stage.steps for stage in plan if isinstance(stage, Stage))
