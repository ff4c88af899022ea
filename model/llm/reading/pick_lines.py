"""Plain lines of an answer: without marks and paragraph numbers, and with wrapped lists on one line."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_MARKS = re.compile(r"\*\*|__|`+|\\(?=[_*#\[\]])|[\u200b-\u200f\ufeff\r]")
_SIGNS = str.maketrans({"\uff0c": ",", "\u3001": ",", "\u00a0": " "})
# Blanks within a line; those before its first word say how deep it is.
_BLANKS = re.compile(r"(?<=\S)[^\S\n]+")
_WRAPPED = re.compile(r"(?<=\d)\s?,\s?\n\s*(?=\d{1,7}\s?(?:,|\.?\s?$|\n))")
# "3. Rest", "3) rest", and a table's row "| 3 | rest |"
_NUMBERED = re.compile(r"(\s*)(?:[-*•]\s)?(?:\(?(\d{1,4})[.)]\s|\|\s?(\d{1,4})\s?\|\s?)(\S.*)")


@dataclass(frozen=True)
class AnswerLine:
    """A line that is not blank, and its place among these lines."""

    place: int
    text: str


@dataclass(frozen=True)
class _NumberedLine:
    """A line that begins with a number, and the rest of the line."""

    place: int
    number: int
    rest: str


def plain_lines(answer: str) -> list[AnswerLine]:
    """The lines that are not blank, without Markdown marks and paragraph numbers; one blank between two words."""
    plain = _BLANKS.sub(" ", _MARKS.sub("", answer.translate(_SIGNS))).rstrip()
    texts = (line for line in _WRAPPED.sub(", ", plain).split("\n") if line.strip())
    lines = [AnswerLine(place, text) for place, text in enumerate(texts)]
    counted = _paragraph_numbers(lines)
    return [AnswerLine(line.place, counted.get(line.place, line.text)) for line in lines]


def _paragraph_numbers(lines: Sequence[AnswerLine]) -> dict[int, str]:
    """Lines whose leading number counts paragraphs, rows or copied texts: by place, the rest of the line.

    Such numbers are 1, 2, 3 … without a gap. Picks are seldom so, since the numbers of texts begin at 0. Taking a count
    for picks would cost more than asking again.
    """
    chains = [chain for chain in _chains(lines) if [line.number for line in chain] == list(range(1, len(chain) + 1))]
    return {line.place: line.rest for chain in chains for line in chain}


def _chains(lines: Sequence[AnswerLine]) -> list[list[_NumberedLine]]:
    """Chains of numbered lines; every depth of indentation has its own chains."""
    chains: list[list[_NumberedLine]] = []
    last_of: dict[int, list[_NumberedLine]] = {}
    for line in lines:
        if (found := _NUMBERED.fullmatch(line.text)) is None:
            continue
        depth, numbered = len(found[1]), _NumberedLine(line.place, int(found[2] or found[3]), found[4])
        if not (depth in last_of and _continues(last_of[depth][-1], numbered)):
            last_of[depth] = []
            chains.append(last_of[depth])
        last_of[depth].append(numbered)
    return chains


def _continues(last: _NumberedLine, line: _NumberedLine) -> bool:
    """Whether a line continues a chain: by the next number anywhere below, or by any number on the very next line."""
    return line.number == last.number + 1 or line.place == last.place + 1
