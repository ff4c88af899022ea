"""Measure predictions against gold labels, and warn of reasons why a classifier may be poor."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from model.links import ONE_OF, Link, link_of
from model.types import FloatArray, IntArray, Targets

# Guo et al. (2017) use 15 bins of equal width.
CALIBRATION_BINS = 15
# The most labels that a warning names.
NAMED_LABELS = 5


@dataclass(frozen=True)
class Evaluation:
    """Quality of predictions on N texts.

    Attributes:
        accuracy: share of texts that got the gold label; with several labels a text, exactly the gold ones.
        macro_f1: F1 averaged over the classes that occur in the gold labels, in [0, 1].
        calibration_error: expected calibration error, in [0, 1]; at 0, of the texts predicted with probability p a
            share p is right.
        texts: N.
        mae: mean absolute error in classes, such as stars; None where classes have no order.
    """

    accuracy: float
    macro_f1: float
    calibration_error: float
    texts: int
    mae: float | None = None


Measure = Callable[[FloatArray, FloatArray], Evaluation]
"""Called with proba_N_C and targets_N_C of one kind of question."""


def evaluate(proba_N_C: FloatArray, targets_N_C: FloatArray, link: Link = ONE_OF) -> Evaluation:
    """Compute accuracy, macro F1 and calibration error against gold labels or annotators' shares.

    Args:
        proba_N_C: class probabilities.
        targets_N_C: gold shares in [0, 1]; a text with one choice belongs to the class with the largest share.
        link: the meaning of the probabilities; says which classes are predicted.
    """
    return Evaluation(
        accuracy=accuracy(proba_N_C, targets_N_C, link),
        macro_f1=macro_f1(proba_N_C, targets_N_C, link),
        calibration_error=calibration_error(proba_N_C, targets_N_C, link),
        texts=len(targets_N_C),
    )


def evaluate_ordered(proba_N_C: FloatArray, targets_N_C: FloatArray) -> Evaluation:
    """Compute the measures of `evaluate`, and the mean absolute error, for ordered classes whose answer is the median.

    Args:
        proba_N_C: class probabilities; axis C is in order.
        targets_N_C: gold shares, rows sum to 1.
    """
    answers_N_C = np.eye(proba_N_C.shape[1])[median_classes(proba_N_C)]
    return Evaluation(
        accuracy=accuracy(answers_N_C, targets_N_C),
        macro_f1=macro_f1(answers_N_C, targets_N_C),
        calibration_error=calibration_error(proba_N_C, targets_N_C),
        texts=len(targets_N_C),
        mae=mean_absolute_error(proba_N_C, targets_N_C),
    )


def median_classes(proba_N_C: FloatArray) -> IntArray:
    """The first class at which half of a text's probability is reached: positions_N on axis C.

    The median has the least expected absolute error.
    """
    half_N_1 = proba_N_C.sum(axis=1, keepdims=True) / 2
    medians_N: IntArray = np.argmax(np.cumsum(proba_N_C, axis=1) >= half_N_1, axis=1)
    return medians_N


def mean_absolute_error(proba_N_C: FloatArray, targets_N_C: FloatArray) -> float:
    """Mean distance of the median class from people's class, in classes; where people disagreed, from each person's.

    Args:
        proba_N_C: class probabilities of N > 0 texts; axis C is in order.
        targets_N_C: gold shares, rows sum to 1.
    """
    distance_N_C = np.abs(np.arange(proba_N_C.shape[1]) - median_classes(proba_N_C)[:, None])
    return float((distance_N_C * targets_N_C).sum(axis=1).mean())


def accuracy(proba_N_C: FloatArray, targets_N_C: FloatArray, link: Link = ONE_OF) -> float:
    """Share of texts that got the gold label, or with several labels a text exactly the gold ones, in [0, 1]."""
    gold_N_C, predicted_N_C = link.decide(targets_N_C), link.decide(proba_N_C)
    return float(_metrics().accuracy_score(gold_N_C, predicted_N_C))


def macro_f1(proba_N_C: FloatArray, targets_N_C: FloatArray, link: Link = ONE_OF) -> float:
    """F1 averaged over the classes that occur in the gold labels, in [0, 1]."""
    gold_N_C, predicted_N_C = link.decide(targets_N_C), link.decide(proba_N_C)
    occurring = np.flatnonzero(gold_N_C.any(axis=0))
    if not len(occurring):
        return 0.0
    return float(_metrics().f1_score(gold_N_C, predicted_N_C, labels=occurring, average="macro", zero_division=0.0))


def _metrics() -> Any:
    """scikit-learn's metrics, at their first use: web processes and most commands measure nothing."""
    return import_module("sklearn.metrics")


