"""Forty texts about films, for tests in which an LLM reads them."""

import numpy as np

from model.types import PoolText
from tests.fakes import BLAME, NEUTRAL, PRAISE

FILMS = tuple(f"{noun} {word}" for noun in NEUTRAL for word in (*PRAISE, *BLAME))
POOL = tuple(PoolText(100 + row, text) for row, text in enumerate(FILMS))
EMBEDDINGS = {text: np.random.default_rng(row).normal(size=4) for row, text in enumerate(FILMS)}


def sentiment(text: str) -> str:
    return "pos" if any(word in text for word in PRAISE) else "neg"
