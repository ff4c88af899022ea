import numpy as np
import pytest
from scipy import stats

from model.simulation.learning_curves import (
    FULL_POOL,
    Point,
    by_question,
    curves,
    difference,
    full_pool_accuracy,
    interval,
    labels_needed,
    mean_of_questions,
    recommend,
)


def points(strategy: str, *by_seed: dict[int, float], query_s: float = 1.0) -> list[Point]:
    """One dictionary a seed: label count → accuracy."""
    return [
        Point(strategy, seed, labels, accuracy, 0.0, 1.0, query_s)
        for seed, accuracies in enumerate(by_seed)
        for labels, accuracy in accuracies.items()
    ]


def flat(strategy: str, *accuracies: float) -> list[Point]:
    return points(strategy, *({16: accuracy, 32: accuracy} for accuracy in accuracies))


def test_a_curve_has_a_row_a_seed_and_a_column_a_budget():
    curve = curves(points("margin", {16: 0.5, 32: 0.7}, {32: 0.8, 16: 0.6}))["margin"]
    assert curve.seeds_S == (0, 1)
    assert curve.labels_B.tolist() == [16, 32]
    assert curve.accuracy_S_B.tolist() == [[0.5, 0.7], [0.6, 0.8]]


def test_a_seed_that_was_cut_short_is_left_out():
    assert curves(points("margin", {16: 0.5, 32: 0.7}, {16: 0.6}))["margin"].seeds_S == (0,)


def test_a_strategy_of_which_no_seed_is_whole_has_no_curve():
    assert curves(points("margin", {16: 0.5}, {32: 0.6})) == {}


def test_the_area_counts_every_doubling_alike():
    curve = curves(points("margin", {16: 0.4, 32: 0.6, 64: 0.8}))["margin"]
    assert curve.areas()[0] == pytest.approx((0.5 + 0.7) / 2)


def test_the_area_over_a_single_budget_is_its_accuracy():
    assert curves(points("margin", {16: 0.4}))["margin"].areas().tolist() == [0.4]


def test_labels_needed_lie_between_budgets_by_their_logarithm():
    curve = curves(points("margin", {16: 0.4, 64: 0.8}))["margin"]
    assert labels_needed(curve, 0.6) == 32
    assert labels_needed(curve, 0.4) == 16
    assert labels_needed(curve, 0.2) == 16
    assert labels_needed(curve, 0.9) is None
    assert labels_needed(curves(points("margin", {16: 0.4, 20: 0.8}))["margin"], 0.8) == 20


def test_the_accuracy_of_the_whole_pool_is_no_strategy():
    everything = [*flat("margin", 0.5), Point(FULL_POOL, 0, 4000, 0.9, 0.0, 1.0, 0.0)]
    assert full_pool_accuracy(everything) == 0.9
    assert list(curves(everything)) == ["margin"]
    assert full_pool_accuracy(flat("margin", 0.5)) is None


def test_the_interval_is_students():
    differences = [0.01, 0.03, 0.02, 0.05]
    reference = stats.ttest_1samp(differences, 0.0).confidence_interval(0.95)
    found = interval(differences)
    assert (found.low, found.high) == pytest.approx((reference.low, reference.high))
    assert found.mean == pytest.approx(0.0275)


def test_seeds_are_compared_in_pairs():
    found = curves([*flat("margin", 0.50, 0.70, 0.90), *flat("random", 0.48, 0.69, 0.87)])
    ahead = difference(found["margin"], found["random"])
    assert ahead.mean == pytest.approx(0.02)
    assert 0 < ahead.high - ahead.low < 0.06
    assert ahead.seeds == 3


def test_two_seeds_tell_nothing_of_chance():
    found = curves([*flat("margin", 0.9, 0.9), *flat("random", 0.5, 0.5)])
    assert difference(found["margin"], found["random"]) is None
    assert "fewer than 3 seeds" in recommend(found, "random", "hybrid")


