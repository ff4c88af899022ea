"""The labels of a structured answer: JSON, wherever in the text it stands and however damaged."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from model.llm.reading import entry_number, json_values, parts_of, text_number

LabelEntry = tuple[int, Any, bool]
"""A text's number, the value that stands for its labels, and whether the answer calls the labels sure."""

_LABEL_KEYS = ("labels", "label")


def json_entries(answer: str, count_in_order: int) -> Iterator[list[LabelEntry]]:
    """The entries of each JSON value in an answer, from left to right.

    Args:
        answer: the LLM's text.
        count_in_order: a bare list of so many strings gives the label of every text in turn; 0 reads no such list.
    """
    for value in json_values(answer):
        # A label without its end may be another label.
        if not value.is_cut:
            yield list(_entries(value.content, count_in_order))


def _entries(content: Any, count_in_order: int) -> Iterator[LabelEntry]:
    for part in parts_of(content, is_entry=_is_entry):
        if isinstance(part, list):
            yield from _by_place(part, count_in_order)
        elif (number := entry_number(part)) is not None:
            yield _entry(number, part)
        else:
            yield from _by_key(part)


def _is_entry(part: Mapping[str, Any]) -> bool:
    return entry_number(part) is not None


def _by_place(part: Sequence[Any], count_in_order: int) -> Iterator[LabelEntry]:
    if part and len(part) == count_in_order and all(isinstance(name, str) for name in part):
        yield from ((number, name, False) for number, name in enumerate(part))


def _by_key(part: Mapping[str, Any]) -> Iterator[LabelEntry]:
    """The entries of an object whose keys are the numbers of texts."""
    for key, value in part.items():
        number = text_number(key)
        if number is not None:
            yield _entry(number, value) if isinstance(value, dict) else (number, value, False)


def _entry(number: int, part: Mapping[str, Any]) -> LabelEntry:
    labels = next((part[key] for key in _LABEL_KEYS if key in part), None)
    return number, labels, _is_yes(part.get("sure"))


def _is_yes(value: Any) -> bool:
    return value is True or (isinstance(value, str) and value.strip().casefold() in ("true", "yes", "sure"))
