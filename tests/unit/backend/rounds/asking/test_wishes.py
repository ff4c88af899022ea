from dataclasses import replace

import numpy as np

from backend.rounds.asking.wishes import SAMPLED, Wishes, put_first, read_wishes
from backend.rounds.order import Order
from backend.store.applied import Given, Sample, Wish
from backend.store.project_folder import ProjectFolder
from model.types import PoolText

POOL = [PoolText(100 + row, f"text {row}") for row in range(6)]
# Task 101 was drawn at random and stands second.
ORDER = Order(np.array([5, 1, 4, 3, 2, 0]), np.arange(6) == 1, ("a", "random sample", "b", "c", "d", "e"))


def tasks(order: Order) -> list[int]:
    return [POOL[row].task_id for row in order.rows_N.tolist()]


def test_found_texts_come_first_and_say_why():
    order = put_first(ORDER, POOL, Wishes(found=(102, 100), reason='find: "lost card"'))
    assert tasks(order) == [102, 100, 105, 101, 104, 103]
    assert order.reasons_N == ('find: "lost card"', 'find: "lost card"', "a", "random sample", "b", "c")
    assert order.is_explore_N.tolist() == [False, False, False, True, False, False]


def test_a_text_drawn_at_random_that_somebody_looked_for_comes_first_too_and_shows_no_answer():
    order = put_first(ORDER, POOL, Wishes(found=(100, 101), reason="find"))
    assert tasks(order) == [100, 101, 105, 104, 103, 102]
    assert order.reasons_N[:2] == ("find", "find")
    assert order.is_explore_N.tolist() == [False, True, False, False, False, False]


def test_a_sample_comes_before_all_and_shows_no_answer():
    order = put_first(ORDER, POOL, Wishes(blind=(103, 101), found=(100,), reason="find"))
    assert tasks(order) == [103, 101, 100, 105, 104, 102]
    assert order.is_explore_N.tolist() == [True, True, False, False, False, False]
    assert order.reasons_N[:3] == (SAMPLED, SAMPLED, "find")


def test_a_wished_text_that_somebody_skipped_stays_where_skipped_texts_are():
    pool = [replace(text, is_skipped=text.task_id in {100, 102}) for text in POOL]
    order = put_first(ORDER, pool, Wishes(blind=(103, 102), found=(101, 100), reason="find"))
    assert tasks(order) == [103, 101, 105, 104, 102, 100]
    assert order.reasons_N[-2:] == ("d", "e")


def test_a_wish_ends_when_its_texts_are_labelled():
    assert put_first(ORDER, POOL, Wishes(found=(900,), blind=(901,), reason="find")) is ORDER
    assert put_first(ORDER, POOL, Wishes()) is ORDER


def test_every_wish_has_a_stamp_of_its_own(tmp_path):
    folder = ProjectFolder(tmp_path, 1)
    assert read_wishes(folder) == Wishes()
    folder.wish.write(Wish(5.0, "find", (3, 4)))
    found = read_wishes(folder)
    assert (found.found, found.reason, found.stamp) == ((3, 4), "find", (5.0,))
    labels = {3: Given(("pos",), 0.9)}
    folder.sample.write(Sample(7.0, 1, "sentiment", 0.9, 0.8, 0, 0, labels, (3,)))
    assert read_wishes(folder).blind == (3,)
    assert read_wishes(folder).stamp == (7.0, 1, 5.0)