def calibration_error(
    proba_N_C: FloatArray, targets_N_C: FloatArray, link: Link = ONE_OF, bins: int = CALIBRATION_BINS
) -> float:
    """Expected calibration error (Guo et al., 2017, eq. 3): mean |accuracy - confidence| over bins, weighted by size.

    Confidence is the probability of the likeliest class; with several labels a text, every class has a confidence.
    Where people disagreed, the share of people who chose a class counts as its accuracy.

    Returns:
        In [0, 1]; at 0, of the texts predicted with probability p a share p is right.
    """
    confidence_M, right_M = link.confidences(proba_N_C, targets_N_C)
    if not len(confidence_M):
        return 0.0
    bin_M = np.minimum((confidence_M * bins).astype(int), bins - 1)
    gaps = np.bincount(bin_M, weights=(right_M - confidence_M).astype(float), minlength=bins)
    return float(np.abs(gaps).sum() / len(confidence_M))


def seen_classes(targets_N_C: FloatArray) -> IntArray:
    """Classes with a share above 0 in any text, as positions on axis C."""
    return np.flatnonzero(targets_N_C.any(axis=0))


def find_warnings(targets: Targets, out_of_fold: Evaluation | None, *, has_names: bool) -> Iterator[str]:
    """Reasons why a classifier may be poor, in sentences for people.

    Args:
        targets: the labels that it was trained on.
        out_of_fold: its evaluation on held-out texts, if there was one.
        has_names: whether it learned from label names too.
    """
    link, labels, seen = link_of(targets.label_set), targets.label_set.labels, seen_classes(targets.targets_N_C)
    if len(seen) < link.least_classes and not has_names:
        yield f"all {len(targets)} labelled texts are {labels[seen[0]]!r}: nothing else can be predicted yet"
        return
    if missing := [label for row, label in enumerate(labels) if row not in seen]:
        known = "known by name alone" if has_names else "never predicted"
        yield f"labels that no text has yet, {known}: {_listed(missing)}"
    if not has_names and (rare := [labels[row] for row in seen if np.count_nonzero(targets.targets_N_C[:, row]) == 1]):
        yield f"labels that only one text has, hardly ever predicted: {_listed(rare)}"
    if out_of_fold is not None:
        yield from _no_better_than_always(targets, out_of_fold)


def _no_better_than_always(targets: Targets, out_of_fold: Evaluation) -> Iterator[str]:
    """Yield a warning if the same answer to every text would be as good."""
    mend = "label more texts, or check whether the texts tell the labels apart"
    if out_of_fold.mae is not None:
        same_N_C = np.tile(targets.targets_N_C.sum(axis=0), (len(targets), 1))
        if out_of_fold.mae >= (off := mean_absolute_error(same_N_C, targets.targets_N_C)):
            label = targets.label_set.labels[median_classes(same_N_C[:1])[0]]
            yield (
                f"the classifier is off by {out_of_fold.mae:.2f} on average out of fold, and always answering "
                f"{label!r} would be off by {off:.2f}: {mend}"
            )
        return
    always = link_of(targets.label_set).commonest_accuracy(targets.targets_N_C)
    if always is not None and out_of_fold.accuracy <= always:
        yield (
            f"the classifier is right on {out_of_fold.accuracy:.0%} of the labelled texts out of fold, and always "
            f"answering the commonest label would be right on {always:.0%}: {mend}"
        )


def _listed(labels: list[str]) -> str:
    shown = ", ".join(map(repr, labels[:NAMED_LABELS]))
    return shown if len(labels) <= NAMED_LABELS else f"{shown} and {len(labels) - NAMED_LABELS} more"
