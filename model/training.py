"""From labelled texts to a calibrated classifier that says how good it is. Read `train` from top to bottom.

Recipes differ in their plans alone (`recipes`); the loop they share is in `fine_tuning`.
"""

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
import torch

from model.bert import TextClassifier, new_classifier
from model.calibration import fit_temperature
from model.errors import InvalidTargetsError
from model.evaluation import Evaluation, evaluate, majority_share
from model.fine_tuning import fine_tune
from model.folds import deal_folds
from model.inference import embed_texts, head_logits
from model.linear_head import fit_head
from model.processor import never_more_than_available_cores
from model.recipes import LinearFit, Plan, Recipe, TrainingConfig, choose_recipe, count_steps, make_plan
from model.types import FloatArray, IntArray, LabelSet, Targets

# How many labels a warning names.
NAMED_LABELS = 5
# Where all texts are of one class, its probability then grows slowly with their number.
ONE_CLASS_L2 = 1.0


@dataclass(frozen=True)
class Trained:
    """A trained classifier, what its training took, and what it is worth.

    Attributes:
        classifier: in evaluation mode, its temperature set.
        recipe: the one that was used; never `auto`.
        steps: fine-tuning steps of the classifier itself, folds not counted.
        final_loss: of its last batch; NaN where nothing was fine-tuned.
        train_s: seconds for everything, folds included.
        out_of_fold: what classifiers trained alike said of labelled texts they had not seen; None without folds.
        warnings: what keeps this classifier from being good, in sentences for people.
        weak_labels: how many texts it learned from besides.
    """

    classifier: TextClassifier
    recipe: Recipe = Recipe.HEAD
    steps: int = 0
    final_loss: float = 0.0
    train_s: float = 0.0
    out_of_fold: Evaluation | None = None
    warnings: tuple[str, ...] = ()
    weak_labels: int = 0


@dataclass(frozen=True)
class Start:
    """What every training begins from.

    Attributes:
        classifier: a pretrained encoder with a head for the labels; stays as it is.
        embed: what that encoder says of texts: embeddings_N_D.
    """

    classifier: TextClassifier
    embed: Callable[[Sequence[str]], FloatArray]


def load_start(encoder: str, label_set: LabelSet) -> Start:
    """An encoder read from disk, which says itself what texts are."""
    classifier = new_classifier(encoder, label_set)
    return Start(classifier, partial(embed_texts, classifier))


StepProgress = Callable[[int, int, float], None]


def ignore_steps(step: int, steps: int, loss: float) -> None:
    """The progress callback of those who do not look."""


def never() -> bool:
    """The answer of those who do not cancel."""
    return False


def train(
    targets: Targets,
    config: TrainingConfig,
    on_step: StepProgress = ignore_steps,
    should_stop: Callable[[], bool] = never,
    weak: Targets | None = None,
    weak_weight: float = 0.0,
    start: Start | None = None,
) -> Trained:
    """Train a classifier on N texts with target shares.

    Args:
        targets: at least two texts.
        config: the recipe and its numbers.
        on_step: called with (step, steps, loss) after every fine-tuning step, those of the folds included.
        should_stop: asked before every step.
        weak: texts that no person labelled, to learn from besides; nothing is measured on them.
        weak_weight: what each of those counts against one of `targets`.
        start: the encoder of `config`, where somebody has it, and its embeddings, already.

    Raises:
        InvalidTargetsError: nothing can be learned from these labels; names the task where one is at fault.
        TrainingDivergedError: the loss became NaN or infinite; names tasks.
        TrainingCancelledError: `should_stop` said so.
    """
    check_trainable(targets)
    began = time.monotonic()
    never_more_than_available_cores()
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        start = _with_fresh_head(start) if start else load_start(config.encoder, targets.label_set)
        weak = weak or targets.some(np.zeros(0, dtype=int))
        learner = _Learner(targets, config, start, on_step, should_stop, weak, weak_weight)
        logits_M_C, rows_M = learner.predict_out_of_fold()
        classifier, loss = learner.fit(np.arange(len(targets)), learner.plan, learner.weak)
    held_out_M_C = targets.targets_N_C[rows_M]
    temperature = fit_temperature(logits_M_C, held_out_M_C, is_multilabel=targets.label_set.is_multilabel)
    classifier.config = replace(classifier.config, temperature=temperature)
    out_of_fold = _evaluate(classifier, logits_M_C, held_out_M_C) if len(rows_M) else None
    return Trained(
        classifier=classifier,
        recipe=learner.recipe,
        steps=count_steps(learner.plan),
        final_loss=loss,
        train_s=time.monotonic() - began,
        out_of_fold=out_of_fold,
        warnings=tuple(_warnings(targets, out_of_fold)),
        weak_labels=len(weak),
    )


