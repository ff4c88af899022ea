"""What is wrong with a selection, in sentences fit for asking again."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise

# Two or three numbers have equal steps by chance.
FEWEST_TO_JUDGE = 4
# Of more steps than this, MOSTLY are enough.
FEW_STEPS = 10
MOSTLY = 0.8
# Of a larger share of the texts, any choice has steps that are mostly 1.
NEARLY_ALL = 0.8
NAMED_AT_MOST = 10


def find_faults(
    numbers: Sequence[int], select: int, presented: int, already: Collection[int] = frozenset()
) -> tuple[str, ...]:
    """Say what is wrong with numbers that an answer chooses, a sentence a fault; none: it is as asked.

    Args:
        numbers: as the answer has them, repeats included.
        select: how many were asked for.
        presented: how many texts were shown; they are numbered from 0.
        already: numbers of texts that have a label.
    """
    return tuple(_faults(numbers, select, presented, already))


def _faults(numbers: Sequence[int], select: int, presented: int, already: Collection[int]) -> Iterator[str]:
    different = set(numbers)
    if len(different) != select:
        amount = "too many" if len(different) > select else "too few"
        yield f"These are {len(different)} different texts, {amount}: choose exactly {select}."
    if repeated := [number for number, times in Counter(numbers).items() if times > 1]:
        yield f"Numbers that are there more than once: {_named(repeated)}."
    if outside := [number for number in different if not 0 <= number < presented]:
        yield f"No text has these numbers: {_named(outside)}. The texts are numbered from 0 to {presented - 1}."
    if labelled := different & set(already):
        yield f"Already labeled, so that they teach nothing new: {_named(labelled)}."
    if is_degenerate(numbers) and len(different) < NEARLY_ALL * presented:
        yield "The numbers are counted off in equal steps: read the texts, and choose by what they say."


def is_degenerate(numbers: Sequence[int]) -> bool:
    """Whether numbers are counted off and not chosen: 0, 1, 2, 3 … or 5, 10, 15 ….

    So they are if the steps from number to number, as written or in ascending order, are all equal, or, of more than
    ten steps, four of five. Fewer than four numbers are never judged. Of the study's recorded lists without equal
    steps the most regular have seven of ten, and choosing 32 of 50 at random gives about six of ten.
    """
    return len(numbers) >= FEWEST_TO_JUDGE and any(_is_even(order) for order in (numbers, sorted(numbers)))


def _is_even(numbers: Sequence[int]) -> bool:
    steps = Counter(after - before for before, after in pairwise(numbers))
    share = max(steps.values()) / steps.total()
    return share == 1 or (steps.total() > FEW_STEPS and share >= MOSTLY)


def _named(numbers: Collection[int]) -> str:
    first = sorted(numbers)[:NAMED_AT_MOST]
    more = f" and {len(numbers) - len(first)} more" if len(numbers) > len(first) else ""
    return ", ".join(map(str, first)) + more
