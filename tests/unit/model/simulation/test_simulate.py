from dataclasses import replace

import numpy as np
import pytest

from model.errors import InvalidGoldError
from model.learner.recipes import TrainingConfig
from model.query.strategies import STRATEGIES, find_strategy
from model.simulation.gold import Gold, one_question
from model.simulation.learning_curves import FULL_POOL
from model.simulation.setup import Setup, draw_split, fingerprint
from model.simulation.simulate import Simulation, key_of, simulate
from model.types import LabelSet, Targets
from tests.fakes import BLAME, NEUTRAL, PRAISE, SENTIMENT

TEXTS = tuple(f"{noun} {word} {other}" for noun in NEUTRAL for word in (*PRAISE, *BLAME) for other in NEUTRAL[:2])
RANDOM, MARGIN, HYBRID = (STRATEGIES[name] for name in ("random", "margin", "hybrid"))


def is_praise(text: str) -> bool:
    return any(word in text for word in PRAISE)


def gold(texts=TEXTS, label_set: LabelSet = SENTIMENT) -> Gold:
    targets_N_C = np.eye(2, dtype=np.float32)[[int(is_praise(text)) for text in texts]]
    return one_question(Targets(tuple(range(len(texts))), tuple(texts), targets_N_C, label_set))


@pytest.fixture
def setup(encoder) -> Setup:
    return Setup(gold(), gold(TEXTS[::7]), TrainingConfig(recipe="head", encoder=encoder))


def measured(points) -> list[tuple]:
    """Without the seconds."""
    return [(*key_of(point), point.accuracy, point.macro_f1) for point in points]


def every_second(askable, batch_size, rng) -> np.ndarray:
    """An LLM of little imagination."""
    return np.arange(len(askable.texts))[::2][:batch_size]


@pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=STRATEGIES)
def test_every_strategy_learns_from_gold_labels(setup, strategy):
    points = list(Simulation(replace(setup, pool_size=40, ask_llm=every_second), 0).run(strategy, [8, 16]))
    assert [(point.strategy, point.labels) for point in points] == [(strategy.name, 8), (strategy.name, 16)]
    assert points[-1].accuracy > 0.6
    assert all(point.fit_s > 0 and point.query_s >= 0 for point in points)


def test_a_strategy_that_asks_an_llm_says_what_is_missing_where_there_is_none(setup):
    with pytest.raises(InvalidGoldError, match="LLM_PROVIDER"):
        list(Simulation(setup, 0).run(STRATEGIES["activellm"], [8]))


def test_an_llm_is_shown_what_has_labels_by_now(setup):
    seen = []

    def ask(askable, batch_size, rng):
        labelled = askable.labelled
        seen.append((len(labelled), len(askable.labelled_L_D), set(askable.texts) & set(labelled.texts)))
        return np.arange(batch_size)

    list(Simulation(replace(setup, ask_llm=ask), 0).run(STRATEGIES["activellm"], [8, 16]))
    assert seen == [(0, 0, set()), (8, 8, set())]


def test_the_same_seed_measures_the_same_and_another_something_else(setup):
    first = measured(Simulation(setup, 0).run(HYBRID, [6, 12]))
    assert measured(Simulation(setup, 0).run(HYBRID, [6, 12])) == first
    others = [[row[3:] for row in measured(Simulation(setup, seed).run(RANDOM, [2, 4]))] for seed in range(4)]
    assert len(set(map(tuple, others))) > 1


def test_strategies_that_begin_at_random_begin_alike(setup):
    starts = [
        measured(Simulation(setup, 3).run(STRATEGIES[name], [10]))[0][3:] for name in ("random", "margin", "bald")
    ]
    assert starts[0] == starts[1] == starts[2]


def test_no_text_is_labelled_twice_and_none_is_left_at_the_end(setup):
    small = replace(setup, gold=gold(TEXTS[:20]))
    points = list(Simulation(small, 0).run(MARGIN, [5, 13, 17]))
    assert [point.labels for point in points] == [5, 13, 17]
    (everything,) = Simulation(small, 0).run_full_pool()
    assert (everything.strategy, everything.labels, everything.accuracy) == (FULL_POOL, 17, points[-1].accuracy)


def test_without_a_test_set_a_fifth_is_held_out_another_for_each_seed(setup):
    split = replace(setup, test=None)
    pools = [draw_split(split, seed).pool for seed in (0, 1)]
    assert [len(pool) for pool in pools] == [64, 64]
    assert set(pools[0].texts) != set(pools[1].texts)


def test_a_text_that_is_held_out_is_not_in_the_pool(setup):
    assert not set(Simulation(setup, 0).pool.texts) & set(TEXTS[::7])
    twice = replace(setup, gold=gold((*TEXTS, *TEXTS)), test=None)
    split = draw_split(twice, 0)
    assert len(set(split.pool.texts)) < len(set(TEXTS))
    assert not set(split.pool.texts) & set(split.test.texts)


