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

from model.encoder.bert import TextClassifier, new_classifier
from model.encoder.inference import embed_texts, head_logits
from model.encoder.processor import never_more_than_available_cores
from model.errors import InvalidTargetsError
from model.learner.agreement import Agreement, agreement
from model.learner.calibration import fit_temperature
from model.learner.evaluation import Evaluation, evaluate, majority_share
from model.learner.fine_tuning import fine_tune
from model.learner.folds import deal_folds
from model.learner.knowledge import Knowledge, Teacher, know, space_of
from model.learner.prototypes import Trust, surest
from model.learner.recipes import LinearFit, Plan, Recipe, TrainingConfig, choose_recipe, count_steps, make_plan
from model.learner.refitting import with_refitted_head
from model.types import Background, FloatArray, IntArray, LabelSet, Targets

NO_TRUST = Trust(names=False, pool=0.0)
NO_AGREEMENT = Agreement()
NOTHING_KNOWN = Background()
# How many labels a warning names.
NAMED_LABELS = 5


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
        weak_labels: how many texts an LLM labelled it learned from besides.
        trust: how far label names and unlabelled texts counted.
        agreement: of people with label names, where nothing else was learned from (`train_on_names`).
    """

    classifier: TextClassifier
    recipe: Recipe = Recipe.HEAD
    steps: int = 0
    final_loss: float = 0.0
    train_s: float = 0.0
    out_of_fold: Evaluation | None = None
    warnings: tuple[str, ...] = ()
    weak_labels: int = 0
    trust: Trust = NO_TRUST
    agreement: Agreement = NO_AGREEMENT


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


def do_not_stop() -> bool:
    """The answer of those who do not cancel."""
    return False


def train(
    targets: Targets,
    config: TrainingConfig,
    on_step: StepProgress = ignore_steps,
    should_stop: Callable[[], bool] = do_not_stop,
    weak: Targets | None = None,
    weak_weight: float = 0.0,
    start: Start | None = None,
    background: Background = NOTHING_KNOWN,
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
        background: what labels mean, and unlabelled texts.

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
        learner = _Learner(targets, config, start, on_step, should_stop, weak, weak_weight, background)
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
        warnings=tuple(_warnings(targets, out_of_fold, learner.trust)),
        weak_labels=len(weak),
        trust=learner.trust,
    )


def train_on_names(targets: Targets, start: Start, background: Background) -> Trained | None:
    """A classifier from label names and pool, and from the few labels there are; the encoder stays as it came.

    Args:
        targets: N >= 0 labelled texts.
        start: the encoder, and its embeddings.
        background: what labels mean, and unlabelled texts.

    Returns:
        None where label names tell nothing apart.
    """
    began = time.monotonic()
    label_set = targets.label_set
    embed = start.embed
    knowledge = know(
        background.label_texts,
        len(label_set.labels),
        embed(background.pool),
        embed,
        is_multilabel=label_set.is_multilabel,
    )
    return train_on_knowledge(targets, embed(targets.texts), start.classifier, knowledge, began)


def train_on_knowledge(
    targets: Targets, embeddings_N_D: FloatArray, classifier: TextClassifier, knowledge: Knowledge, began: float
) -> Trained | None:
    """`train_on_names`, where names and pool are embedded already; `began`: when, by `time.monotonic`."""
    targets_N_C, is_multilabel = targets.targets_N_C, targets.label_set.is_multilabel
    if not knowledge.tells_apart:
        return None
    named = with_refitted_head(classifier, embeddings_N_D[:0], targets_N_C[:0], knowledge)
    # What names alone say of the labelled texts says how sure they may be: they have not seen these labels.
    logits_N_C = head_logits(named.head, embeddings_N_D)
    temperature = fit_temperature(logits_N_C, targets_N_C, is_multilabel=is_multilabel)
    trust = knowledge.teach(embeddings_N_D, targets_N_C).trust
    refitted = with_refitted_head(classifier, embeddings_N_D, targets_N_C, knowledge, trust)
    refitted.config = replace(refitted.config, temperature=temperature)
    agreed = agreement(logits_N_C, targets_N_C)
    return Trained(refitted, train_s=time.monotonic() - began, trust=trust, agreement=agreed)


def _with_fresh_head(start: Start) -> Start:
    """The same start with a head drawn now, by the seed of the training: `full` begins from it."""
    classifier = copy.deepcopy(start.classifier)
    classifier.head.reset_parameters()
    return replace(start, classifier=classifier)


def check_trainable(targets: Targets) -> None:
    """Raise InvalidTargetsError unless something can be learned."""
    for task_id, text, shares_C in zip(targets.task_ids, targets.texts, targets.targets_N_C, strict=True):
        if not text.strip():
            raise InvalidTargetsError(f"task {task_id} is labelled but has no text: remove its labels or fix its data")
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


@dataclass(frozen=True)
class _Examples:
    """What fine-tuning learns from, people's labels first.

    Attributes:
        weights_N: how often each text comes.
        names: for each text after those that have labels, up to the first pool text, whether it is a label's name.
    """

    targets: Targets
    weights_N: FloatArray
    labelled: int
    named_K: IntArray


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
        background: Background,
    ) -> None:
        self._targets = targets
        self.weak = weak
        self._weak_weight = weak_weight
        self._on_step = on_step
        self._should_stop = should_stop
        self._start = start
        self._background = background
        width = start.classifier.head.in_features
        classes = len(seen_classes(targets.targets_N_C))
        if config.recipe is Recipe.AUTO:
            untuned_N_D = self._untuned_N_D[: len(targets)]
            config = replace(config, recipe=choose_recipe(targets.targets_N_C, untuned_N_D, config.batch_size))
        if classes < 2 and not targets.label_set.is_multilabel:
            # Nothing can be told apart by labels, and no text held out could say that the classifier is too sure.
            config = replace(config, recipe=Recipe.HEAD, folds=0)
        self._config = config
        self.recipe = config.recipe
        self.plan = make_plan(config, len(targets) + len(weak), width)
        self._folds = deal_folds(targets.targets_N_C, config.folds, np.random.default_rng(config.seed))
        self._fold_plans = [
            make_plan(config, len(targets) - len(rows_M), width, is_fold=True) for rows_M in self._folds
        ]
        self._steps = sum(map(count_steps, [self.plan, *self._fold_plans]))
        self._steps_done = 0
        self.trust = NO_TRUST

    def predict_out_of_fold(self) -> tuple[FloatArray, IntArray]:
        """Logits of every text by a classifier that has not seen it: logits_M_C, and whose they are: rows_M."""
        parts = []
        for rows_M, plan in zip(self._folds, self._fold_plans, strict=True):
            others = np.setdiff1d(np.arange(len(self._targets)), rows_M)
            # Without what an LLM said: its examples were labels that are held out here.
            classifier, _ = self.fit(others, plan, self._targets.some(np.zeros(0, dtype=int)))
            embeddings_M_D = self._embed_held_out(classifier, rows_M, plan)
            parts.append(head_logits(classifier.head, embeddings_M_D))
        if not parts:
            return np.zeros((0, self._targets.targets_N_C.shape[1])), np.zeros(0, dtype=int)
        return np.concatenate(parts), np.concatenate(self._folds)

    def _embed_held_out(self, classifier: TextClassifier, rows_M: IntArray, plan: Plan) -> FloatArray:
        if not count_steps(plan):
            return self._untuned_N_D[rows_M]
        return embed_texts(classifier, [self._targets.texts[row] for row in rows_M])

    def fit(self, rows_M: IntArray, plan: Plan, weak: Targets) -> tuple[TextClassifier, float]:
        """Follow a plan on some texts and on weak ones; returns the classifier in evaluation mode and its last loss.

        The prototypes of the encoder as it came teach first: they say which pool texts are examples, and whether names
        are. After fine-tuning, prototypes are found anew, in the space that the encoder has then.
        """
        classifier = copy.deepcopy(self._start.classifier)
        labelled = self._targets.some(rows_M).and_also(weak)
        counts_L = np.ones(len(labelled), dtype=np.float32)
        counts_L[len(rows_M) :] = self._weak_weight
        untuned_L_D = self._untuned(rows_M, weak)
        teacher = self._knowledge.teach(untuned_L_D, labelled.targets_N_C, counts_L)
        self.trust = teacher.trust
        examples = self._examples(labelled, counts_L, teacher) if count_steps(plan) else None
        loss = math.nan
        embeddings_L_D = untuned_L_D
        for part in plan:
            if isinstance(part, LinearFit):
                if examples is not None and not math.isnan(loss):
                    teacher, embeddings_L_D = self._teach_again(classifier, examples, teacher.trust)
                is_multilabel = labelled.label_set.is_multilabel
                teacher.fit(
                    classifier.head, embeddings_L_D, labelled.targets_N_C, counts_L, is_multilabel=is_multilabel
                )
            elif examples is not None:
                loss = fine_tune(classifier, examples.targets, part, self._count, self._should_stop, examples.weights_N)
        return classifier.eval(), loss

    def _examples(self, labelled: Targets, counts_L: FloatArray, teacher: Teacher) -> _Examples:
        """Labelled texts, label names that are trusted, and the pool texts that the teacher is surest of."""
        named_K = self._named() if teacher.trust.names else np.zeros(0, dtype=np.int64)
        names = self._label_names(named_K)
        pool = self._pool_examples(labelled, teacher)
        config = self._config
        pool_weight = config.pool_weight if teacher.trust.names else config.pool_weight_without_names
        weights_N = np.concatenate([counts_L, np.ones(len(names)), np.full(len(pool), pool_weight)])
        return _Examples(labelled.and_also(names).and_also(pool), weights_N.astype(np.float32), len(labelled), named_K)

    def _named(self) -> IntArray:
        """Classes whose name says something."""
        return np.array([row for row, texts in enumerate(self._background.label_texts) if texts], dtype=np.int64)

    def _label_names(self, named_K: IntArray) -> Targets:
        """A label's name as a text that has that label."""
        label_set = self._targets.label_set
        one_hot_C_C = np.eye(len(label_set.labels), dtype=np.float32)
        texts = tuple(self._background.label_texts[row][0] for row in named_K)
        return Targets((0,) * len(texts), texts, one_hot_C_C[named_K], label_set)

    def _pool_examples(self, labelled: Targets, teacher: Teacher) -> Targets:
        """Pool texts with the teacher's probabilities as shares, each text once."""
        proba_M_C = teacher.proba(self._pool_M_D)
        known = set(labelled.texts)
        first = {text: row for row, text in reversed(list(enumerate(self._background.pool))) if text.strip()}
        is_new_M = np.zeros(len(proba_M_C), dtype=bool)
        is_new_M[[row for text, row in first.items() if text not in known]] = True
        proba_M_C[~is_new_M] = 0.0
        rows_S = surest(proba_M_C, self._config.pool_texts)
        texts = tuple(self._background.pool[row] for row in rows_S)
        return Targets((0,) * len(texts), texts, proba_M_C[rows_S], self._targets.label_set)

    def _teach_again(self, classifier: TextClassifier, examples: _Examples, trust: Trust) -> tuple[Teacher, FloatArray]:
        """Prototypes of names and labelled texts in the space of a fine-tuned encoder, and those texts' embeddings.

        The pool taught the encoder; a second time, in its own image, it would add nothing (docs/the-learner.md).
        """
        embeddings_N_D = embed_texts(classifier, examples.targets.texts)
        space = space_of(embeddings_N_D, examples.weights_N)
        targets_N_C, labelled = examples.targets.targets_N_C, examples.labelled
        known = labelled + len(examples.named_K)
        nothing = replace(self._knowledge, is_said_R_C=np.zeros_like(self._knowledge.is_said_R_C))
        teacher = replace(nothing, pool_M_D=embeddings_N_D[:0]).teach(
            embeddings_N_D[:known],
            targets_N_C[:known],
            examples.weights_N[:known],
            trust=NO_TRUST,
            space=space,
        )
        return replace(teacher, trust=trust), embeddings_N_D[:labelled]

    @cached_property
    def _knowledge(self) -> Knowledge:
        label_set = self._targets.label_set
        return know(
            self._background.label_texts,
            len(label_set.labels),
            self._pool_M_D,
            self._start.embed,
            is_multilabel=label_set.is_multilabel,
        )

    @cached_property
    def _pool_M_D(self) -> FloatArray:
        return self._start.embed(self._background.pool)

    def _untuned(self, rows_M: IntArray, weak: Targets) -> FloatArray:
        """What the encoder says before any training: embeddings of some texts, then of weak ones."""
        return np.concatenate([self._untuned_N_D[rows_M], self._untuned_N_D[len(self._targets) :][: len(weak)]])

    @cached_property
    def _untuned_N_D(self) -> FloatArray:
        """Of all texts, weak ones last; read once."""
        return self._start.embed([*self._targets.texts, *self.weak.texts])

    def _count(self, loss: float) -> None:
        self._steps_done += 1
        self._on_step(self._steps_done, self._steps, loss)


def _evaluate(classifier: TextClassifier, logits_M_C: FloatArray, targets_M_C: FloatArray) -> Evaluation:
    proba_M_C = classifier.proba(torch.from_numpy(logits_M_C)).numpy()
    return evaluate(proba_M_C, targets_M_C, is_multilabel=classifier.config.is_multilabel)


def _warnings(targets: Targets, out_of_fold: Evaluation | None, trust: Trust) -> Iterator[str]:
    """What the numbers alone would not tell whoever relies on the classifier."""
    labels, seen = targets.label_set.labels, seen_classes(targets.targets_N_C)
    if len(seen) == 1 and not targets.label_set.is_multilabel and not trust.names:
        yield f"all {len(targets)} labelled texts are {labels[seen[0]]!r}: nothing else can be predicted yet"
        return
    if missing := [label for row, label in enumerate(labels) if row not in seen]:
        yield f"no labelled text yet of {_some(missing)}: " + (
            "known by name alone" if trust.names else "never predicted"
        )
    if not trust.names and (
        rare := [labels[row] for row in seen if np.count_nonzero(targets.targets_N_C[:, row]) == 1]
    ):
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
