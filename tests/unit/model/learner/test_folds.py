import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedKFold

from model.learner.folds import deal_folds


def dealt(classes, folds=2, seed=0):
    return deal_folds(np.eye(max(classes, default=0) + 1)[list(classes)], folds, np.random.default_rng(seed))


@given(st.lists(st.integers(0, 5), min_size=2, max_size=60), st.integers(2, 6), st.integers(0, 99))
def test_every_text_is_held_out_once_and_folds_are_of_like_size(classes, folds, seed):
    parts = dealt(classes, folds, seed)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(classes)))
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1
    assert len(parts) == min(folds, len(classes))


@given(st.lists(st.integers(0, 5), min_size=2, max_size=60), st.integers(0, 99))
def test_a_class_is_spread_over_the_folds_as_evenly_as_it_goes(classes, seed):
    for class_ in set(classes):
        counts = [sum(classes[row] == class_ for row in part) for part in dealt(classes, 2, seed)]
        assert max(counts) - min(counts) <= 1


@given(st.lists(st.integers(0, 2), min_size=20, max_size=60), st.integers(2, 5), st.integers(0, 99))
def test_folds_have_as_many_texts_of_each_class_as_scikit_learns(classes, folds, seed):
    assume(min(classes.count(class_) for class_ in set(classes)) >= folds)
    dealer = StratifiedKFold(folds, shuffle=True, random_state=seed)
    theirs = [rows for _, rows in dealer.split(classes, classes)]
    for class_ in set(classes):
        ours_F, theirs_F = (
            sorted(sum(classes[row] == class_ for row in part) for part in parts)
            for parts in (dealt(classes, folds, seed), theirs)
        )
        assert ours_F == theirs_F


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), min_size=2, max_size=40), st.integers(2, 5))
def test_copies_of_a_text_are_held_out_together(texts, folds):
    words, classes = (np.array(column) for column in zip(*texts, strict=True))
    first_N = np.array([np.flatnonzero(words == word)[0] for word in words])
    parts = deal_folds(np.eye(3)[classes], folds, np.random.default_rng(0), first_N)
    assert len(parts) == (min(folds, len(set(words))) if len(set(words)) > 1 else 0)
    assert sorted(row for part in parts for row in part) == (list(range(len(words))) if parts else [])
    for part in parts:
        assert not set(words[part]) & set(np.delete(words, part))


def test_the_same_generator_deals_alike_and_another_differently():
    classes = [0, 1] * 20
    same, again, other = dealt(classes, seed=1), dealt(classes, seed=1), dealt(classes, seed=2)
    assert all((one == two).all() for one, two in zip(same, again, strict=True))
    assert any((one != two).any() for one, two in zip(same, other, strict=True))


@pytest.mark.parametrize(("classes", "folds"), [([], 2), ([0], 2), ([0, 1, 1], 1), ([0, 1, 1], 0)])
def test_what_cannot_be_held_out_is_not(classes, folds):
    assert dealt(classes, folds) == []
