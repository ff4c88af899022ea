"""One thing that `doctor` looked at, and what to do about it."""

from collections.abc import Callable
from dataclasses import dataclass

from model.errors import ShortlistError

# Seconds until an answer must come.
TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        fix: what to do; empty if all is well.
    """

    name: str
    found: str
    fix: str = ""

    @property
    def is_well(self) -> bool:
        """Nothing to fix."""
        return not self.fix


def attempt(name: str, look: Callable[[], str], fix: str) -> Finding:
    """Look at something; an error is what was found.

    Args:
        name: of the finding.
        look: returns what it found.
        fix: what to do about an error.
    """
    try:
        return Finding(name, look())
    except ShortlistError as error:
        return Finding(name, str(error), fix)
    except OSError as error:
        return Finding(name, f"{error.filename or type(error).__name__}: {error.strerror or 'cannot be used'}", fix)
