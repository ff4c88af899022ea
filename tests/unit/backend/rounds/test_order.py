from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from backend.rounds.order import (
    RANDOM_SAMPLE,
    Order,
    mix_in_random_texts,
    order_pool,
    strategy_for,
    strategy_instead,
    take_turns,
)
from backend.settings import ProjectSettings, Settings
from model.query.unlabelled import Unlabelled
from model.types import PoolText

# The later, the more doubtful.
DOUBTS_50 = np.linspace(0, 0.5, 50)


def pool(size: int = 50, first_id: int = 100) -> list[PoolText]:
    return [PoolText(first_id + row, f"text {row}") for row in range(size)]


def order(texts, seed: int = 0, has_model: bool = True, **own) -> Order:
    size = len(texts)
    proba_N_2 = np.stack([1 - DOUBTS_50[:size], DOUBTS_50[:size]], axis=1)
    unlabelled = Unlabelled(size, proba_N_2, np.random.default_rng(1).normal(size=(size, 4)))
    own_settings = ProjectSettings(**{"strategy": "margin", "explore": 0.0, **own})
    strategy = strategy_for(own_settings, has_model)
    return order_pool(texts, unlabelled, strategy, own_settings, np.random.default_rng(seed))


def test_without_exploring_the_strategy_decides_alone():
    ordered = order(pool())
    assert ordered.rows_N.tolist() == list(range(49, -1, -1))
    assert not ordered.is_explore_N.any()


def test_an_ordering_hook_reads_the_texts_and_its_scores_are_the_reasons():
    settings = Settings(strategy="tests.ordering_hooks:longest_first", explore=0.0).for_project({})
    texts = [PoolText(row, text) for row, text in enumerate(("aa", "", "aaaa", "a", "aaa"))]
    strategy = strategy_for(settings, has_model=True)
    ordered = order_pool(texts, Unlabelled(5), strategy, settings, np.random.default_rng(0))
    assert ordered.rows_N.tolist() == [2, 4, 0, 3, 1]
    assert ordered.reasons_N == ("longest_first 4", "longest_first 3", "longest_first 2", "longest_first 1", "no text")


def test_a_hook_that_returns_an_order_is_the_reason_itself():
    settings = Settings(strategy="tests.ordering_hooks:alphabetical", explore=0.0).for_project({})
    strategy = strategy_for(settings, has_model=True)
    ordered = order_pool(pool(3), Unlabelled(3), strategy, settings, np.random.default_rng(0))
    assert ordered.reasons_N == ("alphabetical",) * 3


def test_where_a_hook_failed_the_default_strategy_decides():
    assert strategy_instead(has_model=True, has_names=False).name == "hybrid"
    assert strategy_instead(has_model=False, has_names=True).name == "hybrid"
    assert strategy_instead(has_model=False, has_names=False).name == "maxherding"


def test_skipped_texts_take_no_place_of_the_batch():
    texts = [replace(text, is_skipped=text.task_id >= 130) for text in pool()]
    ordered = order(texts, strategy="hybrid", query_size=8)
    assert [f"pick {place} of 8" in reason for place, reason in enumerate(ordered.reasons_N[:8], start=1)] == [True] * 8


def test_the_texts_drawn_at_random_are_an_unbiased_sample():
    drawn_50 = np.zeros(50)
    for seed in range(400):
        ordered = order(pool(first_id=1 + 50 * seed), seed, explore=0.2)
        drawn_50[ordered.rows_N[ordered.is_explore_N]] += 1
    assert drawn_50.mean() == pytest.approx(0.2 * 400, rel=0.05)
    # Each text is drawn 80 times, give or take 8; the favourites of the strategy no less often than the rest.
    assert np.abs(drawn_50 - 80).max() < 4.5 * 8
    assert drawn_50[-10:].mean() == pytest.approx(drawn_50.mean(), rel=0.1)


def test_every_place_is_drawn_at_random_equally_often():
    given_50 = sum(order(pool(), seed, explore=0.2).is_explore_N.astype(int) for seed in range(400))
    assert np.abs(given_50 - 80).max() < 4.5 * 8


def test_a_text_that_was_drawn_is_drawn_again_until_it_is_labelled():
    first, second = (order(pool(), seed, explore=0.3) for seed in (1, 2))
    one, other = (ordered.rows_N[ordered.is_explore_N].tolist() for ordered in (first, second))
    fewer = min(len(one), len(other))
    assert one[:fewer] == other[:fewer]
    labelled = pool()[one[0]]
    rest = [text for text in pool() if text != labelled]
    later = order(rest, 3, explore=0.3)
    assert rest[later.rows_N[later.is_explore_N][0]] == pool()[one[1]]


def test_between_random_texts_the_strategys_order_stays():
    ordered = order(pool(), explore=0.3)
    chosen = ordered.rows_N[~ordered.is_explore_N]
    assert (np.diff(chosen) < 0).all()
    assert 0 < len(chosen) < 50


def test_skipped_and_empty_texts_come_last_and_are_never_drawn():
    texts = pool(20)
    texts[19] = PoolText(119, "text 19", is_skipped=True)
    texts[10] = PoolText(110, "")
    for seed in range(30):
        ordered = order(texts, seed, explore=0.5)
        assert ordered.rows_N[-2:].tolist() == [19, 10]
        assert not ordered.is_explore_N[-2:].any()
        assert ordered.reasons_N[-2:] == ("skipped before", "no text")


