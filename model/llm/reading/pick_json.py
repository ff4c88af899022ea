"""The picks of a structured answer: a JSON object with "picks", wherever in the text it stands and however damaged."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from model.llm.reading.json_values import JsonValue, entry_number, json_values, parts_of, text_number
from model.llm.reading.pick_shapes import FoundNumbers, Shape

_REASONING = re.compile(r'"reasoning"\s*:\s*"[^"\\]*(?:\\.[^"\\]*)*(?:"|$)')
# Where a pick lacks its opening brace.
_LOST_BRACE = re.compile(r"""(?<=[}\[])[\s,]*(?=["']?number["']?\s*:)""")

_Pair = tuple[int, str]
"""The number of a picked text and the label that the answer gives the text; empty where the answer gives none."""


def json_listings(answer: str) -> list[FoundNumbers]:
    """The picks of every whole object with "picks", in the answer's order; without one, all after the last "picks"."""
    whole = [value.content for value in json_values(answer) if not value.is_repaired]
    found = [listing for content in whole for listing in _listings(content)]
    return found or _as_listing(_scattered_picks(answer[max(answer.rfind('"picks"'), 0) :]))


def without_reasoning(answer: str) -> str:
    """An answer without the thoughts in its JSON object: a number in the thoughts is no pick."""
    return _REASONING.sub("", answer)


def _listings(content: Any) -> Iterator[FoundNumbers]:
    for part in parts_of(content, is_entry=_is_pick):
        picks = part.get("picks") if isinstance(part, dict) else None
        if isinstance(picks, list):
            yield from _as_listing(pair for pick in picks for pair in _pair(pick))


def _scattered_picks(answer: str) -> Iterator[_Pair]:
    """Every object with a number, in whatever list or object it stands."""
    for value in json_values(_LOST_BRACE.sub(", {", answer)):
        for part in parts_of(value.content, is_entry=_is_pick):
            if isinstance(part, dict):
                yield from _uncut(part, value)


def _uncut(pick: Mapping[str, Any], value: JsonValue) -> Iterator[_Pair]:
    """A pick; without its label where the answer ends within the label."""
    yield from ((number, "" if value.is_cut else label) for number, label in _pair(pick))


def _as_listing(pairs: Iterable[_Pair]) -> list[FoundNumbers]:
    given = tuple(pairs)
    labels = tuple((number, label) for number, label in given if label)
    return [FoundNumbers(Shape.LIST, tuple(number for number, _ in given), labels)] if given else []


def _is_pick(part: Mapping[str, Any]) -> bool:
    return entry_number(part) is not None


def _pair(pick: Any) -> Iterator[_Pair]:
    if isinstance(pick, dict):
        number, label = entry_number(pick), pick.get("label")
    else:
        number, label = text_number(pick), None
    if number is not None:
        yield number, label if isinstance(label, str) else ""
