"""A classifier's answers in plain JSON, outside of Label Studio. `templates/classify.py` gives the same."""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Any

import numpy as np

from model.learner.evaluation import median_classes
from model.links import link_of
from model.types import FloatArray, IntArray, LabelSet


class AnswerForm(StrEnum):
    """Which classes an answer names."""

    LIKELIEST = "likeliest"
    """The likeliest class."""
    MEDIAN = "median"
    """The median class, where classes are degrees in order."""
    SEVERAL = "several"
    """Every class with a probability of at least 0.5."""


def form_of(label_set: LabelSet, *, is_ordered: bool) -> AnswerForm:
    """The form of a classifier's answers.

    Args:
        label_set: its classes.
        is_ordered: the classes are degrees in order; see `model.tasks.task.Task`.
    """
    if label_set.is_multilabel:
        return AnswerForm.SEVERAL
    return AnswerForm.MEDIAN if is_ordered else AnswerForm.LIKELIEST


def plain_answers(
    texts: Sequence[str], proba_N_C: FloatArray, labels: Sequence[str], form: AnswerForm
) -> Iterator[dict[str, Any]]:
    """Each text's answer as JSON values.

    Args:
        texts: N texts; one without words gets no label.
        proba_N_C: class probabilities.
        labels: C labels.
        form: which classes the answers name.

    Returns:
        {"label", "probability"}, both None without a label; or, where a text may have several labels,
        {"labels", "probabilities"}, two lists of the same length.
    """
    for text, proba_C, rows in zip(texts, proba_N_C, _given(proba_N_C, form), strict=True):
        given = [(labels[row], round(float(proba_C[row]), 6)) for row in rows if text.strip()]
        if form is AnswerForm.SEVERAL:
            yield {"labels": [label for label, _ in given], "probabilities": [share for _, share in given]}
        else:
            label, probability = given[0] if given else (None, None)
            yield {"label": label, "probability": probability}


def _given(proba_N_C: FloatArray, form: AnswerForm) -> list[IntArray]:
    """Positions of each text's classes on axis C."""
    if form is AnswerForm.MEDIAN:
        return list(median_classes(proba_N_C)[:, None])
    link = link_of(LabelSet((), is_multilabel=form is AnswerForm.SEVERAL))
    return [np.flatnonzero(holds_C) for holds_C in link.decide(proba_N_C)]
