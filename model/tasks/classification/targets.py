"""Turn annotations of one or several people into training targets."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from model.errors import UnusableAnswerError
from model.tasks.votes import read_votes
from model.types import AnnotatedText, Annotation, FloatArray, LabelSet, ReadTargets, ResultItem, Targets

# Upper limit on the characters of a label that a reason quotes.
_QUOTED_CHARACTERS = 80


def build_targets(annotated: Iterable[AnnotatedText], label_set: LabelSet, control: str) -> ReadTargets:
    """Turn annotations into a matrix of shares.

    Where a text has ground truth, ground truth counts alone; otherwise every annotator has one vote, their latest
    annotation. Skipped annotations and texts without a vote do not count. Answers that cannot be used are left out:
    a label that the config does not have, a value of another form, a text without words.

    Args:
        annotated: texts with their annotations.
        label_set: the classes of axis C.
        control: name of the Choices tag.

    Returns:
        Targets in order of task id, and the answers that were left out.
    """
    votes = read_votes(annotated, lambda annotation: _vote(chosen_labels(annotation, control), label_set))
    shares = [np.mean(votes_V_C, axis=0) for _, votes_V_C in votes.cast]
    targets = Targets(
        task_ids=tuple(text.task_id for text, _ in votes.cast),
        texts=tuple(text.text for text, _ in votes.cast),
        targets_N_C=np.array(shares, dtype=np.float32).reshape(-1, len(label_set.labels)),
        label_set=label_set,
    )
    return ReadTargets(targets, votes.left_out)


def chosen_labels(annotation: Annotation, control: str) -> tuple[str, ...]:
    """The labels that an annotation chooses with a control, each once, in the given order.

    Raises:
        UnusableAnswerError: an item of the control has another form than Label Studio's for choices.
    """
    items = (item for item in annotation.result if item.control == control)
    return tuple(dict.fromkeys(label for item in items for label in _labels(item)))


def _labels(item: ResultItem) -> Sequence[str]:
    if item.kind != "choices":
        raise UnusableAnswerError(f"the answer is of the type {item.kind[:_QUOTED_CHARACTERS]!r}, not 'choices'")
    given = item.value.get("choices")
    if isinstance(given, str):
        return (given,)
    if not isinstance(given, list):
        raise UnusableAnswerError(f"the answer has {_kind_of(given)} in place of a list of labels")
    return [_label(label) for label in given]


def _label(given: Any) -> str:
    """A label as text; numbers are labels too, as in a config whose labels are 1 to 5."""
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        raise UnusableAnswerError(f"the answer has {_kind_of(given)} in place of a label")
    return str(given)


def _kind_of(value: Any) -> str:
    return "nothing" if value is None else f"a value of the type {type(value).__name__}"


def _vote(labels: Sequence[str], label_set: LabelSet) -> FloatArray | None:
    """One annotator's vote_C; with one choice a vote sums to 1, and an annotation without a label is no vote."""
    vote_C = np.zeros(len(label_set.labels))
    for label in labels:
        if label not in label_set.labels:
            raise UnusableAnswerError(
                f"the answer is {label[:_QUOTED_CHARACTERS]!r}, a label that the labeling config does not have"
            )
        vote_C[label_set.labels.index(label)] = 1.0
    if label_set.is_multilabel:
        return vote_C
    return vote_C / vote_C.sum() if vote_C.any() else None
