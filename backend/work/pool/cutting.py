"""Cut a pool into parts of similar effort."""

from collections.abc import Iterator, Sequence

import numpy as np

from model.encoder.encoder import MAX_CHUNKS, MAX_TOKENS
from model.types import IntArray

# Most texts in a part: a few seconds of work. A killed worker loses this much, and a waiting round waits this long.
PART_TEXTS = 500
# Most characters in a part, so that parts of long texts take no longer than other parts.
PART_CHARACTERS = 50_000
# The encoder reads no further into a text.
_READ_CHARACTERS = 4 * MAX_CHUNKS * MAX_TOKENS


def cut_into_parts(texts: Sequence[str]) -> list[IntArray]:
    """Cut texts into parts of similar effort; texts of similar length share a part, which saves padding.

    The part with the longest texts comes first. The parts that are taken last are short, so that no worker waits long
    for another worker.

    Args:
        texts: M texts.

    Returns:
        rows_K of each part; together the parts hold each row once.
    """
    lengths_M = np.array([min(len(text), _READ_CHARACTERS) for text in texts], dtype=np.int64)
    order_M = np.argsort(-lengths_M, kind="stable")
    return [order_M[begin:end] for begin, end in _slices(lengths_M[order_M])]


def _slices(lengths_M: IntArray) -> Iterator[tuple[int, int]]:
    """Yield begin and end of each part: at most PART_TEXTS and PART_CHARACTERS, but at least one text."""
    ends_M = np.cumsum(lengths_M)
    begin = 0
    while begin < len(lengths_M):
        before = ends_M[begin] - lengths_M[begin]
        fitting = int(np.searchsorted(ends_M, before + PART_CHARACTERS, side="right"))
        end = max(begin + 1, min(fitting, begin + PART_TEXTS))
        yield begin, end
        begin = end
