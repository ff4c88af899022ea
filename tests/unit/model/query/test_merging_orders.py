import numpy as np
from hypothesis import given
from hypothesis import strategies as some

from model.query.ranking import merge_orders


def merged(*orders: list[int]) -> tuple[list[int], list[int]]:
    rows_N, givers_N = merge_orders([np.array(order, dtype=np.int64) for order in orders])
    return rows_N.tolist(), givers_N.tolist()


def test_each_order_in_turn_gives_its_next_row_that_has_no_place_yet():
    assert merged([3, 1, 0, 2], [3, 0, 2, 1]) == ([3, 0, 1, 2], [0, 1, 0, 1])


def test_an_order_alone_stays_as_it_is():
    assert merged([2, 0, 1]) == ([2, 0, 1], [0, 0, 0])


def test_orders_of_nothing_are_merged_to_nothing():
    assert merged([], []) == ([], [])


@given(some.lists(some.permutations(range(7)), min_size=1, max_size=4))
def test_every_row_has_one_place_and_no_order_gives_more_than_its_share(orders):
    rows, givers = merged(*orders)
    assert sorted(rows) == list(range(7))
    for places in range(1, 8):
        counts = np.bincount(givers[:places], minlength=len(orders))
        assert counts.max() - counts.min() <= 1
    # An order's first row has a place among the first as many as there are orders.
    assert all(order[0] in rows[: len(orders)] for order in orders)
