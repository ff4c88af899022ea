"""One suite over every query strategy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from model.errors import InvalidProbabilitiesError, UnknownStrategyError
from model.query.strategies import STRATEGIES, Need, Strategy, Unlabelled, find_strategy, rank

by_name = pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=STRATEGIES)
by_doubt = pytest.mark.parametrize(
    "strategy", [s for s in STRATEGIES.values() if Need.PROBA in s.needs], ids=lambda s: s.name
)
by_score_alone = pytest.mark.parametrize(
    "strategy", [s for s in STRATEGIES.values() if s.score and not s.select], ids=lambda s: s.name
)
by_score = pytest.mark.parametrize("strategy", [s for s in STRATEGIES.values() if s.score], ids=lambda s: s.name)


def pool(size: int, classes: int = 3, labelled: int = 0, seed: int = 0) -> Unlabelled:
    rng = np.random.default_rng(seed)
    return Unlabelled(
        size,
        rng.dirichlet(np.ones(classes), size=size),
        rng.normal(size=(size, 4)),
        rng.normal(size=(labelled, 4)) if labelled else None,
    )


def order(strategy: Strategy, unlabelled: Unlabelled, batch_size: int = 8, seed: int = 0, **more) -> list[int]:
    return rank(strategy, unlabelled, batch_size, np.random.default_rng(seed), **more).indices_N.tolist()


@by_name
@settings(deadline=None, max_examples=30)
@given(size=some.integers(0, 40), batch_size=some.integers(1, 50), labelled=some.integers(0, 5))
def test_every_text_is_ranked_once_and_the_batch_is_as_large_as_asked_if_it_can_be(
    strategy, size, batch_size, labelled
):
    ranking = rank(strategy, pool(size, labelled=labelled), batch_size, np.random.default_rng(0))
    assert sorted(ranking.indices_N.tolist()) == list(range(size))
    assert ranking.batch_size == min(batch_size, size)


@by_name
def test_an_exhausted_pool_is_ranked_as_nothing(strategy):
    assert order(strategy, pool(0)) == []


@by_name
def test_the_same_seed_gives_the_same_order(strategy):
    assert order(strategy, pool(60), seed=5) == order(strategy, pool(60), seed=5)


@by_name
def test_ties_are_settled_by_chance_not_by_the_order_of_the_input(strategy):
    alike = Unlabelled(40, np.full((40, 3), 1 / 3), np.ones((40, 4)))
    firsts = {order(strategy, alike, seed=seed)[0] for seed in range(12)}
    assert len(firsts) > 3


@by_name
@pytest.mark.parametrize("classes", [1, 2, 77])
def test_any_number_of_classes_will_do(strategy, classes):
    assert sorted(order(strategy, pool(30, classes=classes))) == list(range(30))


@by_name
def test_several_labels_a_text_will_do(strategy):
    proba_N_C = np.random.default_rng(0).random((30, 4))
    unlabelled = Unlabelled(30, proba_N_C, np.random.default_rng(1).normal(size=(30, 4)))
    assert sorted(order(strategy, unlabelled, is_multilabel=True)) == list(range(30))


@by_doubt
def test_with_several_labels_the_text_nearest_to_a_coin_toss_comes_first(strategy):
    proba_N_C = np.array([[0.99, 0.9, 0.1], [0.02, 0.97, 0.52], [0.8, 0.3, 0.01]])
    unlabelled = Unlabelled(3, proba_N_C, np.eye(3))
    assert order(strategy, unlabelled, batch_size=1, is_multilabel=True) == [1, 2, 0]


@by_score_alone
@settings(deadline=None, max_examples=30)
@given(seed=some.integers(0, 10_000))
def test_shuffling_the_pool_shuffles_the_order_alike(strategy, seed):
    unlabelled = pool(20, seed=seed)
    shuffle = np.random.default_rng(seed).permutation(20)
    shuffled = Unlabelled(20, unlabelled.proba_N_C[shuffle])
    assert shuffle[order(strategy, shuffled, seed=1)].tolist() == order(strategy, unlabelled, seed=2)


@by_score
def test_past_the_batch_the_higher_score_comes_sooner(strategy):
    ranking = rank(strategy, pool(50), 8, np.random.default_rng(0))
    rest = ranking.scores_N[ranking.indices_N[8:]]
    assert (np.diff(rest) <= 0).all()


@by_doubt
@pytest.mark.parametrize("bad", [[np.nan, 0.5, 0.5], [np.inf, 0, 0], [-0.2, 0.6, 0.6], [0.3, 0.3, 0.3], [0, 0, 0]])
def test_what_is_no_distribution_is_refused_and_its_row_named(strategy, bad):
    unlabelled = pool(5)
    unlabelled.proba_N_C[2] = bad
    with pytest.raises(InvalidProbabilitiesError, match="row 2 "):
        order(strategy, unlabelled)


@by_doubt
@pytest.mark.parametrize("bad", [[0.1, np.nan], [1.7, 0.1], [0.1, -0.3], [0.5, 1.7]])
def test_with_several_labels_what_is_no_probability_is_refused_and_its_row_named(strategy, bad):
    unlabelled = Unlabelled(3, np.array([[0.2, 0.9], bad, [0.5, 0.5]]), np.eye(3))
    with pytest.raises(InvalidProbabilitiesError, match="row 1 "):
        order(strategy, unlabelled, is_multilabel=True)


@by_name
def test_probabilities_that_a_little_rounding_moved_are_fine(strategy):
    unlabelled = pool(5)
    unlabelled.proba_N_C[:] = unlabelled.proba_N_C.astype(np.float16)
    assert len(order(strategy, unlabelled)) == 5


@by_name
def test_a_strategy_gets_along_without_what_it_does_not_need(strategy):
    whole = pool(20)
    needed = Unlabelled(
        20,
        whole.proba_N_C if Need.PROBA in strategy.needs else None,
        whole.embeddings_N_D if Need.EMBEDDINGS in strategy.needs else None,
    )
    assert order(strategy, needed) == order(strategy, whole)


@by_name
def test_a_strategy_says_so_if_what_it_needs_is_missing(strategy):
    if strategy.needs:
        with pytest.raises(ValueError, match="needs"):
            order(strategy, Unlabelled(5))


@by_name
def test_a_strategy_is_found_by_its_name(strategy):
    assert find_strategy(strategy.name) is strategy


def test_an_unknown_strategy_is_answered_with_the_names_there_are():
    with pytest.raises(UnknownStrategyError, match=r"'bald'.*random, .*margin, .*typiclust"):
        find_strategy("bald")


def test_random_has_no_favourites():
    firsts = np.bincount([order(STRATEGIES["random"], pool(4), seed=seed)[0] for seed in range(400)])
    assert firsts.min() > 70
