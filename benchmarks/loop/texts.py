"""Distinct texts with gold labels for the loop's pools: AG News, then new texts joined from halves of its texts."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from model.simulation.gold import read_gold
from model.types import Targets

SET = "agnews"
_SEED = 0


def read_texts(data: Path, count: int) -> dict[str, str]:
    """Read or make distinct texts with labels: the real texts first, then the joined ones, each shuffled.

    A repeated text would be embedded once and make a pool look quicker than it is. So where the set has no more texts,
    the first half of one is joined to the second half of another of the same label: real words at real lengths.

    Args:
        data: the folder of sets.
        count: how many texts.
    """
    real = dict(_labelled(read_gold([data / SET / f"{part}.jsonl.gz" for part in ("train", "test")])))
    rng = np.random.default_rng(_SEED)
    texts = {text: real[text] for text in _shuffled(real, rng)}
    while len(texts) < count:
        texts |= _joined(real, rng)
    return dict(list(texts.items())[:count])


def _labelled(parts: tuple[Targets, ...]) -> Iterator[tuple[str, str]]:
    for part in parts:
        yield from zip(part.texts, (part.label_set.labels[row] for row in part.targets_N_C.argmax(axis=1)), strict=True)


def _shuffled(real: dict[str, str], rng: np.random.Generator) -> list[str]:
    texts = list(real)
    return [texts[row] for row in rng.permutation(len(texts))]


def _joined(real: dict[str, str], rng: np.random.Generator) -> dict[str, str]:
    """Make as many new texts as there are real texts, in random order."""
    by_label: dict[str, list[str]] = {}
    for text in _shuffled(real, rng):
        by_label.setdefault(real[text], []).append(text)
    joined = {
        _join(first, second): label
        for label, texts in by_label.items()
        for first, second in zip(texts, [*texts[1:], texts[0]], strict=True)
    }
    return {text: joined[text] for text in _shuffled(joined, rng)}


def _join(first: str, second: str) -> str:
    begin, end = first.split(), second.split()
    return " ".join([*begin[: len(begin) // 2], *end[len(end) // 2 :]])
