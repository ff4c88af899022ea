"""What an LLM's labels say: JSON first, then numbered lines. What is not clearly one of the labels is not read."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from model.errors import UnreadableAnswerError
from model.llm.reading.label_json import LabelEntry, json_entries
from model.llm.reading.label_lines import line_entries
from model.llm.reading.label_matching import match_label


@dataclass(frozen=True)
class Guess:
    """What an LLM says of a text.

    Attributes:
        labels: one, or with several labels a text any number of them in the order of the question.
        is_sure: whether it says that it is sure; false where it says nothing of the kind.
    """

    labels: tuple[str, ...]
    is_sure: bool


Guesses = dict[int, Guess | None]
"""By number; None where what is said of the number is none of the labels."""

_THOUGHTS = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)


def read_labels(answer: str, labels: Sequence[str], count: int, is_multilabel: bool) -> list[Guess | None]:
    """Read the labels of texts numbered from 0.

    JSON may stand in a code fence, behind other text, or end too early: entries that are whole count. Where a number
    comes again the last word counts, but not within one list: there it shows that numbers were mixed up.

    Args:
        answer: what the LLM wrote.
        labels: those of the question. Case, marks and spaces don't matter, as far as they tell no two apart.
        count: how many texts were shown.
        is_multilabel: whether a text may have several labels.

    Returns:
        A guess for each text; None where the answer has none, or a label that the question does not have.

    Raises:
        UnreadableAnswerError: there is no guess at all; the message says why, and quotes nothing.
    """
    said = _THOUGHTS.sub("", answer)
    found: Guesses = {}
    for entries in json_entries(said, 0 if is_multilabel else count):
        found |= _without_contradictions(entries, labels, is_multilabel)
    if not any(found.values()):
        for number, names, is_sure in line_entries(said, labels, is_multilabel):
            found[number] = _guess(names, is_sure, labels, is_multilabel)
    guesses = [found.get(number) for number in range(count)]
    if count and not any(guesses):
        raise UnreadableAnswerError(_what_is_wrong(said, found, count))
    return guesses


def _what_is_wrong(said: str, found: Guesses, count: int) -> str:
    if not said.strip():
        return "the answer is empty"
    if not found:
        return "the answer has no labels behind the numbers of the texts"
    if not any(number < count for number in found):
        return f"the answer's numbers are none of those shown, 0 to {count - 1}"
    return "the answer gives no text a label that is on the list: each has to be spelled as it is there"


def _without_contradictions(entries: Iterable[LabelEntry], labels: Sequence[str], is_multilabel: bool) -> Guesses:
    found: Guesses = {}
    for number, names, is_sure in entries:
        guess = _guess(names, is_sure, labels, is_multilabel)
        found[number] = guess if found.get(number, guess) == guess else None
    return found


def _guess(names: Any, is_sure: bool, labels: Sequence[str], is_multilabel: bool) -> Guess | None:
    """A guess of labels that all are the question's, and as many as a text may have; else none."""
    listed = names if isinstance(names, list) else [names]
    meant = {match_label(str(name), labels) if isinstance(name, str | int) else "" for name in listed}
    if "" in meant or not (is_multilabel or len(meant) == 1):
        return None
    return Guess(tuple(label for label in labels if label in meant), is_sure)
