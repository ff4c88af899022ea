import numpy as np
import pytest

from model.encoder.stages import Stage
from model.learner.recipes import (
    LinearFit,
    TrainingConfig,
    choose_recipe,
    count_steps,
    make_plan,
    mean_likeness,
    neighbours_agree,
)
from model.types import Recipe


def plan(recipe=Recipe.CONTRASTIVE, texts=32, width=384, *, is_fold=False, **different):
    return make_plan(TrainingConfig(recipe=recipe, **different), texts, width, is_fold=is_fold)


def names(parts):
    return ["head" if isinstance(part, LinearFit) else part.objective.value for part in parts]


@pytest.mark.parametrize(
    ("recipe", "order"),
    [
        (Recipe.HEAD, ["head"]),
        (Recipe.LP_FT, ["head", "labels"]),
        (Recipe.FULL, ["labels"]),
        (Recipe.CONTRASTIVE, ["pairs", "head"]),
    ],
)
def test_every_recipe_is_an_order_of_the_same_three_things(recipe, order):
    assert names(plan(recipe)) == order


@pytest.mark.parametrize(
    ("texts", "steps"), [(2, 36), (32, 36), (64, 36), (128, 72), (1000, 567), (2048, 640), (100_000, 640)]
)
def test_steps_follow_the_passes_over_the_labels_but_are_neither_too_few_nor_without_end(texts, steps):
    for recipe in (Recipe.CONTRASTIVE, Recipe.LP_FT, Recipe.FULL):
        assert count_steps(plan(recipe, texts)) == steps


@pytest.mark.parametrize(
    ("texts", "steps", "batch_size"), [(2, 12, 8), (16, 12, 8), (32, 20, 8), (64, 20, 16), (500, 100, 16)]
)
def test_a_classifier_that_serves_an_estimate_costs_less_and_is_trained_alike(texts, steps, batch_size):
    fold = plan(texts=texts, is_fold=True)
    assert names(fold) == names(plan(texts=texts))
    assert count_steps(fold) == steps < count_steps(plan(texts=texts))
    assert {part.batch_size for part in fold if isinstance(part, Stage)} == {batch_size}


def one_hot(*classes):
    return np.eye(max(classes) + 1)[list(classes)]


@pytest.mark.parametrize(
    ("targets_N_C", "likeness"),
    [
        (one_hot(0, 0), 1),
        (one_hot(0, 1), 0),
        (one_hot(0, 0, 1), 1 / 3),
        (one_hot(0, 0, 1, 1), 1 / 3),
        (np.array([[1, 1], [1, 0]]), np.sqrt(1 / 2)),
        (np.array([[0.5, 0.5], [0.5, 0.5]]), 1),
        (np.zeros((3, 2)), 0),
    ],
)
def test_likeness_is_how_many_pairs_share_a_label_or_how_much_of_it(targets_N_C, likeness):
    assert mean_likeness(targets_N_C) == pytest.approx(likeness)


def embedded(targets_N_C, *, is_told_apart):
    """Where an encoder puts texts: each class in a place of its own, or every text wherever."""
    if is_told_apart:
        return targets_N_C.astype(np.float32)
    return np.random.default_rng(0).normal(size=(len(targets_N_C), 64)).astype(np.float32)


@pytest.mark.parametrize(
    ("targets_N_C", "chosen"),
    [
        (one_hot(0, 1), Recipe.HEAD),
        (one_hot(0, 0, 1, 1), Recipe.CONTRASTIVE),
        (one_hot(*range(8), 0), Recipe.HEAD),
        (one_hot(*list(range(8)) * 4), Recipe.CONTRASTIVE),
        (one_hot(*list(range(77)) * 10), Recipe.LP_FT),
        (one_hot(*list(range(77)) * 7), Recipe.HEAD),
        (one_hot(*[0] * 98, 1, 1), Recipe.CONTRASTIVE),
    ],
)
def test_pairs_teach_where_a_text_meets_another_like_it_in_a_batch(targets_N_C, chosen):
    assert choose_recipe(targets_N_C, embedded(targets_N_C, is_told_apart=False), batch_size=16) is chosen


@pytest.mark.parametrize("classes", [2, 4, 8])
def test_pairs_have_nothing_to_teach_where_the_encoder_tells_the_classes_apart_as_it_came(classes):
    targets_N_C = one_hot(*list(range(classes)) * 8)
    assert choose_recipe(targets_N_C, embedded(targets_N_C, is_told_apart=True), batch_size=16) is Recipe.LP_FT


def test_neighbours_agree_wholly_where_each_text_is_nearest_to_one_of_its_own():
    targets_N_C = one_hot(*[0, 1, 2] * 5)
    assert neighbours_agree(targets_N_C, embedded(targets_N_C, is_told_apart=True)) == pytest.approx(1)


def test_neighbours_agree_no_more_than_by_chance_where_the_encoder_sees_something_else():
    # Each text lies beside one of the other class, and is like it in nothing that counts.
    beside_N_D = np.array([[1, 0], [1, 0.01], [0, 1], [0.01, 1]], dtype=np.float32)
    assert neighbours_agree(one_hot(0, 1, 0, 1), beside_N_D) == 0


def test_neighbours_of_half_the_labels_agree_by_half():
    both, one = [1, 1], [1, 0]
    targets_N_C = np.array([both, one, both, one, [0, 1], [0, 1]])
    beside_N_D = np.eye(3)[[0, 0, 1, 1, 2, 2]].astype(np.float32)
    alike = (4 * np.sqrt(1 / 2) + 2 * 1) / 6
    by_chance = mean_likeness(targets_N_C)
    assert neighbours_agree(targets_N_C, beside_N_D) == pytest.approx((alike - by_chance) / (1 - by_chance))


@pytest.mark.parametrize("targets_N_C", [one_hot(0, 0, 0), np.zeros((3, 2))])
def test_where_there_is_nothing_to_tell_apart_neighbours_do_not_agree(targets_N_C):
    assert neighbours_agree(targets_N_C, np.ones((3, 4), dtype=np.float32)) == 0


def test_of_very_many_texts_so_many_are_compared_as_memory_holds():
    targets_N_C = one_hot(*[0, 1] * 50_000)
    agree = neighbours_agree(targets_N_C, embedded(targets_N_C, is_told_apart=True))
    assert agree == pytest.approx(1)


@pytest.mark.parametrize(("width", "encoder_lr"), [(16, 1e-4), (384, 1e-4), (768, 5e-5), (1024, 3.75e-5)])
def test_a_wider_encoder_moves_less(width, encoder_lr):
    (_, labels) = plan(Recipe.LP_FT, width=width)
    assert labels.encoder_lr == pytest.approx(encoder_lr)


def test_full_fine_tuning_freezes_nothing():
    assert [part.frozen_share for part in plan(Recipe.FULL)] == [0]
    assert plan(Recipe.LP_FT)[1].frozen_share > 0
