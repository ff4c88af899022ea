"""Plan which texts get a label, with the expected precision of the labels, or the reason why none can be promised."""

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from backend.applying.reading import UnlabelledTexts
from backend.errors import CannotPromiseError
from backend.store.applied import Given, Sample
from model.applying.promise import (
    LOOK_RISK,
    Evidence,
    Promise,
    choose_promise,
    fewest_tested,
    interval_of_rest,
    likely_threshold,
    promise_at,
)
from model.judging.fair_sample import draw_numbers
from model.tasks.task import Task
from model.types import FloatArray, IntArray

# The promise if no text waits for a label.
NOTHING_LEFT = Promise(1.0, 0, 0, 0, (0.0, 1.0))
# Number of texts in the sample that a refusal suggests.
SAMPLE = 30
# Lower precisions that are tried if the precision that was asked for cannot be promised.
_LOWER = tuple(np.arange(0.99, 0.49, -0.01).round(2).tolist())


@dataclass(frozen=True)
class ApplyPlan:
    """Planned labels, and the promise of their precision.

    Attributes:
        question: control of the question that the labels answer.
        model: number of the model version that predicts the labels; 0 if an LLM does.
        others: number of texts that could get a predicted label.
        precision: the precision that was asked for.
        predicted: the predicted label of each task, by id.
        copied: the label of each copy of a text that people labelled, by task id.
        promise: expectation and interval of the predicted labels' precision.
        llm: the LLM that gives the labels; empty if a model version does.
    """

    question: str
    model: int
    others: int
    precision: float
    predicted: Mapping[int, Given]
    copied: Mapping[int, Given]
    promise: Promise
    llm: str = ""

    @property
    def giver(self) -> str:
        """The beginning of a run's name: `llm`, or the number of the model version."""
        return "llm" if self.llm else str(self.model)

    @property
    def labels(self) -> dict[int, Given]:
        """All labels, by task id."""
        return {**self.predicted, **self.copied}

    @property
    def unlabelled(self) -> int:
        """Number of texts without a label of a person."""
        return self.others + len(self.copied)

    @property
    def share(self) -> float:
        """The share of the unlabelled texts that get a label."""
        return len(self.labels) / self.unlabelled if self.unlabelled else 0.0

    @property
    def holds(self) -> bool:
        """Whether the precision can be promised."""
        return not self.predicted or self.promise.holds(self.precision)

    @property
    def digest(self) -> str:
        """A digest of all labels."""
        said = json.dumps([self.question, sorted((task, given.labels) for task, given in self.labels.items())])
        return hashlib.blake2b(said.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def plan_labels(rest: UnlabelledTexts, evidence: Evidence, precision: float) -> ApplyPlan:
    """Plan labels of a precision that can be promised.

    Args:
        rest: the question and its unlabelled texts.
        evidence: the random sample that people labelled.
        precision: the precision to promise, in (0, 1).

    Raises:
        CannotPromiseError: the precision cannot be promised; the message says why, and what to do.
    """
    if not len(rest.rows_N):
        return plan_at(rest, NOTHING_LEFT, precision)
    confidence_N = rest.answered.confidence_N
    promise = choose_promise(evidence, confidence_N, precision)
    if promise is None:
        raise CannotPromiseError(_refusal(evidence, confidence_N, precision))
    return plan_at(rest, promise, precision)


def plan_likely(rest: UnlabelledTexts, evidence: Evidence, precision: float) -> ApplyPlan:
    """Plan labels that should have a precision by their calibrated probabilities; a sample can then check the labels.

    Args:
        rest: the question and its unlabelled texts.
        evidence: the random sample that people labelled.
        precision: the precision that is wanted, in (0, 1).

    Raises:
        CannotPromiseError: the classifier is too unsure of every text, or none is left.
    """
    if not len(rest.rows_N):
        raise CannotPromiseError("no text is left to draw a sample from: every text is labelled, skipped or a copy")
    confidence_N = rest.answered.confidence_N
    promise = choose_promise(evidence, confidence_N, precision)
    if promise is None:
        threshold = likely_threshold(confidence_N, precision)
        if threshold is None:
            raise CannotPromiseError(
                f"the classifier is not sure enough of any text for a precision of {in_percent(precision)}: label more "
                "texts"
            )
        promise = promise_at(evidence, confidence_N, threshold)
    return plan_at(rest, promise, precision)


def plan_at(rest: UnlabelledTexts, promise: Promise, precision: float) -> ApplyPlan:
    """Plan the labels of all texts above a promise's threshold.

    Args:
        rest: the question and its unlabelled texts.
        promise: the threshold, with expectation and interval.
        precision: the precision that was asked for.
    """
    answered, pool = rest.answered, rest.synced.pool
    above_M = np.flatnonzero(answered.confidence_N >= promise.threshold)
    labels = {
        pool[row].task_id: Given(rest.labels_of(answered.decided_N_C[at]), round(float(answered.confidence_N[at]), 6))
        for at, row in zip(above_M.tolist(), rest.rows_N[above_M].tolist(), strict=True)
    }
    question = rest.synced.task.control
    return ApplyPlan(question, rest.model, len(rest.rows_N), precision, labels, rest.copied, promise, rest.llm)


def _refusal(evidence: Evidence, confidence_N: FloatArray, precision: float) -> str:
    """Say why a precision cannot be promised, and what to do."""
    asked = f"a precision of {in_percent(precision)} cannot be promised"
    instead = _instead(evidence, confidence_N, precision)
    threshold = likely_threshold(confidence_N, precision)
    if threshold is None:
        return f"{asked}: the classifier is not sure enough of any text. Label more texts; {instead}"
    (right, tested), needed = evidence.above(threshold), fewest_tested(precision)
    sample = f"have people look at some of the texts that would get a label (--sample {max(SAMPLE, needed)})"
    if tested < needed:
        return (
            f"{asked}: it needs at least {needed} labels of the random sample on texts that the classifier is sure "
            f"enough of, and there are {tested}; more come with the order as people label (EXPLORE). Sooner: {sample}; "
            f"{instead}"
        )
    return (
        f"{asked}: of {tested} texts of the random sample that the classifier is sure enough of, it was right on "
        f"{right}, which is {right / tested:.1%}. Label more texts; or {sample}; {instead}"
    )


def in_percent(precision: float) -> str:
    """Return a precision in words, with all its digits: 97.5% would be called 98% by rounding, and 99.9% 100%."""
    return f"{100 * precision:.5g}%"


def _instead(evidence: Evidence, confidence_N: FloatArray, precision: float) -> str:
    """Return words that name the highest precision that can be promised."""
    lower = next(
        (lower for lower in _LOWER if lower < precision and choose_promise(evidence, confidence_N, lower)), None
    )
    if lower is None:
        return "a lower precision (--precision) cannot be promised either"
    return f"{lower:.2f} can be promised now (--precision {lower:.2f})"


def lost_labels(given: Mapping[int, Given], task: Task) -> set[str]:
    """Return the labels that tasks wait for and that the labeling config offers no more: nobody could give them.

    Args:
        given: the labels of each task, by id.
        task: the question as the labeling config asks it now.
    """
    return {label for one in given.values() for label in one.labels} - {*task.label_set.labels}


def draw_sample(plan: ApplyPlan, size: int) -> Sample:
    """Draw the texts of a plan that people look at.

    Args:
        plan: the labels.
        size: number of texts to look at.
    """
    ids = np.array(list(plan.predicted), dtype=np.int64)
    shown = ids[_places_in_draw(ids)][:size]
    promise = plan.promise
    return Sample(
        at=time.time(),
        model=plan.model,
        question=plan.question,
        precision=plan.precision,
        threshold=promise.threshold,
        right=promise.right,
        tested=promise.tested,
        labels=plan.predicted,
        shown=tuple(shown.tolist()),
    )


@dataclass(frozen=True)
class Seen:
    """People's labels of a sample, compared with the predicted labels.

    Attributes:
        plan: the labels of the other texts, with their promise.
        agreed: number of texts on which people gave the predicted label.
        answered: number of texts that people labelled.
        skipped: number of texts that people skipped, or that were deleted.
        waiting: number of texts that nobody has labelled or skipped yet.
    """

    plan: ApplyPlan
    agreed: int
    answered: int
    skipped: int
    waiting: int

    @property
    def is_used_up(self) -> bool:
        """People labelled or skipped the sample, and no other text would get one of its labels."""
        return not self.waiting and not self.plan.predicted


def read_sample(rest: UnlabelledTexts, sample: Sample) -> Seen:
    """Compare people's labels of a sample with the predicted labels.

    The random tenth counts too: both are draws from the texts above one threshold.

    Args:
        rest: the question and its unlabelled texts.
        sample: the predicted labels, and the tasks that people look at.
    """
    targets, pool = rest.synced.targets, rest.synced.pool
    said = dict(zip(targets.task_ids, rest.synced.task.decided(targets.targets_N_C), strict=True))
    answered = [task_id for task_id in sample.shown if task_id in said]
    agreed = sum(rest.labels_of(said[task_id]) == sample.labels[task_id].labels for task_id in answered)
    waiting = {text.task_id for text in pool if not text.is_skipped} & set(sample.shown) - set(answered)
    may = {pool[row].task_id for row in rest.rows_N.tolist()} - set(sample.shown)
    left = {task_id: given for task_id, given in sample.labels.items() if task_id in may}
    right, tested = sample.right + agreed, sample.tested + len(answered)
    interval = interval_of_rest(right, tested, len(left), LOOK_RISK) if left else (0.0, 1.0)
    promise = Promise(sample.threshold, len(left), right, tested, interval)
    others = len(rest.rows_N)
    plan = ApplyPlan(sample.question, sample.model, others, sample.precision, left, rest.copied, promise)
    skipped = len(sample.shown) - len(answered) - len(waiting)
    return Seen(plan, agreed, len(answered), skipped, len(waiting))


def widened(sample: Sample, size: int) -> Sample:
    """Return the same labels with a larger sample: further texts of the same draw."""
    ids = np.array([task_id for task_id in sample.labels if task_id not in sample.shown], dtype=np.int64)
    more = ids[_places_in_draw(ids)][: max(0, size - len(sample.shown))]
    return replace(sample, shown=(*sample.shown, *more.tolist()))


def _places_in_draw(task_ids_N: IntArray) -> IntArray:
    """Return the order in which tasks are drawn for a sample.

    The numbers of tasks differ from those for the random places of orders: with the same numbers, a sample of sure
    texts would lengthen the fair sample of all texts.
    """
    return np.argsort(draw_numbers(draw_numbers(task_ids_N)))
