"""The ActiveLLM study's records of SST-2: the pools shown, the LLMs' picks, and their errors."""

import gzip
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model.simulation.gold import read_gold
from model.types import FloatArray, IntArray, LabelSet, Targets

PICKS = 32
# Positives among the first 32 picks: of GPT-4 over five shuffles, GPT-4o, Llama 3, Gemini, and twice each of Mistral
# Large, Mixtral and GPT-3.5. The table counts those at hand again; the rest are as counted in the whole study.
POSITIVES = (16, 24, 28, 19, 19, 11, 15, 1, 18, 9, 13, 16, 21, 13)
# The longer series of askings used the numbers of this pool.
FIRST_POOL = "sst2/10/prompt_50000_1"
TENTHS = 10
_SORTED = re.compile(
    r"^\W*(?:clear )?(positive|negative|neutral|ambiguous)[^:\n]*:\s*(\d+(?:, *\d+)+)\W*$", re.I | re.M
)

Line = Mapping[str, Any]


@dataclass(frozen=True)
class Record:
    """One recorded answer: the rows of a pool that an LLM picked, in its order."""

    name: str
    llm: str
    pool: str
    rows_B: IntArray


@dataclass(frozen=True)
class Slip:
    """How an answer differs from a list of the requested length.

    Attributes:
        length: numbers in the answer, as a share of the requested count; 0: the answer has no list.
        beyond: share of the numbers that belong to no shown text.
        is_counting: the numbers grow by a constant step.
    """

    length: float
    beyond: float
    is_counting: bool


@dataclass(frozen=True)
class Habits:
    """How LLMs pick and err.

    Attributes:
        position_T: share of the picks in each tenth of the shown list.
        lists: answers that position_T was counted from.
        positive_shares: share of positive texts among the picks of each answer.
        slips: the slip of every recorded answer.
        guesses: texts that an LLM called positive or negative.
        wrong: guesses that were wrong.
        unsure: texts that an LLM called neutral or ambiguous.
    """

    position_T: FloatArray
    lists: int
    positive_shares: tuple[float, ...]
    slips: tuple[Slip, ...]
    guesses: int
    wrong: int
    unsure: int

    @property
    def error_rate(self) -> float:
        """Share of the guesses that are wrong."""
        return self.wrong / self.guesses

    @property
    def pessimistic_error_rate(self) -> float:
        """Share of wrong labels if a coin decided the unsure texts."""
        return (self.wrong + self.unsure / 2) / (self.guesses + self.unsure)


def read_pools(folder: Path) -> dict[str, Targets]:
    """The texts of every stored prompt with their gold labels, in the order shown."""
    with gzip.open(folder / "sst2_gold.jsonl.gz", "rt", encoding="utf-8") as lines:
        return {raw["prompt_id"]: _pool(raw) for raw in map(json.loads, lines)}


def _pool(raw: Line) -> Targets:
    if raw["numbers"] != list(range(len(raw["instances"]))):
        raise ValueError(f"{raw['prompt_id']}: the numbers shown are not the rows")
    labels = ("negative", "positive")
    texts = tuple(text.strip() for text in raw["instances"])
    targets_N_C = np.array([[label == name for name in labels] for label in raw["labels"]], dtype=np.float32)
    return Targets(tuple(raw["numbers"]), texts, targets_N_C, LabelSet(labels))


def read_test(folder: Path) -> Targets:
    """The held-out sentences."""
    return read_gold([folder / "sst2_dev.jsonl.gz"])[0]


def read_records(folder: Path, pools: Mapping[str, Targets]) -> list[Record]:
    """Every answer that picks 32 of a stored pool, by the numbers of its own prompt."""
    return [
        Record(raw["id"], raw["llm"], raw["prompt_id"], np.array(raw["reading"][:PICKS]))
        for raw in _answers(folder)
        if raw["prompt_id"] in pools and len(raw["reading"] or ()) >= PICKS
    ]


def read_habits(folder: Path, pools: Mapping[str, Targets]) -> Habits:
    """Read the figures that a stand-in needs to pick and err as LLMs did."""
    answers = _answers(folder)
    tenths = [_tenths(raw) for raw in answers if _shows_sst2_at_length(raw)]
    guesses = list(_guesses(answers, pools[FIRST_POOL]))
    sure = [is_right for is_right in guesses if is_right is not None]
    return Habits(
        position_T=np.mean(tenths, axis=0),
        lists=len(tenths),
        positive_shares=tuple(positives / PICKS for positives in POSITIVES),
        slips=tuple(_slip(raw) for raw in answers),
        guesses=len(sure),
        wrong=sure.count(False),
        unsure=guesses.count(None),
    )


def _answers(folder: Path) -> list[Line]:
    return [json.loads(line) for line in (folder / "answers.jsonl").read_text(encoding="utf-8").splitlines()]


def _shows_sst2_at_length(raw: Line) -> bool:
    return raw["dataset"].startswith("sst2") and bool(raw["reading"]) and 100 <= (raw["presented"] or 0) <= 201


def _tenths(raw: Line) -> FloatArray:
    """Share of the picks in each tenth of the list; every answer has the same weight."""
    place_B = (np.array(raw["reading"]) - raw["first_index"]) / (raw["presented"] + 1)
    return np.histogram(place_B, bins=TENTHS, range=(0.0, 1.0))[0] / len(place_B)


def _slip(raw: Line) -> Slip:
    numbers: Sequence[int] = raw["reading"] or ()
    if not numbers:
        return Slip(length=0.0, beyond=0.0, is_counting=False)
    # The record's `presented` may be off by one.
    last = raw["first_index"] + raw["presented"] if raw["presented"] else max(numbers)
    beyond = sum(number > last for number in numbers) / len(numbers)
    is_counting = len(set(np.diff(numbers).tolist())) == 1
    return Slip(len(numbers) / raw["requested"], beyond, is_counting)


def _guesses(answers: Iterable[Line], pool: Targets) -> Iterator[bool | None]:
    """For every text that an answer sorts: whether its label is right; None if the answer named neither label.

    Only answers that sort into both labels: in others a heading names one list of all picks.
    """
    for raw in answers:
        found = _SORTED.findall(raw["answer"]) if raw["dataset"].startswith("sst2_25_cont") else []
        if {"positive", "negative"} <= {said.lower() for said, _ in found}:
            for said, numbers in found:
                rows = [int(number) for number in numbers.split(",") if int(number) < len(pool)]
                yield from (_is_right(pool, row, said.lower()) for row in rows)


def _is_right(pool: Targets, row: int, said: str) -> bool | None:
    labels = pool.label_set.labels
    return labels[int(pool.targets_N_C[row].argmax())] == said if said in labels else None
