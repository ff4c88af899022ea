"""Digests of texts, for places where the text itself must not be stored."""

import hashlib
from collections.abc import Iterable

import numpy as np

from model.types import IntArray


def text_digest(text: str) -> int:
    """Hash a text into 64 bits; a changed text has another digest."""
    return int.from_bytes(_digest(text), "big")


def text_digests(texts: Iterable[str]) -> IntArray:
    """Hash N texts: digests_N, uint64."""
    return np.frombuffer(b"".join(map(_digest, texts)), dtype=">u8").astype(np.uint64)


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
