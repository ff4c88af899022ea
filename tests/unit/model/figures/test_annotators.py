"""Krippendorff's own example, and annotators worked by hand."""

import tracemalloc

import numpy as np
import pytest
from scipy.sparse import csr_array

from model.figures.annotators import Annotator, agreement_of, alpha, alpha_interval
from model.figures.shares import Share
from model.types import LabelSet, Targets

# Krippendorff (2011), example C: four observers, twelve units, values 1 to 5; 0 stands for a missing value.
OBSERVED = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3],
        [0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0],
    ]
)
COUNTS_U_V = np.stack([(value == OBSERVED).sum(axis=0) for value in range(1, 6)], axis=1)
COUNTS_U_V = COUNTS_U_V[COUNTS_U_V.sum(axis=1) > 1]
NOMINAL = 1.0 - np.eye(5)
INTERVAL = (np.arange(5)[:, None] - np.arange(5)[None, :]) ** 2.0


def said(label_set: LabelSet, **labels) -> Targets:
    """One person's answers: task=label, or task=a tuple of labels."""
    rows = np.zeros((len(labels), len(label_set.labels)), dtype=np.float32)
    for row, given in enumerate(labels.values()):
        for label in given if isinstance(given, tuple) else (given,):
            rows[row, label_set.labels.index(label)] = 1.0
    task_ids = tuple(int(name[1:]) for name in labels)
    return Targets(task_ids, tuple(labels), rows, label_set)


AB, STARS, TAGS = LabelSet(("a", "b")), LabelSet(("1", "2", "3", "4", "5")), LabelSet(("x", "y", "z"), True)


def test_alpha_of_krippendorffs_example_is_his():
    assert alpha(COUNTS_U_V, NOMINAL) == pytest.approx(0.743, abs=5e-4)
    assert alpha(COUNTS_U_V, INTERVAL) == pytest.approx(0.849, abs=5e-4)


def test_an_interval_holds_alpha_and_is_the_same_each_time():
    low, high = alpha_interval(COUNTS_U_V, NOMINAL)
    assert low < alpha(COUNTS_U_V, NOMINAL) < high <= 1.0
    assert alpha_interval(COUNTS_U_V, NOMINAL) == (low, high)


def test_people_who_agree_on_everything_have_an_alpha_of_one():
    people = agreement_of({"1": said(AB, t1="a", t2="b"), "2": said(AB, t1="a", t2="b")})
    assert (people.alpha, people.differing, people.texts) == (1.0, 0, 2)


def test_where_all_answers_are_the_same_no_agreement_can_be_measured():
    assert agreement_of({"1": said(AB, t1="a", t2="a"), "2": said(AB, t1="a", t2="a")}).alpha is None


def test_where_nobody_shares_a_text_nothing_is_compared():
    people = agreement_of({"1": said(AB, t1="a"), "2": said(AB, t2="b")})
    assert (people.texts, people.alpha, people.low) == (0, None, None)
    assert agreement_of({}).annotators == ()


def test_each_annotator_has_a_share_of_the_differences():
    people = agreement_of(
        {
            "3": said(AB, t1="a", t2="b", t3="a", t4="b"),
            "5": said(AB, t1="a", t2="b", t3="a"),
            "9": said(AB, t1="b", t2="a", t5="a"),
        }
    )
    assert people.annotators == (
        Annotator("3", texts=4, shared=5, differing=2),
        Annotator("5", texts=3, shared=5, differing=2),
        Annotator("9", texts=3, shared=4, differing=4),
    )
    assert (people.comparisons, people.differing, people.texts) == (7, 4, 3)
    assert people.annotators[2].disagreement == Share(4, 4)


def test_stars_that_are_near_differ_less_than_stars_that_are_far():
    one = said(STARS, t1="1", t2="5", t3="3", t4="2")
    near, far = said(STARS, t1="2", t2="5", t3="3", t4="2"), said(STARS, t1="5", t2="5", t3="3", t4="2")
    alphas = [agreement_of({"1": one, "2": other}, is_ordered=True).alpha for other in (near, far)]
    assert alphas[0] > alphas[1]
    # As names, both would be one difference in four.
    names = [agreement_of({"1": one, "2": other}).alpha for other in (near, far)]
    assert abs(names[0] - names[1]) < abs(alphas[0] - alphas[1])


def test_sets_of_labels_that_share_some_differ_less_than_sets_that_share_none():
    one = said(TAGS, t1=("x", "y"), t2=("z",), t3=("x",), t4=())
    near = said(TAGS, t1=("x",), t2=("z",), t3=("x",), t4=())
    far = said(TAGS, t1=("z",), t2=("z",), t3=("x",), t4=())
    alphas = [agreement_of({"1": one, "2": other}).alpha for other in (near, far)]
    assert 1.0 > alphas[0] > alphas[1]


def test_two_people_and_thousands_of_labels_take_bounded_memory():
    texts, labels = 20_000, 1_500
    rng = np.random.default_rng(0)
    first_A, second_A = rng.integers(0, labels, (2, texts))
    rows_A, values_A = (
        np.tile(np.arange(texts), 2),
        np.concatenate([first_A, np.where(rng.random(texts) < 0.8, first_A, second_A)]),
    )
    counts_U_V = csr_array((np.ones(2 * texts), (rows_A, values_A)), shape=(texts, labels))
    distance_V_V = 1.0 - np.eye(labels)
    tracemalloc.start()
    low, high = alpha_interval(counts_U_V, distance_V_V)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 0.78 < low < high < 0.82
    assert peak < 150e6