@settings(deadline=None, max_examples=50)
@given(
    flags=some.lists(some.tuples(some.booleans(), some.booleans()), max_size=30),
    share=some.floats(0, 0.5),
    strategy=some.sampled_from(["random", "margin", "maxherding", "hybrid"]),
)
def test_every_text_has_one_place_and_one_reason(flags, share, strategy):
    texts = [PoolText(row, "" if empty else "text", skipped) for row, (empty, skipped) in enumerate(flags)]
    ordered = order(texts, explore=share, strategy=strategy)
    assert sorted(ordered.rows_N.tolist()) == list(range(len(flags)))
    assert len(ordered.reasons_N) == len(ordered.is_explore_N) == len(flags)
    assert all(ordered.reasons_N)


def test_the_same_seed_gives_the_same_order_and_another_one_another():
    first, again, other = (order(pool(), seed, explore=0.3) for seed in (1, 1, 2))
    assert first.rows_N.tolist() == again.rows_N.tolist() != other.rows_N.tolist()
    assert first.reasons_N == again.reasons_N


def test_before_there_is_a_model_the_cold_start_decides():
    own = ProjectSettings(strategy="margin", cold_start="random")
    assert strategy_for(own, has_model=False).name == "random"
    assert strategy_for(own, has_model=True).name == "margin"


def test_label_names_are_a_classifier_until_there_is_a_model_and_without_them_coverage_decides():
    assert strategy_for(ProjectSettings(), has_model=False, has_names=True).name == "hybrid"
    assert strategy_for(ProjectSettings(), has_model=False, has_names=False).name == "maxherding"


@pytest.mark.parametrize(
    ("own", "first", "last"),
    [
        ({"strategy": "margin"}, "margin 0.00", "margin 1.00"),
        ({"strategy": "least_confidence"}, "confidence 0.50", "confidence 1.00"),
        ({"strategy": "entropy"}, "entropy 0.69 nats", "entropy 0.00 nats"),
        # Not the most doubtful text itself: one that has many others near it.
        ({"strategy": "hybrid", "query_size": 3}, "margin 0.39, pick 1 of 3", "margin 1.00"),
        ({"cold_start": "maxherding", "query_size": 3}, "maxherding, pick 1 of 3", "after the batch, at random"),
        ({"cold_start": "random"}, "random", "random"),
    ],
)
def test_every_reason_says_why_in_the_strategys_own_terms(own, first, last):
    ordered = order(pool(), has_model="strategy" in own, **own)
    assert (ordered.reasons_N[0], ordered.reasons_N[-1]) == (first, last)


def test_the_reason_of_a_random_text_says_random():
    ordered = order(pool(), explore=0.5)
    told = [reason == "random sample" for reason in ordered.reasons_N]
    assert told == ordered.is_explore_N.tolist()
    assert any(told)


def test_a_reason_belongs_to_the_text_wherever_it_stands():
    ordered = order(pool(), explore=0.4)
    for row, is_explore, reason in zip(ordered.rows_N, ordered.is_explore_N, ordered.reasons_N, strict=True):
        assert is_explore or reason == f"margin {1 - 2 * DOUBTS_50[row]:.2f}"


def test_an_empty_pool_has_an_empty_order():
    ordered = order([], explore=0.5)
    assert (ordered.rows_N.tolist(), ordered.is_explore_N.tolist(), ordered.reasons_N) == ([], [], ())


def test_the_orders_of_several_questions_take_turns():
    nothing_drawn_N = np.zeros(4, dtype=bool)
    first = Order(np.array([3, 1, 0, 2]), nothing_drawn_N, ("a", "b", "c", "d"))
    second = Order(np.array([3, 0, 2, 1]), nothing_drawn_N, ("e", "f", "g", "h"))
    merged = take_turns([first, second])
    assert merged.rows_N.tolist() == [3, 0, 1, 2]
    assert not merged.is_explore_N.any()
    assert merged.reasons_N == ("a", "f", "b", "g")
    assert take_turns([first]) is first


def test_random_texts_are_mixed_into_an_order_and_skipped_ones_stay_last():
    texts = [*pool(200), replace(pool(1)[0], task_id=900, is_skipped=True)]
    order = Order(np.arange(201), np.zeros(201, dtype=bool), tuple(f"place {place}" for place in range(201)))
    mixed = mix_in_random_texts(order, texts, 0.25, np.random.default_rng(0))
    assert sorted(mixed.rows_N.tolist()) == list(range(201))
    assert 35 <= mixed.is_explore_N.sum() <= 65
    assert (mixed.rows_N[-1], mixed.reasons_N[-1]) == (200, "place 200")
    for row, is_drawn, reason in zip(mixed.rows_N, mixed.is_explore_N, mixed.reasons_N, strict=True):
        assert reason == (RANDOM_SAMPLE if is_drawn else f"place {row}")
    again = mix_in_random_texts(order, texts, 0.25, np.random.default_rng(1))
    drawn, drawn_again = (set(one.rows_N[one.is_explore_N].tolist()) for one in (mixed, again))
    assert drawn <= drawn_again or drawn_again <= drawn, "the same texts are drawn in every order"


def test_where_nobody_asks_the_llm_of_the_settings_the_default_orders():
    own = ProjectSettings(cold_start="activellm")
    assert strategy_for(own, has_model=False).name == "maxherding"
    assert strategy_for(own, has_model=False, has_names=True).name == "hybrid"