def test_strategies_that_take_a_classifier_can_be_started_alike(setup):
    same = replace(setup, cold_start="kcenter")
    starts = [
        measured(Simulation(same, 0).run(STRATEGIES[name], [3]))[0][3:] for name in ("hybrid", "margin", "kcenter")
    ]
    assert starts[0] == starts[1] == starts[2]


def test_a_start_without_any_label_where_several_may_hold_predicts_nothing_and_goes_on(setup):
    several = LabelSet(SENTIMENT.labels, is_multilabel=True)
    rare = gold(label_set=several)
    rare.questions[0].targets.targets_N_C[:-2] = 0
    points = list(Simulation(replace(setup, gold=rare, test=gold(TEXTS[::7], several)), 1).run(MARGIN, [2, 40]))
    assert (points[0].accuracy, points[0].fit_s) == (0.0, 0.0)
    assert points[1].labels == 40


def test_runs_that_differ_in_what_decides_the_figures_are_told_apart(setup):
    same = fingerprint(setup, [8, 16])
    others = [
        fingerprint(setup, [8, 32]),
        fingerprint(replace(setup, explore=0.1), [8, 16]),
        fingerprint(replace(setup, gold=gold(TEXTS[:50])), [8, 16]),
        fingerprint(replace(setup, config=replace(setup.config, recipe="full")), [8, 16]),
    ]
    assert fingerprint(setup, [8, 16]) == same
    assert same not in others


def test_a_smaller_pool_is_drawn_for_each_seed(setup):
    pools = [draw_split(replace(setup, pool_size=15), seed).pool for seed in (0, 1)]
    assert [len(pool) for pool in pools] == [15, 15]
    assert set(pools[0].texts) != set(pools[1].texts)


def test_exploring_changes_what_is_labelled(setup):
    explored = measured(Simulation(replace(setup, explore=1.0), 0).run(HYBRID, [2, 4]))
    assert explored != measured(Simulation(setup, 0).run(HYBRID, [2, 4]))


@pytest.mark.parametrize("budgets", [[], [1, 4], [0, 1], [-1, 4], [8, 8], [8, 4], [4, 69]])
def test_budgets_that_cannot_be_are_refused_with_the_reason(setup, budgets):
    with pytest.raises(InvalidGoldError, match=r"budget.*(must rise|more than the pool's 68 texts)"):
        list(Simulation(setup, 0).run(RANDOM, budgets))


def test_several_labels_a_text_are_simulated_alike(setup):
    several = LabelSet(SENTIMENT.labels, is_multilabel=True)
    setup = replace(setup, gold=gold(label_set=several), test=gold(TEXTS[::7], several))
    assert [point.labels for point in Simulation(setup, 0).run(HYBRID, [8, 16])] == [8, 16]


def test_what_was_measured_before_is_not_measured_again(setup):
    before = {key_of(point): replace(point, accuracy=0.123) for point in Simulation(setup, 0).run(MARGIN, [6, 12])}
    points = list(simulate(setup, [RANDOM, MARGIN], [6, 12], [0], before))
    assert [point.accuracy == 0.123 for point in points] == [False, False, True, True]


def test_a_curve_that_was_cut_short_keeps_what_there_is_and_gets_the_rest(setup):
    whole = list(simulate(setup, [MARGIN], [6, 12], [0], {}, is_full=True))
    again = list(simulate(setup, [MARGIN], [6, 12], [0], {key_of(whole[0]): whole[0]}, is_full=True))
    assert again[0] is whole[0]
    assert measured(again) == measured(whole)
    assert [point.strategy for point in whole] == ["margin", "margin", FULL_POOL]


GOOD_OR_BAD = (("bad",), ("good",))


def test_names_predict_before_anything_is_labelled(setup):
    named = replace(setup, label_texts=(GOOD_OR_BAD,))
    points = list(Simulation(named, 0).run(RANDOM, [0, 4]))
    assert [point.labels for point in points] == [0, 4]
    assert points[0].accuracy > 0.8


def test_without_names_nothing_is_known_at_no_labels(setup):
    assert next(Simulation(setup, 0).run(RANDOM, [0])).accuracy < 0.7


def test_names_choose_from_the_first_text_on(setup):
    chosen = []
    for label_texts in ((), (GOOD_OR_BAD,)):
        simulation = Simulation(replace(setup, label_texts=label_texts), 0)
        (standing,) = simulation.train(np.zeros(0, dtype=np.int64)).standings
        chosen.append(simulation.questions[0].chooser(MARGIN, standing).name)
    assert chosen == ["random", "margin"]


@pytest.mark.parametrize("strategy", [name for name in STRATEGIES if not STRATEGIES[name].asks_llm])
def test_every_strategy_chooses_by_names_where_nothing_is_labelled(setup, strategy):
    named = replace(setup, label_texts=(GOOD_OR_BAD,))
    assert [point.labels for point in Simulation(named, 0).run(find_strategy(strategy), [0, 4, 8])] == [0, 4, 8]


def test_what_teaches_besides_labels_tells_runs_apart(setup):
    runs = [setup, replace(setup, label_texts=(GOOD_OR_BAD,)), replace(setup, learns_from_pool=False)]
    assert len({str(fingerprint(run, [4])) for run in runs}) == 3
