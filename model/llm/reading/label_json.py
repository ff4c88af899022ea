"""Labels in JSON, wherever in an answer it stands and even if its end is cut off."""

import json
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Entry = tuple[int, Any, bool]
"""A text's number, what is said to be its labels, and whether that is said to be sure."""

_OPENING = re.compile(r"[{\[]")
_NUMBER_KEYS = ("number", "id", "index")
_LABEL_KEYS = ("labels", "label")
# Brackets in prose, and two of an answer that is cut off, begin nothing that ends; thousands are an answer run wild.
_MOST_UNFINISHED = 200


def json_entries(said: str, in_order: int) -> Iterator[list[Entry]]:
    """What each JSON value in a text says of texts, from left to right.

    Args:
        said: an answer.
        in_order: a bare list of so many strings says the label of every text in turn; 0 where that could mislead.
    """
    for value in _values(said):
        yield list(_entries(value, in_order))


def _values(said: str) -> Iterator[Any]:
    """Every object and list, none within another that is whole."""
    decoder, unfinished = json.JSONDecoder(), 0
    opening = _OPENING.search(said)
    while opening and unfinished < _MOST_UNFINISHED:
        end = opening.end()
        try:
            value, end = decoder.raw_decode(said, opening.start())
        except (ValueError, RecursionError):
            unfinished += 1
        else:
            yield value
        opening = _OPENING.search(said, end)


def _entries(value: Any, in_order: int) -> Iterator[Entry]:
    """Entries of a value, however deep they are."""
    waiting = deque([value])
    while waiting:
        part = waiting.popleft()
        if isinstance(part, list):
            yield from _by_place(part, in_order)
            waiting.extend(part)
        elif isinstance(part, dict):
            number = _number(_first(part, _NUMBER_KEYS))
            if number is None:
                yield from _by_key(part)
                waiting.extend(part.values())
            else:
                yield _entry(number, part)


def _by_place(part: Sequence[Any], in_order: int) -> Iterator[Entry]:
    if part and len(part) == in_order and all(isinstance(name, str) for name in part):
        yield from ((number, name, False) for number, name in enumerate(part))


def _by_key(part: Mapping[str, Any]) -> Iterator[Entry]:
    """Of an object whose keys are the numbers."""
    for key, said in part.items():
        number = _number(key)
        if number is not None:
            yield _entry(number, said) if isinstance(said, dict) else (number, said, False)


def _entry(number: int, part: Mapping[str, Any]) -> Entry:
    return number, _first(part, _LABEL_KEYS), _is_yes(part.get("sure"))


def _first(part: Mapping[str, Any], keys: Sequence[str]) -> Any:
    return next((part[key] for key in keys if key in part), None)


def _number(value: Any) -> int | None:
    """A text's number, which may be written as a string."""
    is_number = isinstance(value, int | str) and not isinstance(value, bool) and re.fullmatch(r"\d{1,6}", str(value))
    return int(value) if is_number else None


def _is_yes(value: Any) -> bool:
    return value is True or (isinstance(value, str) and value.strip().casefold() in ("true", "yes", "sure"))
