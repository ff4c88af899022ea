"""The pace of labelling: labels an hour of work, without breaks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model.types import FloatArray

# A longer time between two labels of the team is a break.
BREAK_S = 600.0
# A person's labels that follow each other faster were imported.
FASTEST_S = 0.5
# Only this much of the latest work counts: people get faster, and teams change.
RECENT_S = 2 * 3600.0
# With fewer labels, or less work, the pace is unknown.
LEAST_LABELS, LEAST_S = 20, 300.0


@dataclass(frozen=True)
class Pace:
    """How fast people label.

    Attributes:
        labels_per_hour: labels an hour of work, all people together.
        labels: number of labels from which the pace is measured.
    """

    labels_per_hour: float
    labels: int

    def hours(self, labels: int) -> float:
        """Return the hours of work for a number of labels."""
        return labels / self.labels_per_hour


def pace_of(times_by_person: Sequence[Sequence[float]]) -> Pace | None:
    """Measure the pace in the last hours of work.

    Args:
        times_by_person: for each person the times of their labels, in seconds, in any order.

    Returns:
        None while there are too few labels, or only imported ones.
    """
    times_N = np.sort(np.concatenate([_by_hand(times) for times in times_by_person] or [np.zeros(0)]))
    gaps_M = np.diff(times_N)[::-1]
    # The time of the first label after a break is unknown.
    worked_M = gaps_M[gaps_M <= BREAK_S]
    recent_M = worked_M[np.cumsum(worked_M) <= RECENT_S]
    seconds = float(recent_M.sum())
    if len(recent_M) < LEAST_LABELS or seconds < LEAST_S:
        return None
    return Pace(3600.0 * len(recent_M) / seconds, len(recent_M))


def people_at_work(times_by_person: Sequence[Sequence[float]]) -> int:
    """How many people labelled less than a break before the newest label.

    Args:
        times_by_person: for each person the times of their labels, in seconds, in any order.
    """
    newest = [max(times) for times in times_by_person if times]
    return sum(time > max(newest) - BREAK_S for time in newest)


def _by_hand(times: Sequence[float]) -> FloatArray:
    """Return the times of labels that a person gave one by one."""
    sorted_N: FloatArray = np.sort(np.asarray(times, dtype=float))
    if len(sorted_N) < 2:
        return sorted_N
    is_fast_M = np.diff(sorted_N) < FASTEST_S
    # If two labels follow too fast, neither was given by hand.
    by_hand_M: FloatArray = sorted_N[~(np.append(is_fast_M, False) | np.insert(is_fast_M, 0, False))]
    return by_hand_M