def test_the_strategy_that_is_ahead_beyond_chance_is_recommended_with_its_interval():
    found = curves([*flat("random", 0.50, 0.52, 0.54), *flat("badge", 0.60, 0.62, 0.65)])
    said = recommend(found, "random", "hybrid")
    assert said == (
        "Use badge: +10.3 points of accuracy (+8.9 to +11.8 with 95% confidence for all comparisons at once, 3 seeds) "
        "over random."
    )


def test_the_more_strategies_the_more_it_takes_to_be_ahead_of_random():
    alone = [*flat("random", 0.50, 0.52, 0.54), *flat("badge", 0.51, 0.535, 0.555)]
    assert recommend(curves(alone), "random", "hybrid").startswith("Use badge")
    crowd = [point for place in range(15) for point in flat(f"other_{place}", 0.50, 0.52, 0.53)]
    assert recommend(curves([*alone, *crowd]), "random", "hybrid").startswith("No strategy beats random")


def test_where_everything_is_behind_random_random_is_recommended():
    found = curves([*flat("random", 0.50, 0.52, 0.54), *flat("badge", 0.40, 0.43, 0.44)])
    assert recommend(found, "random", "hybrid").startswith("Use random: every other strategy is behind")


def test_the_default_is_preferred_where_it_is_as_good_within_chance():
    found = curves(
        [*flat("random", 0.50, 0.52, 0.54), *flat("badge", 0.60, 0.62, 0.65), *flat("hybrid", 0.61, 0.60, 0.65)]
    )
    assert recommend(found, "random", "hybrid").startswith("Use hybrid")
    assert "As good within chance: badge." in recommend(found, "random", "hybrid")


def test_what_is_ahead_by_chance_alone_is_not_recommended():
    found = curves([*flat("random", 0.50, 0.60, 0.55), *flat("badge", 0.75, 0.45, 0.60)])
    assert recommend(found, "random", "hybrid").startswith("No strategy beats random beyond chance")


def test_a_small_lead_that_is_sure_beats_a_large_one_that_is_not():
    found = curves([*flat("random", 0.5, 0.5, 0.5), *flat("lucky", 0.5, 0.9, 0.6), *flat("steady", 0.54, 0.55, 0.545)])
    assert recommend(found, "random", "hybrid").startswith("Use steady")
    assert "As good" not in recommend(found, "random", "lucky")


def test_without_random_there_is_nothing_to_compare_with():
    assert "simulate --strategy random" in recommend(curves(flat("margin", 0.5, 0.6)), "random", "hybrid")
    assert "more than one" in recommend(curves(flat("random", 0.5, 0.6)), "random", "hybrid")


def test_query_seconds_are_means_over_seeds():
    both = [*points("margin", {16: 0.5}, query_s=1.0), *points("margin", {}, {16: 0.5}, query_s=3.0)]
    np.testing.assert_array_equal(curves(both)["margin"].query_s_B, [2.0])


def of_question(name: str, accuracy: float, mae: float | None = None) -> Point:
    return Point("margin", 0, 16, accuracy, accuracy / 2, 2.0, 0.5, name, mae)


def test_a_line_has_a_question_where_it_has_a_name_and_an_error_where_there_is_one():
    fixed = ["strategy", "seed", "labels", "accuracy", "macro_f1", "fit_s", "query_s"]
    assert list(of_question("", 0.0).line()) == fixed
    assert list(of_question("topic", 0.0).line()) == [*fixed, "question"]
    assert of_question("urgency", 0.0, 0.0).line()["mae"] == 0.0


def test_points_of_all_questions_together_are_the_mean_of_trainings_on_the_same_texts():
    points = [of_question("topic", 0.8), of_question("urgency", 0.4, 1.5)]
    assert {name: len(each) for name, each in by_question(points).items()} == {"topic": 1, "urgency": 1}
    (together,) = mean_of_questions(points)
    assert (together.accuracy, together.macro_f1, together.fit_s, together.query_s) == pytest.approx((0.6, 0.3, 4, 0.5))
    assert (together.question, together.mae) == ("", None)


def test_only_a_curve_of_stars_has_errors():
    stars = curves([of_question("urgency", 0.4, 1.5)])["margin"]
    assert stars.mae_S_B.tolist() == [[1.5]]
    assert curves([of_question("topic", 0.4)])["margin"].mae_S_B is None
