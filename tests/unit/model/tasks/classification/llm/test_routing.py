import numpy as np
import pytest

from model.tasks.classification.llm.label_answer import Guess
from model.tasks.classification.llm.routing import (
    CHECKED_SHARE,
    LEAST_CHECKS,
    WEAK_WEIGHT,
    Checks,
    LLMGuesses,
    count_checks,
    route,
    weak_targets,
)
from model.types import LabelSet, Targets

SENTIMENT = LabelSet(("neg", "pos"), is_multilabel=False)
FEELINGS = LabelSet(("joy", "love"), is_multilabel=True)
SURE, UNSURE = Guess(("pos",), is_sure=True), Guess(("pos",), is_sure=False)


def rng(seed=0):
    return np.random.default_rng(seed)


def people(rows, label_set=SENTIMENT):
    """Targets by task id."""
    shares_N_C = np.array(list(rows.values()), dtype=np.float32).reshape(len(rows), len(label_set.labels))
    return Targets(tuple(rows), tuple(f"text {id_}" for id_ in rows), shares_N_C, label_set)


def test_people_get_what_the_llm_is_not_sure_of_and_the_rest_follows_in_the_strategys_order():
    rows = np.array([7, 3, 9, 1, 5, 8, 2])
    routed = route(rows, [True, False, True, False, True, True, True], rng())
    assert routed.ask_rows[~np.isin(routed.ask_rows, routed.checked_rows)].tolist() == [3, 1]
    assert len(routed.checked_rows) == 1
    assert routed.left_to_llm_rows.tolist() == [row for row in (7, 9, 5, 8, 2) if row not in routed.checked_rows]


def test_every_candidate_has_one_place_and_the_checks_are_the_blind_ones():
    rows = rng().permutation(200)[:100]
    routed = route(rows, [bool(row % 2) for row in rows], rng())
    assert sorted(routed.rows_N) == sorted(rows)
    assert set(routed.rows_N[routed.is_blind_N]) == set(routed.checked_rows)
    assert all(row % 2 for row in routed.checked_rows)


def test_checks_are_spread_evenly_over_what_people_are_asked():
    rows = np.arange(200)
    routed = route(rows, [row >= 100 for row in rows], rng())
    places = np.flatnonzero(np.isin(routed.ask_rows, routed.checked_rows))
    assert len(places) == CHECKED_SHARE * 100
    assert set(np.diff(places)) == {6}


def test_checks_are_drawn_alike_from_all_that_the_llm_is_sure_of():
    counts = np.zeros(10)
    for seed in range(500):
        counts[route(np.arange(10), [True] * 10, rng(seed)).checked_rows] += 1
    assert counts.sum() == 1000
    assert counts.min() > 65
    assert counts.max() < 135


def test_the_same_seed_draws_the_same_checks():
    assert (
        route(np.arange(50), [True] * 50, rng(3)).rows_N.tolist()
        == route(np.arange(50), [True] * 50, rng(3)).rows_N.tolist()
    )


def test_a_check_stays_one_whatever_the_llm_says_later_and_only_what_is_missing_is_drawn():
    is_sure = [True] * 19 + [False]
    routed = route(np.arange(20), is_sure, rng(), checked_before={4, 19, 77})
    assert {4, 19} <= set(routed.checked_rows)
    assert len(routed.checked_rows) == 4
    assert sorted(routed.rows_N) == list(range(20))
    assert set(route(np.arange(20), is_sure, rng(), checked_before=range(9)).checked_rows) == set(range(9))


@pytest.mark.parametrize("is_sure", [[], [False], [True]])
def test_of_nothing_and_of_one_text_everything_goes_to_people(is_sure):
    routed = route(np.arange(len(is_sure)), is_sure, rng())
    assert routed.rows_N.tolist() == routed.ask_rows.tolist() == list(range(len(is_sure)))
    assert routed.is_blind_N.tolist() == is_sure


def test_checks_count_what_most_people_say_and_only_where_they_said_it():
    said = people({1: [1, 0], 2: [0.2, 0.8], 3: [0.5, 0.5], 4: [0, 1], 8: [1, 0]})
    checked = {1: ("pos",), 2: ("pos",), 3: ("pos",), 4: ("neg",), 5: ("pos",)}
    assert count_checks(checked, said) == Checks(agreed=1, disagreed=2)


def test_with_several_labels_all_of_them_have_to_be_the_same():
    said = people({1: [1, 1], 2: [1, 0], 3: [0, 0], 4: [0.5, 1]}, FEELINGS)
    checked = {1: ("love", "joy"), 2: ("joy", "love"), 3: (), 4: ("love",)}
    assert count_checks(checked, said) == Checks(agreed=2, disagreed=1)


def test_nothing_is_paused_by_few_checks_or_by_a_fifth_of_them():
    assert not Checks().is_paused
    assert Checks().disagreement == 0.0
    assert not Checks(agreed=0, disagreed=LEAST_CHECKS - 1).is_paused
    assert not Checks(agreed=8, disagreed=2).is_paused
    assert Checks(agreed=7, disagreed=3).is_paused
    assert Checks(agreed=7, disagreed=3).disagreement == pytest.approx(0.3)


def weak(guesses, checked=(), checks=None, said=None, seed=0):
    ids = range(10, 10 + len(guesses))
    said = people({1: [1, 0], 2: [0, 1]}) if said is None else said
    guessed = LLMGuesses(ids, [f"text {id_}" for id_ in ids], guesses)
    return weak_targets(guessed, checked, checks or Checks(), said, rng(seed))


def test_labels_train_of_which_the_llm_is_sure():
    targets = weak([SURE, UNSURE, None, Guess(("neg",), is_sure=True)])
    assert targets.task_ids == (10, 13)
    assert targets.texts == ("text 10", "text 13")
    assert targets.targets_N_C.tolist() == [[0, 1], [1, 0]]


def test_what_people_labelled_and_what_is_checked_does_not_train():
    targets = weak([SURE] * 4, checked={11}, said=people({12: [1, 0]}))
    assert targets.task_ids == (10, 13)


def test_a_label_that_the_project_has_no_more_does_not_train():
    assert weak([Guess(("gone",), is_sure=True), SURE]).task_ids == (11,)


def test_nothing_trains_while_people_disagree_too_often():
    targets = weak([SURE] * 4, checks=Checks(agreed=6, disagreed=4))
    assert len(targets) == 0
    assert targets.targets_N_C.shape == (0, 2)


def test_together_the_llms_labels_weigh_no_more_than_peoples():
    targets = weak([SURE] * 50)
    assert len(targets) * WEAK_WEIGHT == 2
    assert list(targets.task_ids) == sorted(targets.task_ids)
    assert targets.task_ids != weak([SURE] * 50, seed=1).task_ids
    assert len(weak([SURE] * 50, said=people({}))) == 0


def test_several_labels_or_none_make_a_row():
    targets = weak([Guess(("joy", "love"), True), Guess((), True)], said=people({1: [1, 0]}, FEELINGS))
    assert targets.targets_N_C.tolist() == [[1, 1], [0, 0]]
