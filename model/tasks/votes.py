"""Which annotations of a text count as votes, whatever the question is, and which answers are left out."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from model.errors import UnusableAnswerError
from model.types import AnnotatedText, Annotation, LeftOut

V = TypeVar("V")


@dataclass(frozen=True)
class Votes(Generic[V]):
    """The votes that annotators cast on texts, and the answers that are none.

    Attributes:
        cast: each text that has a vote, with its votes, in order of task id.
        left_out: the answers that nothing can be learned from, in order of task id.
    """

    cast: tuple[tuple[AnnotatedText, tuple[V, ...]], ...]
    left_out: tuple[LeftOut, ...]


def read_votes(annotated: Iterable[AnnotatedText], read: Callable[[Annotation], V | None]) -> Votes[V]:
    """Read the votes on each text. An answer that cannot be used is left out, and all others count.

    Args:
        annotated: texts with annotations.
        read: turns one annotation into a vote, None if it has none; raises UnusableAnswerError.
    """
    cast, left_out = [], []
    for text in sorted(annotated, key=lambda text: text.task_id):
        votes, reasons = _votes_on(text, read)
        if votes:
            cast.append((text, votes))
        left_out += [LeftOut(text.task_id, reason) for reason in reasons]
    return Votes(tuple(cast), tuple(left_out))


def _votes_on(text: AnnotatedText, read: Callable[[Annotation], V | None]) -> tuple[tuple[V, ...], list[str]]:
    """The votes on one text, and why answers are left out, each reason once."""
    votes: list[V] = []
    reasons: list[str] = []
    for annotation in counting(text.annotations):
        try:
            vote = read(annotation)
        except UnusableAnswerError as error:
            reasons.append(str(error))
            continue
        if vote is not None:
            votes.append(vote)
    if votes and not text.text.strip():
        return (), ["the task has no text"]
    return tuple(votes), list(dict.fromkeys(reasons))


def counting(annotations: Sequence[Annotation]) -> list[Annotation]:
    """The annotations that count: ground truth if there is any, else each annotator's latest.

    Skipped ones never count, nor do those that this backend gave: a classifier must not learn from itself.
    """
    given = [annotation for annotation in annotations if not annotation.is_skipped and not annotation.is_applied]
    truth = [annotation for annotation in given if annotation.is_ground_truth]
    latest = {annotation.annotator: annotation for annotation in sorted(truth or given, key=lambda a: a.updated_at)}
    return list(latest.values())
