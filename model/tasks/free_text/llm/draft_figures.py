"""Figures of drafts: how near people's answers come to hidden drafts, and how many shown drafts people keep."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein


@dataclass(frozen=True)
class DraftFigures:
    """Counts and similarity of an LLM's drafts and people's answers.

    Attributes:
        made: drafts that can be shown or checked.
        left_out: texts without a draft, because what the LLM wrote, or the text, was too long or empty.
        blind: answers of people who did not see the draft of their text.
        similarity: mean similarity of these answers to the drafts, in [0, 1]; None without such answers.
        shown: answers of people who saw the draft of their text.
        kept: how many of `shown` are the draft, unchanged.
    """

    made: int = 0
    left_out: int = 0
    blind: int = 0
    similarity: float | None = None
    shown: int = 0
    kept: int = 0


def similarity(one: str, other: str) -> float:
    """Normalised edit similarity: 1 - edits / length of the longer text, in [0, 1]; 1 for equal texts.

    Edits are characters inserted, deleted or replaced (Levenshtein, 1966). White space counts as one blank.
    """
    return Levenshtein.normalized_similarity(_words(one), _words(other))


def count_answers(
    blind: Mapping[int, str], shown: Mapping[int, str], written: Mapping[int, Sequence[str]], left_out: int
) -> DraftFigures:
    """Compare drafts with what people wrote.

    Args:
        blind: drafts that people did not see, by task id.
        shown: drafts that people saw, by task id.
        written: what people wrote, by task id; one answer a person.
        left_out: number of texts without a draft.
    """
    near = [similarity(answer, draft) for id_, draft in blind.items() for answer in written.get(id_, ())]
    kept = [_words(answer) == _words(draft) for id_, draft in shown.items() for answer in written.get(id_, ())]
    return DraftFigures(
        made=len(blind) + len(shown),
        left_out=left_out,
        blind=len(near),
        similarity=round(sum(near) / len(near), 4) if near else None,
        shown=len(kept),
        kept=sum(kept),
    )


def _words(text: str) -> str:
    return " ".join(text.split())
