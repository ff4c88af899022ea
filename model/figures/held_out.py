"""Figures of out-of-fold answers: classes, confusion and calibration."""

from dataclasses import dataclass

import numpy as np

from model.figures.shares import Share
from model.learner.held_out import HeldOutAnswers
from model.links import link_of
from model.types import BoolArray

# Number of groups of confidences, of equal width.
BINS = 10
# Most confusions that are kept for a question, the commonest; 2,000 classes would have millions.
MOST_CONFUSIONS = 400


@dataclass(frozen=True)
class ClassFigures:
    """One class among out-of-fold answers.

    Attributes:
        label: name of the class.
        given: number of texts to which people gave the class.
        predicted: number of texts to which the classifier gave the class.
        right: number of texts to which both gave the class.
    """

    label: str
    given: int
    predicted: int
    right: int

    @property
    def precision(self) -> Share:
        """How many of the predicted texts are right."""
        return Share(self.right, self.predicted)

    @property
    def recall(self) -> Share:
        """How many of the given texts were found."""
        return Share(self.right, self.given)

    @property
    def f1(self) -> float | None:
        """The harmonic mean of precision and recall; None where nobody gave the class or predicted it."""
        both = self.given + self.predicted
        return 2 * self.right / both if both else None


@dataclass(frozen=True)
class Confusion:
    """How many texts people gave one class and the classifier another; the same class twice where both agree."""

    given: str
    predicted: str
    texts: int


@dataclass(frozen=True)
class Bin:
    """Answers of like confidence.

    Attributes:
        answers: number of answers.
        confidence: their mean probability.
        right: share of right answers; where people disagreed, the share of people who gave the answer counts.
    """

    answers: int
    confidence: float
    right: float


def right_answers(answers: HeldOutAnswers, of_M: BoolArray | None = None) -> Share:
    """Return the share of texts that got people's label, or with several labels a text exactly people's labels.

    Args:
        answers: of M texts.
        of_M: which of the texts count; None: all.
    """
    is_right_M = (answers.given_M_C == answers.predicted_M_C).all(axis=1)
    counting_M = is_right_M if of_M is None else is_right_M[of_M]
    return Share(int(counting_M.sum()), len(counting_M))


def class_figures(answers: HeldOutAnswers) -> tuple[ClassFigures, ...]:
    """Return the figures of each class, in the order of axis C."""
    given_M_C, predicted_M_C = answers.given_M_C, answers.predicted_M_C
    counts = zip(
        answers.label_set.labels,
        given_M_C.sum(axis=0).tolist(),
        predicted_M_C.sum(axis=0).tolist(),
        (given_M_C & predicted_M_C).sum(axis=0).tolist(),
        strict=True,
    )
    return tuple(ClassFigures(*row) for row in counts)


def confusions(answers: HeldOutAnswers, most: int = MOST_CONFUSIONS) -> tuple[Confusion, ...]:
    """Count the pairs of given and predicted class, the commonest first; none if texts may have several classes.

    Args:
        answers: of M texts.
        most: upper limit on the number of pairs.
    """
    if answers.label_set.is_multilabel or not len(answers):
        return ()
    labels = answers.label_set.labels
    pairs_M = answers.given_M_C.argmax(axis=1) * len(labels) + answers.predicted_M_C.argmax(axis=1)
    pairs_P, texts_P = np.unique(pairs_M, return_counts=True)
    commonest = np.argsort(-texts_P, kind="stable")[:most]
    return tuple(
        Confusion(labels[pair // len(labels)], labels[pair % len(labels)], texts)
        for pair, texts in zip(pairs_P[commonest].tolist(), texts_P[commonest].tolist(), strict=True)
    )


def calibration(answers: HeldOutAnswers) -> tuple[Bin, ...]:
    """Measure how often answers of like confidence are right, lowest confidence first; empty groups are left out.

    A confidence is the probability of the likeliest class; with several labels a text, that of each class.
    """
    confidence_A, right_A = link_of(answers.label_set).confidences(answers.proba_M_C, answers.targets_M_C)
    bin_A = np.minimum((confidence_A * BINS).astype(int), BINS - 1)
    answers_B = np.bincount(bin_A, minlength=BINS)
    confidence_B = np.bincount(bin_A, weights=confidence_A, minlength=BINS)
    right_B = np.bincount(bin_A, weights=right_A, minlength=BINS)
    return tuple(
        Bin(int(answers_B[b]), float(confidence_B[b] / answers_B[b]), float(right_B[b] / answers_B[b]))
        for b in np.flatnonzero(answers_B)
    )


def mean_error(answers: HeldOutAnswers) -> float | None:
    """Return the mean distance of the answer from each person's, in classes; None if classes have no order."""
    if not answers.is_ordered or not len(answers):
        return None
    places_C = np.arange(answers.targets_M_C.shape[1])
    distance_M_C = np.abs(places_C - answers.predicted_M_C.argmax(axis=1)[:, None])
    return float((distance_M_C * answers.targets_M_C).sum(axis=1).mean())