def _with_fresh_head(start: Start) -> Start:
    """The same start with a head drawn now, by the seed of the training: `full` begins from it."""
    classifier = copy.deepcopy(start.classifier)
    classifier.head.reset_parameters()
    return replace(start, classifier=classifier)


def check_trainable(targets: Targets) -> None:
    """Raise InvalidTargetsError unless something can be learned."""
    for task_id, text, shares_C in zip(targets.task_ids, targets.texts, targets.targets_N_C, strict=True):
        if not text.strip():
            raise InvalidTargetsError(f"task {task_id} is labelled but has no text: remove its labels or mend its data")
        if not np.isfinite(shares_C).all():
            raise InvalidTargetsError(f"task {task_id} has a label share that is no number: label it again")
    if len(targets) < 2 or not targets.targets_N_C.any():
        raise InvalidTargetsError(
            f"training needs at least 2 labelled texts; there are {len(targets)} "
            f"with {len(seen_classes(targets.targets_N_C))} different labels: label a few more"
        )


def seen_classes(targets_N_C: FloatArray) -> IntArray:
    """Classes that somebody used, as positions on axis C."""
    return np.flatnonzero(targets_N_C.any(axis=0))


class _Learner:
    """One encoder, trained from the same start once for each fold and once on everything."""

    def __init__(
        self,
        targets: Targets,
        config: TrainingConfig,
        start: Start,
        on_step: StepProgress,
        should_stop: Callable[[], bool],
        weak: Targets,
        weak_weight: float,
    ) -> None:
        self._targets = targets
        self.weak = weak
        self._weak_weight = weak_weight
        self._on_step = on_step
        self._should_stop = should_stop
        self._start = start
        width = start.classifier.head.in_features
        classes = len(seen_classes(targets.targets_N_C))
        if config.recipe is Recipe.AUTO:
            untuned_N_D = self._untuned_N_D[: len(targets)]
            config = replace(config, recipe=choose_recipe(targets.targets_N_C, untuned_N_D, config.batch_size))
        if classes < 2 and not targets.label_set.is_multilabel:
            # Nothing can be told apart, and no text held out could ever say that the classifier is too sure.
            config = replace(config, recipe=Recipe.HEAD, head_l2=ONE_CLASS_L2, folds=0)
        self.recipe = config.recipe
        self.plan = make_plan(config, len(targets) + len(weak), width)
        self._folds = deal_folds(targets.targets_N_C, config.folds, np.random.default_rng(config.seed))
        self._fold_plans = [
            make_plan(config, len(targets) - len(rows_M), width, is_fold=True) for rows_M in self._folds
        ]
        self._steps = sum(map(count_steps, [self.plan, *self._fold_plans]))
        self._steps_done = 0

    def predict_out_of_fold(self) -> tuple[FloatArray, IntArray]:
        """Logits of every text by a classifier that has not seen it: logits_M_C, and whose they are: rows_M."""
        parts = []
        for rows_M, plan in zip(self._folds, self._fold_plans, strict=True):
            others = np.setdiff1d(np.arange(len(self._targets)), rows_M)
            # Without what an LLM said: its examples were labels that are held out here.
            classifier, _ = self.fit(others, plan, self._targets.some(np.zeros(0, dtype=int)))
            embeddings_M_D = embed_texts(classifier, [self._targets.texts[row] for row in rows_M])
            parts.append(head_logits(classifier.head, embeddings_M_D))
        if not parts:
            return np.zeros((0, self._targets.targets_N_C.shape[1])), np.zeros(0, dtype=int)
        return np.concatenate(parts), np.concatenate(self._folds)

    def fit(self, rows_M: IntArray, plan: Plan, weak: Targets) -> tuple[TextClassifier, float]:
        """Follow a plan on some texts and on weak ones; returns the classifier in evaluation mode and its last loss."""
        classifier = copy.deepcopy(self._start.classifier)
        targets = self._targets.some(rows_M).and_also(weak)
        weights_N = np.ones(len(targets), dtype=np.float32)
        weights_N[len(rows_M) :] = self._weak_weight
        is_tuned, loss = False, math.nan
        for part in plan:
            if isinstance(part, LinearFit):
                embeddings_N_D = embed_texts(classifier, targets.texts) if is_tuned else self._untuned(rows_M, weak)
                fit_head(
                    classifier.head,
                    embeddings_N_D,
                    targets.targets_N_C,
                    part.l2,
                    is_multilabel=targets.label_set.is_multilabel,
                    weights_N=weights_N,
                )
            else:
                loss = fine_tune(classifier, targets, part, self._count, self._should_stop, weights_N)
                is_tuned = True
        return classifier, loss

    def _untuned(self, rows_M: IntArray, weak: Targets) -> FloatArray:
        """What the encoder says before any training: embeddings of some texts, then of weak ones."""
        return np.concatenate([self._untuned_N_D[rows_M], self._untuned_N_D[len(self._targets) :][: len(weak)]])

    @cached_property
    def _untuned_N_D(self) -> FloatArray:
        """Of all texts, weak ones last; read once, and only for those who ask."""
        return self._start.embed([*self._targets.texts, *self.weak.texts])

    def _count(self, loss: float) -> None:
        self._steps_done += 1
        self._on_step(self._steps_done, self._steps, loss)


