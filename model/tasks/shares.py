"""Turn annotations of one or several people into training targets: the share of people who give each label."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from model.errors import UnusableAnswerError
from model.tasks.votes import read_votes
from model.types import AnnotatedText, Annotation, FloatArray, LabelSet, ReadTargets, ResultItem, Targets

# Upper limit on the characters of an answer that a reason quotes.
_QUOTED_CHARACTERS = 80


def read_shares(
    annotated: Iterable[AnnotatedText], label_set: LabelSet, read: Callable[[Annotation], Sequence[str] | None]
) -> ReadTargets:
    """Turn annotations into a matrix of shares.

    Where a text has ground truth, ground truth counts alone; otherwise every annotator has one vote, their latest
    annotation. Skipped annotations and texts without a vote do not count. Answers that cannot be used are left out:
    a label that the config does not have, a value of another form, a text without words.

    Args:
        annotated: texts with their annotations.
        label_set: the classes of axis C.
        read: the labels that an annotation gives, None if the question was not asked; raises UnusableAnswerError.

    Returns:
        Targets in order of task id, and the answers that were left out.
    """
    votes = read_votes(annotated, lambda annotation: _vote(read(annotation), label_set))
    shares = [np.mean(votes_V_C, axis=0) for _, votes_V_C in votes.cast]
    targets = Targets(
        task_ids=tuple(text.task_id for text, _ in votes.cast),
        texts=tuple(text.text for text, _ in votes.cast),
        targets_N_C=np.array(shares, dtype=np.float32).reshape(-1, len(label_set.labels)),
        label_set=label_set,
    )
    return ReadTargets(targets, votes.left_out)


def given_values(result: Iterable[ResultItem]) -> dict[str, set[str]]:
    """Return the given answers by control: labels, names on paths, stars, each as text.

    Args:
        result: result items of all controls.
    """
    given: dict[str, set[str]] = {}
    for item in result:
        given.setdefault(item.control, set()).update(_leaves(item.value.get(item.kind)))
    return given


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for each in value:
            yield from _leaves(each)
    elif value is not None:
        yield str(value)


def _vote(labels: Sequence[str] | None, label_set: LabelSet) -> FloatArray | None:
    """One annotator's vote_C; with one choice a vote sums to 1, and an annotation without a label is no vote."""
    if labels is None:
        return None
    vote_C = np.zeros(len(label_set.labels))
    for label in labels:
        if label not in label_set.labels:
            raise UnusableAnswerError(f"the answer is {quoted(label)}, a label that the labeling config does not have")
        vote_C[label_set.labels.index(label)] = 1.0
    if label_set.is_multilabel:
        return vote_C
    return vote_C / vote_C.sum() if vote_C.any() else None


def form_of(value: Any) -> str:
    """The form of a value that should have had another, in words."""
    return "nothing" if value is None else f"a value of the type {type(value).__name__}"


def quoted(words: str) -> str:
    """Words of a stranger for a sentence, with a mark where they are cut."""
    is_cut = len(words) > _QUOTED_CHARACTERS
    return repr(f"{words[:_QUOTED_CHARACTERS]}…" if is_cut else words)
