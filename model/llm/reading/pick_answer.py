"""Read what an LLM chose, as a careful reader would, and say what is wrong with it.

Knows the standard library and the errors alone: an answer is text, and the numbers in it are those shown in the prompt.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from model.errors import UnreadableAnswerError
from model.llm.reading.pick_faults import find_faults, is_degenerate
from model.llm.reading.pick_json import json_listings, without_reasoning
from model.llm.reading.pick_lists import listings
from model.llm.reading.pick_shapes import FoundNumbers, Shape

__all__ = ["PickedNumbers", "find_faults", "is_degenerate", "read_picked_numbers"]

# A list with this share of what was asked for is an answer of its own, not a piece of one.
WHOLE = 0.6
# A list that holds this share of what was chosen before says it again.
RESTATED = 0.8
# A smaller share of what was asked for, never put into a list, is talk about single texts.
FEWEST = 0.2
# Most words of a note or a heading that may be a label.
LABEL_WORDS = 5


@dataclass(frozen=True)
class PickedNumbers:
    """What an answer chooses.

    Attributes:
        numbers: as shown in the prompt, in the answer's order, each once; nothing else is left out or cut.
        guesses: the label that the answer gives with a number, as written there; not every number has one.
    """

    numbers: tuple[int, ...]
    guesses: dict[int, str] = field(default_factory=dict)


def read_picked_numbers(answer: str, select: int, presented: int | None, first: int = 0) -> PickedNumbers:
    """Read a selection in any form that LLMs give it: a structured answer first of all, lists in prose otherwise.

    The last whole list wins. Lists that are too short to be whole are pieces, and are put together: categories, late
    additions, a second turn. Numbers of paragraphs, counts, dates, and lists of what is not chosen are none.

    Args:
        answer: one answer, or several turns with what a person said between them.
        select: how many were asked for: tells a whole list from a piece.
        presented: how many texts were shown, at least about; None: not known.
        first: the number of the first text shown.

    Raises:
        UnreadableAnswerError: nothing is chosen; says what was looked for.
    """
    found = json_listings(answer) or [
        listing for listing in listings(without_reasoning(answer), select) if _may_be(listing, select, presented, first)
    ]
    numbers = _settled(found, select)
    is_listed = any(listing.shape is Shape.LIST for listing in found)
    if not numbers or (len(numbers) < FEWEST * select and not is_listed):
        raise UnreadableAnswerError(f"asked for the numbers of {select} texts, read {len(numbers)}")
    return PickedNumbers(tuple(numbers), _guesses(found, numbers))


def _may_be(listing: FoundNumbers, select: int, presented: int | None, first: int) -> bool:
    """Whether a list can be one of texts: a short one whose numbers were mostly not shown is years or the like."""
    if presented is None or 2 * len(listing.numbers) >= select:
        return True
    shown = sum(first <= number <= first + presented for number in listing.numbers)
    return 2 * shown >= len(listing.numbers)


def _settled(found: Sequence[FoundNumbers], select: int) -> list[int]:
    """Go through the lists as they come, and know after each what is chosen so far."""
    chosen: list[int] = []
    for listing in found:
        numbers = list(dict.fromkeys(listing.numbers))
        if listing.shape is Shape.REMOVAL:
            chosen = [number for number in chosen if number not in numbers]
        elif listing.shape is Shape.MENTION and not listing.is_added and 2 * len(numbers) < select:
            continue
        elif _replaces(numbers, chosen, select):
            chosen = numbers
        elif len(chosen) < select or listing.is_added:
            chosen += [number for number in numbers if number not in chosen]
    return chosen


def _replaces(numbers: Collection[int], chosen: Collection[int], select: int) -> bool:
    shared = len(set(numbers) & set(chosen))
    if min(shared, len(numbers)) >= RESTATED * len(chosen):
        return True
    is_piece = not shared and len(numbers) + len(chosen) <= select
    return len(numbers) >= WHOLE * select and not is_piece


def _guesses(found: Sequence[FoundNumbers], numbers: Collection[int]) -> dict[int, str]:
    """Short notes beside numbers, and headings of lists that are only a part of what is chosen."""
    said: dict[int, str] = {}
    for listing in found:
        is_part = len(listing.numbers) < len(numbers)
        headings = [(number, listing.label) for number in listing.numbers if is_part]
        said |= {number: words for number, words in (*headings, *listing.notes) if _is_label(words)}
    return {number: said[number] for number in numbers if number in said}


def _is_label(words: str) -> bool:
    return 0 < len(words.split()) <= LABEL_WORDS
