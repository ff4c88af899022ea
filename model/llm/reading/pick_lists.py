"""Join the numbers of single lines to lists: columns, items and categories, with the headings above them."""

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, replace

from model.llm.reading.pick_lines import AnswerLine, plain_lines
from model.llm.reading.pick_shapes import HEADING_CHARACTERS, MOST_NUMBERS, FoundNumbers, Shape, read_line

# Lines of talk that may stand between two items of one list.
TALK_BETWEEN = 3
_BETWEEN = {Shape.CELL: 0, Shape.ITEM: TALK_BETWEEN, Shape.LIST: 1}
# A list with at least this share of the requested numbers is no part of a list.
A_PART_AT_MOST = 0.9


@dataclass(frozen=True)
class _Piece:
    """The numbers of a line, and the line's place."""

    place: int
    found: FoundNumbers


def listings(answer: str, select: int) -> list[FoundNumbers]:
    """Every list of numbers that an answer gives, in its order.

    Args:
        answer: one turn or several.
        select: how many numbers the prompt requested; tells a part of a list from a whole list.
    """
    pieces = list(_pieces(plain_lines(answer)))
    return [found for found in _join_pieces(_without_torn(pieces), select) if not _is_counting(found, select)]


def _pieces(lines: Sequence[AnswerLine]) -> Iterator[_Piece]:
    """The numbers of every line; an answer run wild is read as far as MOST_NUMBERS."""
    read = 0
    for line in lines:
        for found in read_line(line.text):
            yield _Piece(line.place, _headed(found, line, lines))
            read += len(found.numbers)
        if read > MOST_NUMBERS:
            return


def _headed(found: FoundNumbers, line: AnswerLine, lines: Sequence[AnswerLine]) -> FoundNumbers:
    """A list at the start of its line gets the line above as its heading, if that ends in a colon."""
    if found.shape is Shape.LIST and not found.heading and line.place:
        above = lines[line.place - 1].text[-HEADING_CHARACTERS:].strip()
        return replace(found, heading=above) if above.endswith(":") else found
    return found


def _without_torn(pieces: Sequence[_Piece]) -> Iterator[_Piece]:
    """Leave out a torn item: `Instance 6` right after items 64 and 65, where a turn ended within `Instance 66: …`."""
    nothing = _Piece(-TALK_BETWEEN, FoundNumbers(Shape.MENTION, ()))
    for before, piece, after in zip([nothing, *pieces], pieces, [*pieces[1:], nothing], strict=False):
        is_after_items = before.place == piece.place - 1 and before.found.shape is Shape.ITEM
        is_lone_cell = piece.found.shape is Shape.CELL and after.place != piece.place + 1
        if not (is_lone_cell and is_after_items and piece.found.numbers < before.found.numbers):
            yield piece


def _join_pieces(pieces: Iterable[_Piece], select: int) -> list[FoundNumbers]:
    """Join the cells of a column, the items of a list, and the lists of several categories."""
    groups: list[list[FoundNumbers]] = []
    joined: set[int] = set()
    last_place = -TALK_BETWEEN
    for piece in pieces:
        between = piece.place - last_place - 1
        last_place = piece.place
        if not (groups and _goes_with(piece.found, groups[-1][-1], joined, between, select)):
            groups.append([])
            joined = set()
        groups[-1].append(piece.found)
        joined |= set(piece.found.numbers)
    return [_together(group) for group in groups]


def _goes_with(found: FoundNumbers, last: FoundNumbers, joined: Set[int], between: int, select: int) -> bool:
    """Whether neighbouring numbers belong to one list, instead of a draft and a second list.

    Args:
        found: the numbers of the lower line.
        last: the numbers of the line above.
        joined: all numbers of the list so far.
        between: lines between the two.
        select: how many numbers the prompt requested.
    """
    is_near = found.shape is last.shape and between <= _BETWEEN.get(found.shape, -1)
    if not is_near or not joined.isdisjoint(found.numbers):
        return False
    is_part = max(len(found.numbers), len(joined)) < A_PART_AT_MOST * select
    if found.shape is Shape.LIST:
        return is_part and bool(found.heading) == bool(last.heading)
    return is_part or not between


def _together(group: Sequence[FoundNumbers]) -> FoundNumbers:
    if len(group) == 1:
        return group[0]
    numbers = tuple(number for found in group for number in found.numbers)
    return replace(group[0], numbers=numbers, notes=tuple(note for found in group for note in _notes(found)))


def _notes(found: FoundNumbers) -> Iterator[tuple[int, str]]:
    """The notes of one of several lists or items; the heading of a list is a note on each of its numbers."""
    if found.shape is Shape.LIST:
        yield from ((number, found.label) for number in found.numbers)
    yield from found.notes


def _is_counting(found: FoundNumbers, select: int) -> bool:
    """Whether a short column such as 1, 2, 3 or 1, 2, 1 counts pages or drafts of a chat window."""
    numbers = found.numbers
    is_short = 2 * len(numbers) < select
    return found.shape is Shape.CELL and is_short and max(numbers) <= len(numbers)
