import pytest

from model.fine_tuning import Stage
from model.recipes import LinearFit, Recipe, TrainingConfig, choose_recipe, count_steps, make_plan


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
    ("texts", "steps"), [(2, 36), (32, 36), (112, 36), (128, 40), (1000, 315), (2048, 640), (100_000, 640)]
)
def test_steps_follow_the_passes_over_the_labels_but_are_neither_too_few_nor_without_end(texts, steps):
    for recipe in (Recipe.CONTRASTIVE, Recipe.LP_FT, Recipe.FULL):
        assert count_steps(plan(recipe, texts)) == steps


@pytest.mark.parametrize(
    ("texts", "steps", "batch_size"), [(2, 12, 8), (16, 12, 8), (32, 20, 8), (64, 20, 16), (500, 160, 16)]
)
def test_a_classifier_that_serves_an_estimate_costs_less_with_few_labels_and_is_like_the_others_with_many(
    texts, steps, batch_size
):
    fold = plan(texts=texts, is_fold=True)
    assert names(fold) == names(plan(texts=texts))
    assert count_steps(fold) == steps <= count_steps(plan(texts=texts))
    assert {part.batch_size for part in fold if isinstance(part, Stage)} == {batch_size}


@pytest.mark.parametrize(
    ("texts", "classes", "chosen"),
    [
        (8, 1, Recipe.HEAD),
        (2, 2, Recipe.LP_FT),
        (4, 2, Recipe.CONTRASTIVE),
        (64, 43, Recipe.LP_FT),
        (86, 43, Recipe.CONTRASTIVE),
        (5000, 77, Recipe.CONTRASTIVE),
    ],
)
def test_pairs_are_learned_from_once_a_class_has_two_texts_or_so(texts, classes, chosen):
    assert choose_recipe(texts, classes) is chosen


@pytest.mark.parametrize(("width", "encoder_lr"), [(16, 1e-4), (384, 1e-4), (768, 5e-5), (1024, 3.75e-5)])
def test_a_wider_encoder_moves_less(width, encoder_lr):
    (_, labels) = plan(Recipe.LP_FT, width=width)
    assert labels.encoder_lr == pytest.approx(encoder_lr)


def test_full_fine_tuning_freezes_nothing():
    assert [part.frozen_share for part in plan(Recipe.FULL)] == [0]
    assert plan(Recipe.LP_FT)[1].frozen_share > 0
