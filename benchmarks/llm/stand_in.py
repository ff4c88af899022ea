"""A stand-in for an LLM: its picks are as biased, and its guesses as wrong, as the study's records show."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.llm.records import Habits
from model.llm.chat import Message, Reply
from model.types import IntArray, Targets

_FRAME = re.compile(r'^\s*(\d+): (".*")\s*$', re.MULTILINE)


class StandIn:
    """Answers the project's question with the biases and errors of the study's LLMs.

    Every asking draws a record's share of positives, picks that many of either class (by their gold labels: that is how
    the records were counted) from the places where recorded picks stand, and slips as a record did. It knows nothing of
    what teaches a classifier, and heeds no wish for balance. A text that it takes for the other class it takes so in
    every asking: an LLM misreads a text, it doesn't throw dice.
    """

    model = "stand-in"
    context_tokens = 128_000

    def __init__(self, pool: Targets, habits: Habits, error_rate: float, picks: int, rng: np.random.Generator) -> None:
        labels = pool.label_set.labels
        class_N = pool.targets_N_C.argmax(axis=1)
        is_misread_N = rng.random(len(pool)) < error_rate
        # Prompts collapse white space.
        texts = [" ".join(text.split()) for text in pool.texts]
        self._class = dict(zip(texts, class_N.tolist(), strict=True))
        guess_N = np.where(is_misread_N, 1 - class_N, class_N)
        self._guess = {text: labels[guess] for text, guess in zip(texts, guess_N.tolist(), strict=True)}
        self._positive = labels.index("positive")
        self._habits = habits
        self._picks = picks
        self._rng = rng

    def ask(self, messages: Sequence[Message], schema: Mapping[str, Any] | None = None) -> Reply:
        """Answer in the form that the prompt asks for; the schema is ignored."""
        shown = dict(_frames(messages))
        slip = self._habits.slips[self._rng.integers(len(self._habits.slips))]
        length = min(round(self._picks * slip.length), len(shown))
        numbers = list(shown)
        # A share `beyond` of the numbers belongs to no shown text.
        real = length - round(length * slip.beyond)
        chosen = numbers[:real] if slip.is_counting else [numbers[place] for place in self._choose(shown, real)]
        picks = [{"number": number, "label": self._guess[shown[number]]} for number in chosen]
        picks += [{"number": max(numbers) + 1 + extra, "label": ""} for extra in range(length - real)]
        return Reply(json.dumps({"reasoning": "", "picks": picks}))

    def _choose(self, shown: Mapping[int, str], length: int) -> list[int]:
        """Picked places in the list, ascending as in most records."""
        is_positive_N = np.array([self._class[text] == self._positive for text in shown.values()])
        share = float(self._rng.choice(self._habits.positive_shares))
        # If a class has too few texts, the other class fills the rest.
        positives = min(round(length * share), int(is_positive_N.sum()))
        positives = max(positives, length - int((~is_positive_N).sum()))
        taken = [
            self._draw(np.flatnonzero(is_positive_N), positives, len(shown)),
            self._draw(np.flatnonzero(~is_positive_N), length - positives, len(shown)),
        ]
        return sorted(np.concatenate(taken).tolist())

    def _draw(self, places_M: IntArray, count: int, shown: int) -> IntArray:
        """Draw places without repeats, weighted by the records' shares of each tenth."""
        weight_M = self._habits.position_T[places_M * len(self._habits.position_T) // shown]
        chosen: IntArray = self._rng.choice(places_M, size=count, replace=False, p=weight_M / weight_M.sum())
        return chosen


def _frames(messages: Sequence[Message]) -> Iterator[tuple[int, str]]:
    """Shown texts by their numbers, in the order shown."""
    for message in messages:
        if message.role == "user":
            for number, quoted in _FRAME.findall(message.content):
                yield int(number), json.loads(quoted)
