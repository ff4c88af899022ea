import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from model.judging.fair_sample import MISSING_SHARE, draw_numbers, fair_sample

IDS = np.arange(1, 5_001)


def in_draw_order(ids=IDS) -> np.ndarray:
    return ids[np.argsort(draw_numbers(ids))]


def test_every_task_has_a_number_that_never_changes():
    # The first output of SplitMix64 from the seed 0, as published with its reference implementation.
    assert int(draw_numbers(np.array([0]))[0]) == 0xE220A8397B1DCDAF
    assert draw_numbers(IDS[::-1]).tolist() == draw_numbers(IDS)[::-1].tolist()
    assert len(set(draw_numbers(IDS).tolist())) == len(IDS)


def test_tasks_that_follow_each_other_have_numbers_that_do_not():
    drawn = in_draw_order()[:500]
    # Of each tenth of the ids about a tenth is drawn, give or take 7.
    counts, _ = np.histogram(drawn, bins=10, range=(1, 5_001))
    assert np.abs(counts - 50).max() < 4 * 7


def test_the_tasks_that_the_draw_came_to_first_are_the_sample():
    drawn = in_draw_order()
    labelled = np.concatenate([drawn[:30], drawn[1_000:1_100]])
    is_fair = fair_sample(labelled, np.setdiff1d(IDS, labelled))
    assert set(labelled[is_fair]) == set(drawn[:30])


def test_where_nothing_was_drawn_at_random_there_is_no_sample():
    drawn = in_draw_order()
    assert not fair_sample(drawn[1_000:1_100], np.concatenate([drawn[:1_000], drawn[1_100:]])).any()


def test_a_task_that_nobody_answers_does_not_end_the_sample():
    drawn = in_draw_order()
    labelled = np.concatenate([drawn[:9], drawn[10:40]])
    is_fair = fair_sample(labelled, np.setdiff1d(IDS, labelled))
    assert is_fair.sum() == 39


def test_new_tasks_make_the_sample_one_of_them_too():
    drawn = in_draw_order()
    labelled, waiting = drawn[:100], drawn[100:]
    assert fair_sample(labelled, waiting).sum() == 100
    more = np.concatenate([waiting, np.arange(5_001, 10_001)])
    assert fair_sample(labelled, more).sum() < 10


def test_the_sample_has_as_many_hard_texts_as_the_pool_though_hard_texts_are_chosen():
    shares = []
    for offset in range(0, 200_000, 1_000):
        ids = np.arange(offset, offset + 1_000)
        is_hard = ids % 4 == 0
        drawn = ids[np.argsort(draw_numbers(ids))]
        labelled = np.unique(np.concatenate([drawn[:50], ids[is_hard][:200]]))
        is_fair = fair_sample(labelled, np.setdiff1d(ids, labelled))
        assert is_fair.sum() >= 50
        shares.append((labelled[is_fair] % 4 == 0).mean())
    # All labelled texts together: four in five are hard. Of all texts one in four is.
    assert np.mean(shares) == pytest.approx(0.25, abs=0.02)


@given(labelled=some.sets(some.integers(1, 300)), waiting=some.sets(some.integers(1, 300)))
def test_at_most_one_in_twenty_of_the_tasks_up_to_the_last_of_the_sample_is_missing(labelled, waiting):
    labelled, waiting = np.array(sorted(labelled), dtype=int), np.array(sorted(waiting), dtype=int)
    is_fair = fair_sample(labelled, waiting)
    if is_fair.any():
        last = draw_numbers(labelled[is_fair]).max()
        missing = (draw_numbers(np.setdiff1d(waiting, labelled)) <= last).sum()
        assert missing <= MISSING_SHARE * (missing + is_fair.sum())