def _evaluate(classifier: TextClassifier, logits_M_C: FloatArray, targets_M_C: FloatArray) -> Evaluation:
    proba_M_C = classifier.proba(torch.from_numpy(logits_M_C)).numpy()
    return evaluate(proba_M_C, targets_M_C, is_multilabel=classifier.config.is_multilabel)


def _warnings(targets: Targets, out_of_fold: Evaluation | None) -> Iterator[str]:
    """What the numbers alone would not tell whoever relies on the classifier."""
    labels, seen = targets.label_set.labels, seen_classes(targets.targets_N_C)
    if len(seen) == 1 and not targets.label_set.is_multilabel:
        yield f"all {len(targets)} labelled texts are {labels[seen[0]]!r}: nothing else can be predicted yet"
        return
    if missing := [label for row, label in enumerate(labels) if row not in seen]:
        yield f"no labelled text yet of {_some(missing)}: never predicted"
    if rare := [labels[row] for row in seen if np.count_nonzero(targets.targets_N_C[:, row]) == 1]:
        yield f"only one labelled text of {_some(rare)}: hardly ever predicted"
    if out_of_fold is not None and not targets.label_set.is_multilabel:
        always = majority_share(targets.targets_N_C)
        if out_of_fold.accuracy <= always:
            yield (
                f"right on {out_of_fold.accuracy:.0%} of labelled texts it had not seen; always answering the "
                f"commonest label would be right on {always:.0%}: label more, or look at whether the texts tell the "
                "labels apart"
            )


def _some(labels: list[str]) -> str:
    shown = ", ".join(map(repr, labels[:NAMED_LABELS]))
    return shown if len(labels) <= NAMED_LABELS else f"{shown} and {len(labels) - NAMED_LABELS} more"
