"""Find the faults of a selection, and say them in sentences that can be sent to the LLM."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise

# Two or three numbers have equal steps by chance.
FEWEST_TO_JUDGE = 4
# With more steps than this, a share of MOSTLY equal steps is enough.
FEW_STEPS = 10
MOSTLY = 0.8
# A choice of more than this share of the texts has mostly steps of 1, whatever it picks.
NEARLY_ALL = 0.8
NAMED_AT_MOST = 10


def find_faults(
    numbers: Sequence[int], select: int, presented: int, already: Collection[int] = frozenset()
) -> tuple[str, ...]:
    """Find the faults of picked numbers.

    Args:
        numbers: the picks of an answer, repeats included.
        select: how many picks the prompt requested.
        presented: how many texts the prompt showed; their numbers begin at 0.
        already: numbers of texts that have a label.

    Returns:
        one sentence for each fault; empty where the answer has none.
    """
    return tuple(_faults(numbers, select, presented, already))


def _faults(numbers: Sequence[int], select: int, presented: int, already: Collection[int]) -> Iterator[str]:
    different = set(numbers)
    if len(different) != select:
        amount = "too many" if len(different) > select else "too few"
        yield f"These are {len(different)} different texts, {amount}: choose exactly {select}."
    if repeated := [number for number, times in Counter(numbers).items() if times > 1]:
        yield f"Numbers that are there more than once: {_list_numbers(repeated)}."
    if outside := [number for number in different if not 0 <= number < presented]:
        yield f"No text has these numbers: {_list_numbers(outside)}. The texts are numbered from 0 to {presented - 1}."
    if labelled := different & set(already):
        yield f"Already labeled, so that they teach nothing new: {_list_numbers(labelled)}."
    if is_degenerate(numbers) and len(different) < NEARLY_ALL * presented:
        yield "The numbers are counted off in equal steps: read the texts, and choose by what they say."


def is_degenerate(numbers: Sequence[int]) -> bool:
    """Whether numbers are counted off instead of chosen: 0, 1, 2, 3 … or 5, 10, 15 ….

    The steps between neighbouring numbers decide, in the answer's order or in ascending order. Numbers are counted off
    if all steps are equal, or four of five where there are more than ten steps. Fewer than four numbers are never
    judged. In the study's records, lists without equal steps have seven equal steps of ten at most. 32 numbers of 50,
    drawn at random, have about six of ten.
    """
    return len(numbers) >= FEWEST_TO_JUDGE and any(_has_equal_steps(order) for order in (numbers, sorted(numbers)))


def _has_equal_steps(numbers: Sequence[int]) -> bool:
    steps = Counter(after - before for before, after in pairwise(numbers))
    share = max(steps.values()) / steps.total()
    return share == 1 or (steps.total() > FEW_STEPS and share >= MOSTLY)


def _list_numbers(numbers: Collection[int]) -> str:
    first = sorted(numbers)[:NAMED_AT_MOST]
    more = f" and {len(numbers) - len(first)} more" if len(numbers) > len(first) else ""
    return ", ".join(map(str, first)) + more
