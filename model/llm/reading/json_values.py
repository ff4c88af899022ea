"""The JSON of an answer, wherever in the text it stands, with damaged objects repaired by `json-repair`.

The standard decoder reads every whole value, since a repair may change a value that needs none. A damaged object is cut
into its innermost objects, and `json-repair` repairs each of these alone. Given the whole answer, `json-repair` merges
objects that look alike, takes brackets in prose for lists, and needs minutes for an answer that repeats one quote.
"""

import json
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from json_repair import repair_json

# An innermost object; the answer may end within it, or its closing brace may be missing before the next object.
# `json-repair` takes time in proportion to the square of the length: 0.05 s for 300 characters at worst.
_INNERMOST = re.compile(r"\{[^{}]{0,300}(?:\}|(?=\{)|\Z)")
_OPENING = re.compile(r"[{\[]")
_NUMBER_KEYS = ("number", "index", "id")
# After this many characters no more damaged JSON is repaired: an answer about 250 texts fits; a longer one ran wild.
MOST_REPAIRED_CHARACTERS = 15_000
# Opening brackets in prose begin no JSON. With more of them, or of damaged objects, an answer has run wild.
MOST_UNFINISHED = 300
# Most characters that are decoded in vain: brackets within brackets lead over the same text again and again.
MOST_DECODED_IN_VAIN = 300_000


@dataclass(frozen=True)
class JsonValue:
    """An object or a list in an answer.

    Attributes:
        content: the decoded value.
        is_repaired: the answer has a damaged form of the value.
        is_cut: the answer ends within the value, so its last string may lack its end.
    """

    content: Any
    is_repaired: bool = False
    is_cut: bool = False


def json_values(answer: str) -> Iterator[JsonValue]:
    """Every object and list, from left to right; parts of a whole value are not listed again."""
    # Many models write line ends within strings as they are.
    decoder = json.JSONDecoder(strict=False)
    unfinished, repaired, repaired_characters, decoded_in_vain = 0, 0, 0, 0
    opening = _OPENING.search(answer)
    while opening and unfinished < MOST_UNFINISHED and decoded_in_vain < MOST_DECODED_IN_VAIN:
        start, end = opening.span()
        try:
            content, end = decoder.raw_decode(answer, start)
        except (ValueError, RecursionError) as error:
            decoded_in_vain += getattr(error, "pos", len(answer)) - start
            damaged = _INNERMOST.match(answer, start)
            if damaged and repaired < MOST_UNFINISHED and repaired_characters < MOST_REPAIRED_CHARACTERS:
                end = damaged.end()
                repaired += 1
                repaired_characters += end - start
                yield from _repaired(damaged[0], ends_answer=end == len(answer))
            else:
                unfinished += 1
        else:
            yield JsonValue(content)
        opening = _OPENING.search(answer, end)


def _repaired(damaged: str, ends_answer: bool) -> Iterator[JsonValue]:
    try:
        content = repair_json(damaged, return_objects=True, skip_json_loads=True)
    except (ValueError, RecursionError):
        return
    # Braces in prose, as in "{3, 17}", become lists and strings.
    if isinstance(content, dict):
        yield JsonValue(content, is_repaired=True, is_cut=ends_answer and not damaged.endswith("}"))


def parts_of(content: Any, is_entry: Callable[[dict[str, Any]], bool]) -> Iterator[list[Any] | dict[str, Any]]:
    """Every list and object in a decoded value, the value itself first, the deepest last.

    Args:
        content: the decoded value.
        is_entry: tells the objects whose own parts are not visited.
    """
    waiting = deque([content])
    while waiting:
        part = waiting.popleft()
        if isinstance(part, list):
            yield part
            waiting.extend(part)
        elif isinstance(part, dict):
            yield part
            waiting.extend(() if is_entry(part) else part.values())


def text_number(value: Any) -> int | None:
    """The number of a text, which an answer may write as a string; None for any other value."""
    is_number = isinstance(value, int | str) and not isinstance(value, bool)
    return int(value) if is_number and re.fullmatch(r"\d{1,9}", str(value).strip()) else None


def entry_number(entry: Mapping[str, Any]) -> int | None:
    """The number of the text that an object speaks of; None for an object that speaks of no text."""
    return text_number(next((entry[key] for key in _NUMBER_KEYS if key in entry), None))
