"""Plain lines of an answer: without marks and paragraph numbers, and with wrapped lists on one line."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_MARKS = re.compile(r"\*\*|__|`+|\\(?=[_*#\[\]])|[\u200b-\u200f\ufeff\r]")
_SIGNS = str.maketrans({"\uff0c": ",", "\u3001": ",", "\u00a0": " "})
_WRAPPED = re.compile(r"(?<=\d)\s*,[ \t]*\n\s*(?=\d+\s*(?:,|\.?\s*$|\n))")
# "3. Rest", "3) rest", and a table's row "| 3 | rest |"
_NUMBERED = re.compile(r"(\s*)(?:[-*•]\s+)?(?:\(?(\d{1,4})[.)]\s+|\|\s*(\d{1,4})\s*\|\s*)(\S.*)")


@dataclass(frozen=True)
class AnswerLine:
    """A line that is not blank, and its place among these lines."""

    place: int
    text: str


def plain_lines(answer: str) -> list[AnswerLine]:
    """The lines that are not blank, without Markdown marks and paragraph numbers."""
    plain = _WRAPPED.sub(", ", _MARKS.sub("", answer.translate(_SIGNS)))
    lines = [AnswerLine(place, text) for place, text in enumerate(line for line in plain.split("\n") if line.strip())]
    counted = _paragraph_numbers(lines)
    return [
        AnswerLine(line.place, _NUMBERED.sub(r"\4", line.text)) if line.place in counted else line for line in lines
    ]


def _paragraph_numbers(lines: Sequence[AnswerLine]) -> set[int]:
    """Places of lines whose leading number counts paragraphs, rows or copied texts: 1, 2, 3 … without a gap.

    Picks are seldom 1 to k without a gap, since the numbers of texts begin at 0. Taking a count for picks would cost
    more than asking again.
    """
    chains = [chain for chain in _chains(lines) if [number for _, number in chain] == list(range(1, len(chain) + 1))]
    return {place for chain in chains for place, _ in chain}


def _chains(lines: Sequence[AnswerLine]) -> list[list[tuple[int, int]]]:
    """Chains of numbered lines, as (place, number); every depth of indentation has its own chains."""
    chains: list[list[tuple[int, int]]] = []
    last_of: dict[int, list[tuple[int, int]]] = {}
    for line in lines:
        if (numbered := _NUMBERED.fullmatch(line.text)) is None:
            continue
        depth, number = len(numbered[1]), int(numbered[2] or numbered[3])
        if not (depth in last_of and _continues(last_of[depth][-1], line.place, number)):
            last_of[depth] = []
            chains.append(last_of[depth])
        last_of[depth].append((line.place, number))
    return chains


def _continues(last: tuple[int, int], place: int, number: int) -> bool:
    """Whether a line continues a chain: by the next number anywhere below, or by any number on the very next line."""
    return number == last[1] + 1 or place == last[0] + 1
