import pytest
from scipy.stats import binomtest

from model.figures.shares import Share


@pytest.mark.parametrize(("count", "of"), [(0, 1), (1, 1), (3, 10), (0, 40), (40, 40), (87, 100), (5_000, 12_345)])
def test_an_interval_is_wilsons(count, of):
    wilson = binomtest(count, of).proportion_ci(method="wilson")
    assert Share(count, of).interval == pytest.approx((wilson.low, wilson.high), abs=1e-12)


def test_a_share_of_nothing_is_not_known():
    assert (Share(0, 0).value, Share(0, 0).interval) == (None, None)


def test_a_share_is_the_part_of_the_whole():
    assert Share(3, 4).value == 0.75
