"""Read the numbers of texts from one line of an answer.

A line may hold lists (`3, 17 and 20`), be a cell of a column (`17`), an item (`Instance 17: because …`), or be talk,
with numbers that are counts, years and steps.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

import model.llm.reading.pick_patterns as patterns

# A longer range is a mistake or no range.
LONGEST_RANGE = 1000
# More numbers are an answer run wild, and the rest of it is not read.
MOST_NUMBERS = 5000
# Words before a list, from which its heading is taken. A label is shorter, and so are the words that tell lists apart.
HEADING_CHARACTERS = 300


class Shape(Enum):
    """The form in which numbers stand in an answer."""

    LIST = auto()
    CELL = auto()
    ITEM = auto()
    MENTION = auto()
    REMOVAL = auto()


@dataclass(frozen=True)
class FoundNumbers:
    """The numbers of one line, or of several lines of the same shape.

    Attributes:
        numbers: the numbers in their order; empty where an item rejects its text.
        notes: (number, words beside the number).
        heading: the words before the numbers.
        is_added: whether the line adds the numbers to earlier ones.
    """

    shape: Shape
    numbers: tuple[int, ...]
    notes: tuple[tuple[int, str], ...] = ()
    heading: str = ""
    is_added: bool = False

    @property
    def label(self) -> str:
        """The heading without the signs around it; where there are several lists, the label of the numbers."""
        return self.heading.strip(f" :{patterns.DASH}")


def read_line(line: str) -> list[FoundNumbers]:
    """The numbers in a plain line, without bold marks and paragraph numbers."""
    stripped = line.strip()
    bullet = patterns.BULLET.match(stripped)
    text = stripped[bullet.end() :] if bullet else stripped
    if cell := patterns.CELL.fullmatch(text):
        return [FoundNumbers(Shape.CELL, (int(cell[1]),))]
    if patterns.SPACED.fullmatch(text):
        return [FoundNumbers(Shape.LIST, tuple(map(int, re.findall(r"\d+", text))))]
    return list(_changes(text)) or _pairs(text) or _item_or_lists(text)


def _changes(text: str) -> Iterator[FoundNumbers]:
    """`Replace 199 with 33`, `remove 71 and 72`."""
    if replaced := patterns.REPLACED.search(text):
        yield FoundNumbers(Shape.REMOVAL, _numbers_in(replaced[1]))
        yield FoundNumbers(Shape.LIST, _numbers_in(replaced[2]), is_added=True)
    elif removed := patterns.REMOVED.search(text):
        yield FoundNumbers(Shape.REMOVAL, _numbers_in(removed[1]))


def _pairs(text: str) -> list[FoundNumbers]:
    """`17: positive, 20: negative`."""
    found = patterns.PAIRS.search(text)
    if found is None or text[: found.start()].rstrip()[-1:].isalnum():
        return []
    pairs = tuple((int(number), note.strip(" .")) for number, note in patterns.PAIR.findall(found[0]))
    heading = text[max(found.start() - HEADING_CHARACTERS, 0) : found.start()].strip()
    return [FoundNumbers(Shape.LIST, tuple(number for number, _ in pairs), pairs, heading)]


def _item_or_lists(text: str) -> list[FoundNumbers]:
    lists = list(_lists(text))
    starts_with_list = bool(lists) and patterns.LIST.match(text) is not None
    item = patterns.ITEM.fullmatch(text) or patterns.SENTENCE_ITEM.fullmatch(text)
    if item and not starts_with_list:
        return [_item(int(item[1]), item[2])]
    return lists or list(_lone(text))


def _item(number: int, rest: str) -> FoundNumbers:
    numbers = () if patterns.NOT_PICKED.match(rest) else (number,)
    return FoundNumbers(Shape.ITEM, numbers, ((number, rest.strip(f" ():.|\"'{patterns.DASH}")),))


def _lists(text: str) -> Iterator[FoundNumbers]:
    read = 0
    for found in patterns.LIST.finditer(text):
        start, end = found.span()
        heading = text[max(start - HEADING_CHARACTERS, 0) : start].strip(" [(")
        is_not_chosen = patterns.NO_PICKS.fullmatch(heading.rstrip(": ")) or patterns.LABELLED.match(text, end)
        if patterns.THOUSANDS.fullmatch(found[0]) or is_not_chosen:
            continue
        is_talk = patterns.FOR_EXAMPLE.search(heading) or patterns.SENTENCE_GOES_ON.match(text, end)
        is_added = patterns.IN_ADDITION.search(heading) or patterns.TOO.match(text, end)
        notes = tuple((int(number), note.strip()) for number, note in patterns.NOTED.findall(found[0]))
        shape = Shape.MENTION if is_talk else Shape.LIST
        numbers = _numbers_in(found[0])
        yield FoundNumbers(shape, numbers, notes, heading, bool(is_added))
        read += len(numbers)
        if read > MOST_NUMBERS:
            return


def _lone(text: str) -> Iterator[FoundNumbers]:
    """One number that stands for a text by a tag, `(ID: 17)`, or by the words before it, `I would add 17`."""
    tags = [int("".join(tag)) for tag in patterns.TAG.findall(text)]
    if len(tags) == 1:
        yield FoundNumbers(Shape.ITEM, tuple(tags))
    elif not text.endswith("?") and (added := patterns.ADDED.search(text)):
        yield FoundNumbers(Shape.LIST, _numbers_in(added[1]), is_added=True)


def _numbers_in(written: str) -> tuple[int, ...]:
    """The numbers of a list, with every number of a range."""
    numbers: list[int] = []
    for start, end in patterns.RANGE.findall(written):
        first, last = int(start), int(end or start)
        is_range = first <= last < first + LONGEST_RANGE and len(numbers) < MOST_NUMBERS
        numbers.extend(range(first, last + 1) if is_range else (first, last))
    return tuple(numbers)
