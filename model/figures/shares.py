"""A share with its 95 % interval."""

import math
from dataclasses import dataclass

# The 97.5 % quantile of the normal distribution.
_Z = 1.959963984540054


@dataclass(frozen=True)
class Share:
    """A share, as two counts.

    Attributes:
        count: from 0 to `of`.
        of: the whole; if 0, the share is unknown.
    """

    count: int
    of: int

    @property
    def value(self) -> float | None:
        """The share in [0, 1]; None if `of` is 0."""
        return self.count / self.of if self.of else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of Wilson (1927, "Probable inference"); None of nothing, and of a count that is no part."""
        if not self.of or not 0 <= self.count <= self.of:
            return None
        share, spread = self.count / self.of, _Z**2 / self.of
        middle = (share + spread / 2) / (1 + spread)
        half = _Z / (1 + spread) * math.sqrt(share * (1 - share) / self.of + spread / (4 * self.of))
        return max(0.0, middle - half), min(1.0, middle + half)
