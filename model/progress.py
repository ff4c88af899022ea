"""The callback by which long work says how far it is."""

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Called with (done, total)."""


def ignore_progress(done: int, total: int) -> None:
    """Ignore how far the work is: the default of long work."""
