import itertools
import math

import numpy as np
import pytest

from model.judging.comparison import Paired
from model.judging.growth import Step, gain_of_next

COUNTS = [16, 32, 64, 100, 156, 244, 381]


def steps_of(exponent: float, amplitude: float, texts: int = 400, rng: np.random.Generator | None = None) -> list[Step]:
    """Steps of a project whose accuracy is a - amplitude * n ** -exponent; a tenth of the texts changes besides."""
    found = []
    for before, after in itertools.pairwise(COUNTS):
        gain = amplitude * (before**-exponent - after**-exponent)
        if rng is not None:
            gain += rng.normal(0, np.sqrt(0.1 / texts))
        both = max(round(0.1 * texts), math.ceil(abs(gain) * texts))
        better = round((both + gain * texts) / 2)
        found.append(Step(before, after, Paired(better, both - better, texts)))
    return found


def true_gain(exponent: float, amplitude: float) -> float:
    return amplitude * (381**-exponent - 481**-exponent)


def test_the_gain_of_the_next_labels_goes_on_with_the_law_of_the_earlier_ones():
    found = gain_of_next(steps_of(0.5, 3.0, texts=20_000), 381)
    assert found.expected == pytest.approx(true_gain(0.5, 3.0), rel=0.2)
    assert found.low <= found.expected <= found.high < 1.5 * true_gain(0.5, 3.0)


def test_where_nothing_was_gained_lately_nothing_is_expected():
    flat = [Step(before, after, Paired(50, 50, 1_000)) for before, after in itertools.pairwise(COUNTS)]
    found = gain_of_next(flat, 381)
    assert found.low == 0.0
    assert found.high < 0.01


def test_few_texts_leave_the_interval_wide():
    wide, narrow = (gain_of_next(steps_of(0.5, 3.0, texts), 381) for texts in (60, 5_000))
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


def test_the_interval_holds_the_gain_about_as_often_as_it_says():
    rng, held = np.random.default_rng(0), []
    for _ in range(200):
        exponent, gain = rng.uniform(0.2, 1.2), abs(rng.normal(0, 0.03))
        # No project gains more than 60 points from its first labels on.
        amplitude = min(gain / (381**-exponent - 481**-exponent), 0.6 / (16**-exponent - 381**-exponent))
        gain = true_gain(exponent, amplitude)
        found = gain_of_next(steps_of(exponent, amplitude, 200, rng), 381)
        held.append(found.low <= gain <= found.high)
    assert np.mean(held) > 0.8


def test_before_two_steps_or_with_few_texts_nobody_can_tell():
    steps = steps_of(0.5, 3.0)
    assert gain_of_next([], 16) is None
    assert gain_of_next(steps[:1], 32) is None
    assert gain_of_next(steps[:2], 64) is not None
    assert gain_of_next(steps_of(0.5, 3.0, texts=20), 381) is None


def test_a_training_without_more_labels_is_no_step():
    steps = steps_of(0.5, 3.0)
    again = Step(381, 381, Paired(10, 10, 400))
    assert gain_of_next([*steps, again], 381) == gain_of_next(steps, 381)
