"""Read the labels that an answer gives: from JSON, or else from numbered lines. Unclear labels are not read."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from model.errors import UnreadableAnswerError
from model.llm.reading import check_length, match_label, without_thoughts
from model.tasks.classification.llm.label_json import LabelEntry, json_entries
from model.tasks.classification.llm.label_lines import line_entries


@dataclass(frozen=True)
class Guess:
    """The labels that an LLM gives a text.

    Attributes:
        labels: one label; in a multilabel project any number of labels, in the order of the question.
        is_sure: whether the answer calls the labels sure.
    """

    labels: tuple[str, ...]
    is_sure: bool


GuessOfNumber = dict[int, Guess | None]
"""Guesses by the number of the text; None where the answer gives the text a label that the question does not have."""


def read_labels(answer: str, labels: Sequence[str], count: int, is_multilabel: bool) -> list[Guess | None]:
    """Read the labels of texts numbered from 0.

    JSON may stand in a code fence or behind other text, and may be damaged. Where a number comes again in a later list,
    the later label counts. Two labels for a number within one list count as none: the LLM mixed up its numbers.

    Args:
        answer: the LLM's text.
        labels: the labels of the question. Case, marks and spaces may differ, unless two labels differ in nothing else.
        count: how many texts the prompt showed.
        is_multilabel: whether a text may have several labels.

    Returns:
        a guess for each text; None where the answer has no label, or one that the question does not have.

    Raises:
        UnreadableAnswerError: no text has a guess, or the answer is too long; the message says why and quotes nothing.
    """
    check_length(answer)
    spoken = without_thoughts(answer)
    found: GuessOfNumber = {}
    for entries in json_entries(spoken, 0 if is_multilabel else count):
        found |= _without_contradictions(entries, labels, is_multilabel)
    if not any(found.values()):
        for number, names, is_sure in line_entries(spoken, labels, is_multilabel):
            found[number] = _guess(names, is_sure, labels, is_multilabel)
    guesses = [found.get(number) for number in range(count)]
    if count and not any(guesses):
        raise UnreadableAnswerError(_reason(spoken, found, count))
    return guesses


def _reason(spoken: str, found: GuessOfNumber, count: int) -> str:
    if not spoken.strip():
        return "the answer is empty"
    if not found:
        return "the answer has no labels behind the numbers of the texts"
    if not any(number < count for number in found):
        return f"the answer's numbers are none of those shown, 0 to {count - 1}"
    return "the answer gives no text a label that is on the list: each has to be spelled as it is there"


def _without_contradictions(entries: Iterable[LabelEntry], labels: Sequence[str], is_multilabel: bool) -> GuessOfNumber:
    found: GuessOfNumber = {}
    for number, names, is_sure in entries:
        guess = _guess(names, is_sure, labels, is_multilabel)
        found[number] = guess if found.get(number, guess) == guess else None
    return found


def _guess(names: Any, is_sure: bool, labels: Sequence[str], is_multilabel: bool) -> Guess | None:
    """A guess whose labels all belong to the question; None for other labels, or more labels than a text may have."""
    listed = names if isinstance(names, list) else [names]
    meant = {match_label(str(name), labels) if isinstance(name, str | int) else "" for name in listed}
    if "" in meant or not (is_multilabel or len(meant) == 1):
        return None
    return Guess(tuple(label for label in labels if label in meant), is_sure)
