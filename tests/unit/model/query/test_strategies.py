"""One suite over every query strategy."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from model.errors import InvalidEmbeddingsError, InvalidProbabilitiesError, UnknownStrategyError
from model.links import ANY_OF, ONE_OF
from model.query.large_pools import MOST_RANKED
from model.query.ranking import rank
from model.query.strategies import STRATEGIES, Strategy, find_start, find_strategy
from model.query.unlabelled import Need, Unlabelled

by_name = pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=STRATEGIES)


def those(is_meant) -> pytest.MarkDecorator:
    some_of_them = [strategy for strategy in STRATEGIES.values() if is_meant(strategy)]
    return pytest.mark.parametrize("strategy", some_of_them, ids=lambda strategy: strategy.name)


by_doubt_alone = those(lambda strategy: strategy.needs == {Need.PROBA} or strategy.name == "hybrid")
by_proba = those(lambda strategy: Need.PROBA in strategy.needs)
by_members = those(lambda strategy: Need.MEMBERS in strategy.needs)
by_score = those(lambda strategy: strategy.score is not None)
by_content = those(lambda strategy: strategy.needs)


def pool(size: int, classes: int = 3, labelled: int = 0, seed: int = 0, is_multilabel: bool = False) -> Unlabelled:
    """A made-up pool that has all that any strategy needs."""
    rng = np.random.default_rng(seed)
    proba_N_K_C = rng.random((size, 5, classes)) if is_multilabel else rng.dirichlet(np.ones(classes), size=(size, 5))
    labelled_L_D = rng.normal(size=(labelled, 4))
    return Unlabelled(
        size,
        proba_N_K_C.mean(axis=1),
        rng.normal(size=(size, 4)),
        labelled_L_D,
        rng.dirichlet(np.ones(classes), size=labelled),
        proba_N_K_C,
        lambda more_M_D, targets_M_C: lambda embeddings_N_D: nearest(more_M_D, targets_M_C, embeddings_N_D),
        np.arange(size)[1::3],
        ANY_OF if is_multilabel else ONE_OF,
    )


def nearest(more_M_D, targets_M_C, embeddings_N_D) -> np.ndarray:
    """A refit whose classifier is the surer, the nearer a text is to the one that got a label."""
    likeness_N_1 = np.exp(-np.linalg.norm(embeddings_N_D - more_M_D, axis=1, keepdims=True))
    return likeness_N_1 * targets_M_C + (1 - likeness_N_1) / targets_M_C.shape[1]


def reordered(unlabelled: Unlabelled, rows_N) -> Unlabelled:
    names = ("proba_N_C", "embeddings_N_D", "proba_N_K_C")
    parts = {name: getattr(unlabelled, name)[rows_N] for name in names}
    return replace(unlabelled, **parts, picks_B=np.argsort(rows_N)[unlabelled.picks_B])


def order(
    strategy: Strategy, unlabelled: Unlabelled, batch_size: int = 8, seed: int = 0, most: int = MOST_RANKED
) -> list[int]:
    return rank(strategy, unlabelled, batch_size, np.random.default_rng(seed), most=most).indices_N.tolist()


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
    orders = []
    for global_seed in (1, 2):
        np.random.seed(global_seed)
        orders.append(order(strategy, pool(60), seed=5))
    assert orders[0] == orders[1]


@those(lambda strategy: not strategy.asks_llm)
def test_ties_are_settled_by_chance_not_by_the_order_of_the_input(strategy):
    alike = replace(
        pool(40),
        proba_N_C=np.full((40, 3), 1 / 3),
        embeddings_N_D=np.ones((40, 4)),
        proba_N_K_C=np.full((40, 5, 3), 1 / 3),
    )
    firsts = {order(strategy, alike, seed=seed)[0] for seed in range(12)}
    assert len(firsts) > 3


@by_name
@pytest.mark.parametrize("classes", [1, 2, 77])
def test_any_number_of_classes_will_do(strategy, classes):
    assert sorted(order(strategy, pool(30, classes=classes, labelled=3))) == list(range(30))


@by_name
def test_several_labels_a_text_will_do(strategy):
    unlabelled = pool(30, classes=4, labelled=3, is_multilabel=True)
    assert sorted(order(strategy, unlabelled)) == list(range(30))


@by_doubt_alone
def test_with_several_labels_the_text_nearest_to_a_coin_toss_comes_first(strategy):
    proba_N_C = np.array([[0.99, 0.9, 0.1], [0.02, 0.97, 0.52], [0.8, 0.3, 0.01]])
    labelled_L_D = np.full((2, 3), -1.0)
    unlabelled = Unlabelled(3, proba_N_C, np.eye(3), labelled_L_D, link=ANY_OF)
    assert order(strategy, unlabelled, batch_size=1) == [1, 2, 0]


@by_content
@settings(deadline=None, max_examples=15)
@given(seed=some.integers(0, 10_000), most=some.sampled_from([12, MOST_RANKED]))
def test_shuffling_the_pool_shuffles_the_order_alike(strategy, seed, most):
    unlabelled = pool(20, labelled=3, seed=seed)
    shuffle = np.random.default_rng(seed).permutation(20)
    assert shuffle[order(strategy, reordered(unlabelled, shuffle), seed=1, most=most)].tolist() == order(
        strategy, unlabelled, seed=1, most=most
    )


@by_score
@settings(deadline=None, max_examples=15)
@given(seed=some.integers(0, 10_000))
def test_a_text_keeps_its_score_wherever_it_stands(strategy, seed):
    unlabelled = pool(20, labelled=3, seed=seed)
    shuffle = np.random.default_rng(seed).permutation(20)
    scores_N = rank(strategy, unlabelled, 8, np.random.default_rng(1)).scores_N
    shuffled_N = rank(strategy, reordered(unlabelled, shuffle), 8, np.random.default_rng(2)).scores_N
    np.testing.assert_allclose(shuffled_N, scores_N[shuffle], rtol=1e-9, atol=1e-12)


@by_score
def test_past_the_batch_the_higher_score_comes_sooner(strategy):
    ranking = rank(strategy, pool(50, labelled=3), 8, np.random.default_rng(0))
    rest = ranking.scores_N[ranking.indices_N[8:]]
    assert (np.diff(rest) <= 0).all()


@by_name
@settings(deadline=None, max_examples=5)
@given(size=some.integers(9, 60), is_multilabel=some.booleans())
def test_more_texts_than_can_be_weighed_are_all_ranked_the_higher_score_sooner_past_the_batch(
    strategy, size, is_multilabel
):
    unlabelled = pool(size, labelled=3, is_multilabel=is_multilabel)
    ranking = rank(strategy, unlabelled, 4, np.random.default_rng(0), most=8)
    assert sorted(ranking.indices_N.tolist()) == list(range(size))
    assert ranking.batch_size == 4
    if ranking.scores_N is not None:
        assert (np.diff(ranking.scores_N[ranking.indices_N[4:]]) <= 0).all()


@by_name
def test_ranking_some_of_the_texts_is_as_if_no_others_were_there(strategy):
    unlabelled, rows_M = pool(30, labelled=3), np.array([2, 3, 5, 7, 11, 13, 17, 19, 23, 29])
    alone = rank(strategy, unlabelled.some(rows_M), 4, np.random.default_rng(0))
    among = rank(strategy, unlabelled, 4, np.random.default_rng(0), rows_M)
    assert among.indices_N.tolist() == alone.indices_N.tolist()
    np.testing.assert_array_equal(among.scores_N, alone.scores_N)


@by_proba
@pytest.mark.parametrize("bad", [[np.nan, 0.5, 0.5], [np.inf, 0, 0], [-0.2, 0.6, 0.6], [0.3, 0.3, 0.3], [0, 0, 0]])
def test_what_is_no_distribution_is_refused_and_its_row_named(strategy, bad):
    unlabelled = pool(5)
    unlabelled.proba_N_C[2] = bad
    with pytest.raises(InvalidProbabilitiesError, match="row 2 "):
        order(strategy, unlabelled)


@by_proba
@pytest.mark.parametrize("bad", [[0.1, np.nan], [1.7, 0.1], [0.1, -0.3], [0.5, 1.7]])
def test_with_several_labels_what_is_no_probability_is_refused_and_its_row_named(strategy, bad):
    unlabelled = pool(3, classes=2, is_multilabel=True)
    unlabelled.proba_N_C[1] = bad
    with pytest.raises(InvalidProbabilitiesError, match="row 1 "):
        order(strategy, unlabelled)


@those(lambda strategy: Need.EMBEDDINGS in strategy.needs)
def test_an_embedding_that_is_no_number_is_refused_and_its_row_named(strategy):
    unlabelled = pool(5, labelled=3)
    unlabelled.embeddings_N_D[4, 1] = np.nan
    with pytest.raises(InvalidEmbeddingsError, match="row 4 "):
        order(strategy, unlabelled)


@by_members
def test_a_member_that_gives_no_distribution_is_refused_and_the_texts_row_named(strategy):
    unlabelled = pool(5)
    unlabelled.proba_N_K_C[3, 1] = [0.5, 0.5, 0.5]
    with pytest.raises(InvalidProbabilitiesError, match="row 3 "):
        order(strategy, unlabelled)


def test_of_several_labels_the_committee_looks_at_the_one_least_sure_on_average():
    proba_1_2_2 = np.array([[[0.9, 0.2], [0.3, 0.1]]])
    members_1_2_2 = Unlabelled(1, proba_N_K_C=proba_1_2_2, link=ANY_OF).members
    np.testing.assert_allclose(members_1_2_2, [[[0.1, 0.9], [0.7, 0.3]]])


@by_name
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_probabilities_that_a_little_rounding_moved_are_fine(strategy, dtype):
    exact = pool(5, labelled=3)
    names = ("proba_N_C", "proba_N_K_C", "embeddings_N_D", "labelled_L_D", "labelled_proba_L_C")
    rounded = replace(exact, **{name: getattr(exact, name).astype(dtype) for name in names})
    assert sorted(order(strategy, rounded)) == list(range(5))


@by_name
def test_a_strategy_gets_along_without_what_it_does_not_need(strategy):
    whole = pool(20, labelled=3)
    unneeded = {need.value: None for need in Need if need not in strategy.needs}
    needed = replace(whole, **unneeded)
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
    with pytest.raises(UnknownStrategyError, match=r"'bold'.*random, .*margin, .*typiclust"):
        find_strategy("bold")


def test_random_has_no_favourites():
    firsts = np.bincount([order(STRATEGIES["random"], pool(4), seed=seed)[0] for seed in range(400)])
    assert firsts.min() > 70


@those(lambda strategy: strategy.asks_llm)
def test_what_an_llm_picked_comes_first_in_its_order_and_typical_texts_fill_the_batch(strategy):
    ordered = order(strategy, replace(pool(30), picks_B=np.array([7, 2, 19])), batch_size=5)
    assert ordered[:3] == [7, 2, 19]
    assert sorted(ordered) == list(range(30))


@those(lambda strategy: strategy.asks_llm)
def test_what_an_llm_picked_comes_first_out_of_any_number_of_texts(strategy):
    unlabelled = replace(pool(30), picks_B=np.array([7, 2, 19]))
    assert all(order(strategy, unlabelled, batch_size=5, seed=seed, most=6)[:3] == [7, 2, 19] for seed in range(8))


def test_a_batch_of_a_pool_too_large_for_a_strategy_without_scores_still_comes_from_what_is_doubtful():
    gradients = Unlabelled(400, np.tile([0.99, 0.01], (400, 1)), np.random.default_rng(0).normal(size=(400, 4)))
    gradients.proba_N_C[:10] = 0.5
    batch = order(STRATEGIES["badge"], gradients, batch_size=10, most=20)[:10]
    assert np.mean(np.array(batch) < 10) > 0.5


def test_picks_follow_their_texts_and_leave_with_them():
    unlabelled = replace(pool(10), picks_B=np.array([7, 2, 9]))
    assert unlabelled.some(np.array([9, 1, 7])).picks_B.tolist() == [2, 0]


def doubtful_and_sure(labelled: int = 0) -> Unlabelled:
    """Twenty doubtful texts around one axis, forty sure ones around another, and what is labelled around a third."""
    is_doubtful_N = np.arange(60) < 20
    proba_N_C = np.where(is_doubtful_N[:, None], [0.5, 0.5], [1.0, 0.0])
    return Unlabelled(60, proba_N_C, np.eye(3)[is_doubtful_N.astype(int)], np.tile(np.eye(3)[2], (labelled, 1)))


@pytest.mark.parametrize("labelled", [0, 1, 40])
def test_hybrid_asks_for_what_is_doubtful_from_the_first_text_on(labelled):
    assert order(STRATEGIES["hybrid"], doubtful_and_sure(labelled), batch_size=1)[0] < 20


def test_hybrid_also_looks_at_what_the_classifier_is_sure_of():
    assert max(order(STRATEGIES["hybrid"], doubtful_and_sure(), batch_size=2)[:2]) >= 20


@by_name
def test_only_what_can_do_without_a_trained_classifier_is_found_as_a_start(strategy):
    if strategy.name == "hybrid" or not strategy.needs & {Need.PROBA, Need.MEMBERS, Need.REFIT}:
        assert find_start(strategy.name) is strategy
    else:
        with pytest.raises(UnknownStrategyError, match=f"{strategy.name} takes a classifier.*random, .*hybrid"):
            find_start(strategy.name)


def test_a_strategy_that_takes_a_classifier_names_one_that_does_not_for_the_start():
    for strategy in STRATEGIES.values():
        if strategy.needs_classifier:
            assert not find_strategy(strategy.start).needs_classifier
