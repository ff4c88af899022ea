"""Copies: texts that are the same but for case, spaces and punctuation, or nearly so."""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from model.types import BoolArray, IntArray

# Texts are nearly the same if the Jaccard similarity of their shingles (pieces of SHINGLE_BYTES bytes) is NEARLY or
# more. One more word makes a text of less than about 60 letters another text.
NEARLY = 0.9
SHINGLE_BYTES = 5
# Candidates have the same minima of hashed shingles in at least one band (Broder, 1997). One pair in 30,000 with a
# similarity of NEARLY is missed.
_BANDS, _ROWS = 8, 3
# Candidates are found by the first _HASHED_BYTES bytes of a text, then whole texts are compared. _PART texts are hashed
# at once: a hash takes eight bytes a letter.
_HASHED_BYTES, _PART = 1_000, 10_000
# Long texts with the same beginning are all candidates, and comparing two of them takes milliseconds. So many pieces of
# the second, evenly spread, are looked up first; nearly the same texts have far more than this share in common.
_PROBES, _LIKELY = 400, 0.8
# Two texts may differ in other signs alone: :) and :(, C and C++.
_SPACE_OR_SIGN = re.compile("[\\s.,!?\u2026\u3002\"'\u2018-\u201f\u00ab\u00bb]+")
_NUMBER = re.compile(r"\d+")


def plain_form(text: str) -> str:
    """Return a text in a form without differences of case, spaces, punctuation and compatible characters."""
    return _SPACE_OR_SIGN.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()


def first_of_each(texts: tuple[str, ...]) -> IntArray:
    """Find for each of N texts the first text that is the same: first_N, rows in 0 … N - 1.

    A text that is like no earlier text is its own first. Texts without a letter or digit are like no other text.

    Args:
        texts: N texts.
    """
    forms = [plain_form(text) for text in texts]
    first_of: dict[str, int] = {}
    first_N = np.array(
        [first_of.setdefault(form, row) if form else row for row, form in enumerate(forms)], dtype=np.int64
    )
    different_M = np.array(sorted(first_of.values()), dtype=np.int64)
    if len(different_M) > 1:
        to_M = _nearly([forms[row] for row in different_M.tolist()])
        moved_N = np.arange(len(texts))
        moved_N[different_M] = different_M[to_M]
        first_N = moved_N[first_N]
    return first_N


def _nearly(forms: Sequence[str]) -> IntArray:
    """Find for each of M different forms the first form that is nearly the same: to_M."""
    encoded = [form.encode("utf-8", "surrogatepass") for form in forms]
    to_M, compared = np.arange(len(forms)), set[tuple[int, int]]()
    for bucket in _buckets(encoded):
        first = int(to_M[bucket[0]])
        pairs = [(first, row) for row in bucket[1:] if to_M[row] == row != first and (first, row) not in compared]
        compared.update(pairs)
        if pairs:
            is_near = _nearness(encoded[first])
            to_M[[row for _, row in pairs if is_near(encoded[row])]] = first
    # A first text of one band may turn out a copy in a later band.
    while (to_M[to_M] != to_M).any():
        to_M = to_M[to_M]
    return to_M


def _nearness(one: bytes) -> Callable[[bytes], bool]:
    """Return whether another text has nearly the same shingles and the very same numbers as a text."""
    first, numbers = _shingles(one), _numbers(one)

    def is_near(other: bytes) -> bool:
        if not _may_be_near(first, other) or _numbers(other) != numbers:
            return False
        second = _shingles(other)
        return len(first & second) >= NEARLY * len(first | second)

    return is_near


def _may_be_near(shingles: set[bytes], text: bytes) -> bool:
    """Whether most of a long text's pieces are among the shingles of another; a short text is soon compared whole."""
    if len(text) <= _HASHED_BYTES:
        return True
    starts = range(0, len(text) - SHINGLE_BYTES + 1, len(text) // _PROBES)
    return sum(text[start : start + SHINGLE_BYTES] in shingles for start in starts) >= _LIKELY * len(starts)


def _numbers(text: bytes) -> list[str]:
    return _NUMBER.findall(text.decode("utf-8", "surrogatepass"))


def _shingles(text: bytes) -> set[bytes]:
    return {text[start : start + SHINGLE_BYTES] for start in range(max(1, len(text) - SHINGLE_BYTES + 1))}


def _buckets(encoded: Sequence[bytes]) -> Iterator[list[int]]:
    """Yield rows of texts that may be nearly the same, ascending in each bucket."""
    minima_H_M = _minima(encoded)
    for band in range(_BANDS):
        keys_M = minima_H_M[band * _ROWS : (band + 1) * _ROWS].T.copy().view(f"V{8 * _ROWS}").ravel()
        _, bucket_M, sizes = np.unique(keys_M, return_inverse=True, return_counts=True)
        by_bucket = np.argsort(bucket_M, kind="stable")
        ends = np.cumsum(sizes)
        for at in np.flatnonzero(sizes > 1).tolist():
            yield by_bucket[ends[at] - sizes[at] : ends[at]].tolist()


def _minima(encoded: Sequence[bytes]) -> IntArray:
    """Yield the smallest hash of each text's shingles under H hash functions: minima_H_M, uint64; part by part."""
    beginnings = [text[:_HASHED_BYTES] for text in encoded]
    parts = [_minima_of_part(beginnings[start : start + _PART]) for start in range(0, len(beginnings), _PART)]
    return np.concatenate(parts, axis=1)


def _minima_of_part(encoded: Sequence[bytes]) -> IntArray:
    # Every text ends in a run of zeros, so that a short text has a shingle too.
    end = bytes(SHINGLE_BYTES)
    letters_L = np.frombuffer(end.join(encoded) + end, dtype=np.uint8).astype(np.uint64)
    lengths_M = np.array([len(text) for text in encoded])
    starts_M = np.concatenate([[0], np.cumsum(lengths_M + SHINGLE_BYTES)[:-1]])
    hashes_L: IntArray = np.zeros(len(letters_L) - SHINGLE_BYTES + 1, dtype=np.uint64)
    for place in range(SHINGLE_BYTES):
        hashes_L = hashes_L * np.uint64(257) + letters_L[place : place + len(hashes_L)]
    is_own_L = _own_shingles(starts_M, lengths_M, len(hashes_L))
    rng = np.random.default_rng(0)
    minima = []
    for _ in range(_BANDS * _ROWS):
        odd, shift = rng.integers(1, 2**63, dtype=np.uint64) | np.uint64(1), rng.integers(2**63, dtype=np.uint64)
        mixed_L = (hashes_L ^ shift) * odd
        mixed_L ^= mixed_L >> np.uint64(29)
        mixed_L *= np.uint64(0xBF58476D1CE4E5B9)
        mixed_L ^= mixed_L >> np.uint64(32)
        mixed_L[~is_own_L] = np.uint64(2**64 - 1)
        minima.append(np.minimum.reduceat(mixed_L, starts_M))
    return np.stack(minima)


def _own_shingles(starts_M: IntArray, lengths_M: IntArray, size: int) -> BoolArray:
    """Tell which shingles lie within one text, and do not reach into the next text: is_own_L."""
    changes_L = np.zeros(size + 1, dtype=np.int64)
    np.add.at(changes_L, starts_M, 1)
    np.add.at(changes_L, starts_M + np.maximum(1, lengths_M - SHINGLE_BYTES + 1), -1)
    is_own_L: BoolArray = np.cumsum(changes_L)[:size] > 0
    return is_own_L
