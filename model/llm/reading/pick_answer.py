"""Read from an answer the numbers of the texts that the LLM picks, as a careful reader would.

A prompt shows every text under a number, and the answer names texts by these numbers.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from model.errors import UnreadableAnswerError
from model.llm.reading.answer_length import check_length
from model.llm.reading.pick_json import json_listings, without_reasoning
from model.llm.reading.pick_lists import listings
from model.llm.reading.pick_shapes import FoundNumbers, Shape

# A list with at least this share of the requested numbers is a whole answer, not a piece of an answer.
WHOLE = 0.6
# A list with at least this share of the numbers chosen so far replaces them.
RESTATED = 0.8
# Fewer numbers than this share of the requested ones, none of them in a list, are talk about single texts.
FEWEST = 0.2
# Most words of a note or a heading that may be a label.
LABEL_WORDS = 5


@dataclass(frozen=True)
class PickedNumbers:
    """The numbers that an answer picks.

    Attributes:
        numbers: the numbers in the answer's order, each once. Too many numbers are not cut, and wrong ones stay in.
        guesses: labels by number, as the answer spells them; a number may lack a label.
    """

    numbers: tuple[int, ...]
    guesses: dict[int, str] = field(default_factory=dict)


def read_picked_numbers(answer: str, select: int, presented: int | None, first: int = 0) -> PickedNumbers:
    """Read the picked numbers from JSON, or from lists in prose where the answer has no JSON.

    The last whole list wins. Shorter lists are pieces of one answer and are joined: categories, late additions, a
    second turn. Numbers of paragraphs, counts, dates and lists of rejected texts are no picks.

    Args:
        answer: one answer, or several turns with a person's turns between them.
        select: how many numbers the prompt requested; tells a whole list from a piece.
        presented: how many texts the prompt showed, roughly; None: unknown.
        first: the number of the first text shown.

    Raises:
        UnreadableAnswerError: the answer picks nothing, or is too long.
    """
    check_length(answer)
    found = json_listings(answer) or [
        listing
        for listing in listings(without_reasoning(answer), select)
        if _may_name_texts(listing, select, presented, first)
    ]
    numbers = _final_picks(found, select)
    is_listed = any(listing.shape is Shape.LIST for listing in found)
    if not numbers or (len(numbers) < FEWEST * select and not is_listed):
        raise UnreadableAnswerError(f"asked for the numbers of {select} texts, read {len(numbers)}")
    return PickedNumbers(tuple(numbers), _guesses(found, numbers))


def _may_name_texts(listing: FoundNumbers, select: int, presented: int | None, first: int) -> bool:
    """Whether a list can name texts. A short list that has mostly numbers of no shown text holds years or the like."""
    if presented is None or 2 * len(listing.numbers) >= select:
        return True
    shown = sum(first <= number <= first + presented for number in listing.numbers)
    return 2 * shown >= len(listing.numbers)


def _final_picks(found: Sequence[FoundNumbers], select: int) -> list[int]:
    """The picks after all lists: each list in turn replaces, extends or shortens the picks so far."""
    # A dict keeps the order, and finds a number in no time.
    chosen: dict[int, None] = {}
    for listing in found:
        numbers = dict.fromkeys(listing.numbers)
        if listing.shape is Shape.REMOVAL:
            for number in numbers:
                chosen.pop(number, None)
        elif listing.shape is Shape.MENTION and not listing.is_added and 2 * len(numbers) < select:
            continue
        elif _replaces(numbers, chosen, select):
            chosen = numbers
        elif len(chosen) < select or listing.is_added:
            chosen |= numbers
    return list(chosen)


def _replaces(numbers: Collection[int], chosen: Collection[int], select: int) -> bool:
    shared = sum(number in chosen for number in numbers)
    if min(shared, len(numbers)) >= RESTATED * len(chosen):
        return True
    is_piece = not shared and len(numbers) + len(chosen) <= select
    return len(numbers) >= WHOLE * select and not is_piece


def _guesses(found: Sequence[FoundNumbers], numbers: Collection[int]) -> dict[int, str]:
    """Labels by number: short notes beside numbers, and the headings of lists that hold only a part of the picks."""
    label_of: dict[int, str] = {}
    for listing in found:
        is_part = len(listing.numbers) < len(numbers)
        headings = [(number, listing.label) for number in listing.numbers if is_part]
        label_of |= {number: words for number, words in (*headings, *listing.notes) if _is_label(words)}
    return {number: label_of[number] for number in numbers if number in label_of}


def _is_label(words: str) -> bool:
    return 0 < len(words.split()) <= LABEL_WORDS
