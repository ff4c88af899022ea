"""The callback by which long work reports its progress."""

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Called with (done, total)."""


def ignore_progress(done: int, total: int) -> None:
    """Ignore progress: the default callback."""
