"""Data sets with gold labels: a folder a set, with train.jsonl.gz and test.jsonl.gz, a text and its label a line.

Knows numpy alone, so that other packages' environments can read the same texts.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from model.simulation.gold import read_gold
from model.types import Targets

# Enough texts to tell learners apart over seeds; scoring a whole test set would take longer than training.
TEST_TEXTS = 500


@dataclass(frozen=True)
class Gold:
    """Texts and the positions of their labels on axis C."""

    texts: tuple[str, ...]
    labels_N: npt.NDArray[np.int64]


@dataclass(frozen=True)
class GoldSet:
    """A set's pool to draw labelled texts from, and held-out texts."""

    name: str
    labels: tuple[str, ...]
    pool: Gold
    heldout: Gold

    def draw(self, texts: int, seed: int) -> Gold:
        """Draw texts of the pool at random; with the same seed a larger draw begins with the smaller one."""
        rows = np.random.default_rng(seed).permutation(len(self.pool.texts))[:texts]
        return Gold(tuple(self.pool.texts[row] for row in rows), self.pool.labels_N[rows])


def read_set(folder: Path, name: str) -> GoldSet:
    """Read one set, with the first TEST_TEXTS of its test texts."""
    pool, test = read_gold([folder / name / f"{part}.jsonl.gz" for part in ("train", "test")])
    return GoldSet(name, pool.label_set.labels, _gold(pool), _gold(test.some(np.arange(min(TEST_TEXTS, len(test))))))


def _gold(targets: Targets) -> Gold:
    return Gold(targets.texts, targets.targets_N_C.argmax(axis=1))
