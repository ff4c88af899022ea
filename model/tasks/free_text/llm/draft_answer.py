"""Read the drafts that an answer gives. A draft that is empty, cut or too long is none."""

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from model.errors import UnreadableAnswerError
from model.llm.asking import count_tokens
from model.llm.reading import check_length, entry_number, json_values, parts_of, without_thoughts

# Upper limit of a draft, about 350 English words: longer ones cost more to correct than to write.
MOST_TOKENS = 512
# Many blanks are few tokens.
MOST_CHARACTERS = 8 * MOST_TOKENS
EMPTY, TOO_LONG = "empty", "too long"

_TEXT_KEYS = ("text", "draft")


@dataclass(frozen=True)
class Drafted:
    """An LLM's draft for a text.

    Attributes:
        text: the draft; empty where there is none to show.
        problem: why there is none, EMPTY or TOO_LONG; empty where there is one.
    """

    text: str
    problem: str = ""


def read_drafts(answer: str, count: int) -> list[Drafted]:
    """Read the drafts for texts numbered from 0.

    Where a number comes again in a later list, the later draft counts. Two drafts for a number within one list count
    as none: the LLM mixed up its numbers.

    Args:
        answer: the LLM's text.
        count: how many texts the prompt showed.

    Returns:
        For each text what the LLM wrote about it; EMPTY where the answer has nothing under its number.

    Raises:
        UnreadableAnswerError: the answer has nothing under any number, or is too long; the message quotes nothing.
    """
    check_length(answer)
    found: dict[int, str] = {}
    for value in json_values(without_thoughts(answer)):
        # The end of a draft that is cut is missing.
        if not value.is_cut:
            found |= _without_contradictions(_entries(value.content))
    if count and not any(number in found for number in range(count)):
        raise UnreadableAnswerError("the answer has no drafts behind the numbers of the texts")
    return [_checked(found.get(number, "")) for number in range(count)]


def _entries(content: Any) -> Iterator[tuple[int, str]]:
    for part in parts_of(content, is_entry=lambda part: entry_number(part) is not None):
        if (
            isinstance(part, dict)
            and (number := entry_number(part)) is not None
            and (text := _text_of(part)) is not None
        ):
            yield number, text


def _text_of(part: Mapping[str, Any]) -> str | None:
    """The text of an entry, whose lines may stand in a list; None for an entry with anything else."""
    value = next((part[key] for key in _TEXT_KEYS if key in part), None)
    lines = [value] if isinstance(value, str) else value
    return "\n".join(lines) if isinstance(lines, list) and all(isinstance(line, str) for line in lines) else None


def _without_contradictions(entries: Iterator[tuple[int, str]]) -> dict[int, str]:
    found: dict[int, str] = {}
    for number, text in entries:
        found[number] = text if found.get(number, text) == text else ""
    return found


def _checked(text: str) -> Drafted:
    draft = _storable(text)
    if not draft:
        return Drafted("", EMPTY)
    is_too_long = len(draft) > MOST_CHARACTERS or count_tokens(draft) > MOST_TOKENS
    return Drafted("", TOO_LONG) if is_too_long else Drafted(draft)


def _storable(text: str) -> str:
    """A text without what databases and browsers do not take: control characters and halves of surrogate pairs."""
    whole = text.encode("utf-8", "replace").decode("utf-8")
    kept = "".join(character for character in whole if character in "\n\t" or unicodedata.category(character) != "Cc")
    return "\n".join(line.rstrip() for line in kept.split("\n")).strip()
