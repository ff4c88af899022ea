"""A million characters of the worst input for readers of foreign texts, and the time that one may take."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

SIZE = 1_000_000


def repeated(piece: str, size: int = SIZE) -> str:
    """A text of about `size` characters that repeats a piece; `{n}` in the piece counts."""
    if "{n}" not in piece:
        return piece * (size // len(piece))
    return "".join(piece.replace("{n}", str(n)) for n in range(size // (len(piece) + 3)))


def short_of(pieces: Sequence[str], length: int = 60) -> list[str]:
    """Names of pieces for pytest, on one line."""
    return [repr(piece)[1:-1][:length] for piece in pieces]


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Fail if the block takes more processor time.

    Give twice the time of a quiet machine at least: other programs slow a shared core and its caches down.
    """
    began = time.process_time()
    yield
    took = time.process_time() - began
    assert took < seconds, f"took {took:.1f} s of processor time, at most {seconds} s are allowed"
