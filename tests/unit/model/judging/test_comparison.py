import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from model.judging.comparison import HeldOut, Paired, compare, compare_shared


def test_the_texts_that_one_version_alone_gets_right_are_counted():
    newer, older = np.array([True, True, False, False, True]), np.array([True, False, True, False, False])
    assert compare(newer, older) == Paired(better=2, worse=1, texts=5)
    assert compare(newer, older).gain == pytest.approx(0.2)


def test_the_test_is_the_exact_sign_test_on_the_texts_that_differ():
    # Of 8 texts that differ all became worse: one chance in 2 to the 8th.
    assert Paired(worse=8, texts=100).p_worse == pytest.approx(1 / 256)
    assert Paired(worse=8, texts=100).p_better == pytest.approx(1.0)
    # 9 or 10 of 10: (10 + 1) in 2 to the 10th.
    assert Paired(better=1, worse=9, texts=100).p_worse == pytest.approx(11 / 1024)


def test_with_few_texts_no_version_is_clearly_worse():
    assert not Paired(worse=6, texts=6).is_clearly_worse
    assert Paired(worse=7, texts=7).is_clearly_worse


def test_a_small_loss_is_never_clear_however_many_texts_show_it():
    assert Paired(better=0, worse=150, texts=10_000).p_worse < 1e-9
    assert not Paired(better=0, worse=150, texts=10_000).is_clearly_worse


def test_equally_good_versions_are_hardly_ever_called_clearly_worse():
    rng = np.random.default_rng(0)
    newer, older = (rng.random((2_000, 200)) < 0.8 for _ in range(2))
    called = [compare(one, other).is_clearly_worse for one, other in zip(newer, older, strict=True)]
    assert np.mean(called) < 0.01


def test_a_version_that_loses_a_tenth_is_found_out_with_a_few_hundred_texts():
    rng = np.random.default_rng(0)
    newer, older = rng.random((500, 300)) < 0.7, rng.random((500, 300)) < 0.8
    called = [compare(one, other).is_clearly_worse for one, other in zip(newer, older, strict=True)]
    assert np.mean(called) > 0.5


def test_without_texts_nothing_is_said():
    assert (Paired().gain, Paired().p_worse, Paired().is_clearly_worse) == (0.0, 1.0, False)
    assert Paired().error == float("inf")


def test_versions_are_compared_on_the_texts_that_both_have_whatever_their_order():
    newer = HeldOut(np.array([7, 3, 5], dtype=np.uint64), np.array([True, False, True]))
    older = HeldOut(np.array([5, 9, 3], dtype=np.uint64), np.array([False, True, True]))
    assert compare_shared(newer, older) == Paired(better=1, worse=1, texts=2)
    assert compare_shared(newer.some(newer.digests_N == 5), older) == Paired(better=1, worse=0, texts=1)


@given(some.lists(some.tuples(some.booleans(), some.booleans()), min_size=1, max_size=40))
def test_exchanging_the_versions_turns_the_gain(answers):
    newer, older = np.array(answers, dtype=bool).T
    there, back = compare(newer, older), compare(older, newer)
    assert there.gain == -back.gain
    assert there.error == back.error > 0
    assert there.p_worse == back.p_better
