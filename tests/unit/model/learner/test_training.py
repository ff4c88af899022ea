from dataclasses import replace

import numpy as np
import pytest
import torch

from model.encoder.classifier import new_classifier
from model.encoder.inference import score_texts
from model.errors import InvalidTargetsError, TrainingCancelledError, TrainingDivergedError
from model.learner.recipes import TrainingConfig
from model.learner.training import Start, Trained, load_start, train, train_on_names
from model.types import Background, LabelSet, Recipe, Targets, TrainingData
from tests.fakes import BLAME, PRAISE, SENTIMENT

TEXTS = tuple(f"the {noun} a {word}" for word in (*BLAME, *PRAISE) for noun in ("film", "plot"))
IS_PRAISE = np.array([any(word in text for word in PRAISE) for text in TEXTS])
PRAISED_OR_NOT = np.stack([~IS_PRAISE, IS_PRAISE], axis=1).astype(np.float32)


def targets(targets_N_C=PRAISED_OR_NOT, label_set: LabelSet = SENTIMENT, texts=TEXTS) -> Targets:
    return Targets(tuple(range(len(texts))), tuple(texts), np.asarray(targets_N_C, dtype=np.float32), label_set)


@pytest.fixture(scope="module", params=[recipe for recipe in Recipe if recipe is not Recipe.AUTO])
def config(request, encoder) -> TrainingConfig:
    """Every recipe; sixteen dimensions of random weights learn at rates of their own."""
    return TrainingConfig(
        recipe=request.param, encoder=encoder, min_steps=60, encoder_lr=1e-3, head_lr=1e-2, frozen_share=0.0, folds=0
    )


@pytest.fixture(scope="module")
def trained(config) -> Trained:
    """Trained on praise and blame."""
    return fit(targets(), config)


def fit(wanted: Targets, config: TrainingConfig, *callbacks, start: Start | None = None, **besides) -> Trained:
    """Train on targets, and on whatever teaches besides."""
    return train(TrainingData(wanted, **besides), config, start, *callbacks)


def proba(config: TrainingConfig, wanted: Targets, texts=TEXTS) -> np.ndarray:
    return score_texts(fit(wanted, config).classifier, texts).proba_N_C


def test_praise_is_told_from_blame(trained):
    assert score_texts(trained.classifier, TEXTS).proba_N_C.argmax(axis=1).tolist() == IS_PRAISE.tolist()


def test_auto_trains_as_the_recipe_that_it_chooses(encoder):
    auto = fit(targets(), TrainingConfig(encoder=encoder, folds=0))
    assert auto.recipe is not Recipe.AUTO
    insisted = proba(TrainingConfig(auto.recipe, encoder, folds=0), targets())
    np.testing.assert_array_equal(score_texts(auto.classifier, TEXTS).proba_N_C, insisted)


def test_several_labels_are_learned_one_by_one(config):
    is_plot = np.array(["plot" in text for text in TEXTS])
    wanted = targets(np.stack([is_plot, IS_PRAISE], axis=1), LabelSet(("plot", "praise"), is_multilabel=True))
    assert ((proba(config, wanted) >= 0.5) == wanted.targets_N_C).all()


def test_one_label_that_holds_of_some_texts_is_learned_like_any_where_several_may_hold(config):
    label_set = LabelSet(("plot", "praise"), is_multilabel=True)
    praise_alone = targets(np.stack([np.zeros(len(TEXTS)), IS_PRAISE], axis=1), label_set)
    trained = fit(praise_alone, config)
    said_N = score_texts(trained.classifier, TEXTS).proba_N_C[:, 1] >= 0.5
    assert (said_N == IS_PRAISE).mean() > 0.9


def test_a_label_that_holds_of_every_text_can_be_learned_where_several_may_hold(config):
    label_set = LabelSet(("plot", "praise"), is_multilabel=True)
    always_first = targets(np.tile([1, 0], (len(TEXTS), 1)), label_set)
    assert (proba(config, always_first)[:, 0] > 0.5).all()


def test_the_share_of_annotators_is_what_it_says(config):
    torn = targets([[0.75, 0.25]] * 16, texts=["good film"] * 16)
    assert proba(config, torn, ["good film"])[0, 0] == pytest.approx(0.75, abs=0.07)


def test_labels_that_nobody_used_yet_are_unlikely(config):
    wide_N_C = np.concatenate([PRAISED_OR_NOT, np.zeros((len(TEXTS), 75))], axis=1)
    label_set = LabelSet(tuple(f"label {n}" for n in range(77)), is_multilabel=False)
    assert set(proba(config, targets(wide_N_C, label_set)).argmax(axis=1)) == {0, 1}


def test_another_seed_makes_another_fine_tuned_classifier(encoder):
    pairs = TrainingConfig(Recipe.CONTRASTIVE, encoder)
    one, other = (proba(replace(pairs, seed=seed), targets()) for seed in (0, 1))
    assert (one != other).any()


def test_the_same_seed_makes_the_same_classifier_from_whatever_head_the_start_came_with(config, encoder):
    one, other = (fit(targets(), config, start=load_start(encoder, SENTIMENT)).classifier for _ in range(2))
    np.testing.assert_array_equal(*(score_texts(each, TEXTS).proba_N_C for each in (one, other)))


def test_the_same_seed_makes_the_same_classifier_whatever_was_drawn_before_and_leaves_that_alone(config, trained):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    again = proba(config, targets())
    assert (torch.rand(3) == expected).all()
    np.testing.assert_array_equal(again, score_texts(trained.classifier, TEXTS).proba_N_C)


def test_a_head_alone_leaves_the_encoder_as_it_was_and_every_other_recipe_does_not(config, trained, encoder):
    assert (trained.steps == 0) == (config.recipe is Recipe.HEAD)
    before, after = (found.encoder.embed(TEXTS) for found in (new_classifier(encoder, SENTIMENT), trained.classifier))
    assert (np.abs(before - after).max() > 1e-3) == (config.recipe is not Recipe.HEAD)


def test_progress_counts_the_steps_of_the_folds_too_one_by_one_to_the_end(config):
    heard = []
    trained = fit(targets(), replace(config, folds=2), lambda step, total, loss: heard.append((step, total)))
    totals = {total for _, total in heard}
    assert [step for step, _ in heard] == list(range(1, len(heard) + 1))
    assert totals <= {len(heard)}
    assert len(heard) >= trained.steps


def test_a_training_can_be_cancelled_between_two_steps(encoder):
    heard = []
    with pytest.raises(TrainingCancelledError):
        fit(targets(), TrainingConfig(encoder=encoder), lambda *step: heard.append(step), lambda: len(heard) == 3)
    assert len(heard) == 3


def test_training_returns_a_classifier_ready_for_inference(trained):
    assert not trained.classifier.encoder.body.module.training


def test_what_it_is_worth_is_measured_on_texts_it_had_not_seen(config):
    measured = fit(targets(), replace(config, folds=2)).out_of_fold
    assert measured.texts == len(TEXTS)
    assert measured.accuracy > 0.7
    assert 0 <= measured.calibration_error < 0.5


@pytest.mark.parametrize("copies", [1, 2, 5])
def test_labels_that_the_texts_do_not_tell_are_not_praised_though_copies_of_a_text_have_the_same(encoder, copies):
    by_chance = np.eye(2)[np.random.default_rng(0).integers(2, size=len(TEXTS))]
    repeated = targets(np.tile(by_chance, (copies, 1)), texts=TEXTS * copies)
    config = TrainingConfig(encoder=encoder, recipe=Recipe.FULL, min_steps=60, encoder_lr=1e-3, head_lr=1e-2)
    trained = fit(repeated, config)
    assert trained.out_of_fold.accuracy < 0.7
    assert trained.classifier.config.temperature > 1


def test_without_folds_nothing_is_measured_and_probabilities_stay_as_they_are(trained):
    assert trained.out_of_fold is None
    assert trained.classifier.config.temperature == 1


def test_a_loss_that_blows_up_names_tasks(encoder):
    config = TrainingConfig(Recipe.FULL, encoder, encoder_lr=1e30, head_lr=1e30)
    with pytest.raises(TrainingDivergedError, match=r"at task \d+"):
        fit(targets(), config)


def test_a_share_that_is_no_number_names_its_task(config):
    nowhere = PRAISED_OR_NOT.copy()
    nowhere[3, 1] = np.nan
    with pytest.raises(InvalidTargetsError, match="task 3 "):
        fit(targets(nowhere), config)


def test_a_label_on_nothing_names_its_task(config):
    texts = [*TEXTS[:5], "  ", *TEXTS[6:]]
    with pytest.raises(InvalidTargetsError, match="task 5 is labelled but has no text"):
        fit(targets(texts=texts), config)


@pytest.mark.parametrize(
    ("targets_N_C", "found"),
    [(np.zeros((0, 2)), "there are 0 with 0 different labels"), ([[1, 0]], "there are 1 with 1 different labels")],
)
def test_too_few_texts_are_refused_with_what_was_found(config, targets_N_C, found):
    with pytest.raises(InvalidTargetsError, match=found):
        fit(targets(targets_N_C, texts=TEXTS[: len(targets_N_C)]), config)


def test_one_class_alone_is_learned_without_certainty_and_with_a_warning(config):
    trained = fit(targets([[1, 0]] * 8, texts=TEXTS[:8]), config)
    proba_N_2 = score_texts(trained.classifier, TEXTS).proba_N_C
    assert (proba_N_2[:, 0] > 0.6).all()
    assert (proba_N_2[:, 0] < 0.99).all()
    assert trained.recipe is Recipe.HEAD
    assert trained.warnings == ("all 8 labelled texts are 'neg': nothing else can be predicted yet",)


def test_a_class_with_one_text_and_one_with_none_are_learned_and_warned_of(config):
    wide_N_C = np.concatenate([PRAISED_OR_NOT, np.zeros((len(TEXTS), 2))], axis=1)
    wide_N_C[3] = [0, 0, 1, 0]
    label_set = LabelSet(("neg", "pos", "once", "never"), is_multilabel=False)
    trained = fit(targets(wide_N_C, label_set), config)
    assert trained.warnings[:2] == (
        "labels that no text has yet, never predicted: 'never'",
        "labels that only one text has, hardly ever predicted: 'once'",
    )
    assert score_texts(trained.classifier, TEXTS).proba_N_C.argmax(axis=1).max() < 3


def test_a_classifier_that_learned_nothing_says_so(encoder):
    rng = np.random.default_rng(0)
    unrelated = targets(np.eye(2)[(rng.random(len(TEXTS)) < 0.7).astype(int)])
    (warning,) = fit(unrelated, TrainingConfig(Recipe.HEAD, encoder)).warnings
    assert "always answering the commonest label" in warning


def test_a_class_of_two_in_a_hundred_is_learned_or_the_failure_is_said(config):
    few_N_2 = np.tile(np.float32([1, 0]), (100, 1))
    few_N_2[:2] = [0, 1]
    texts = [f"the {('good', 'bad')[row >= 2]} film" for row in range(100)]
    trained = fit(targets(few_N_2, texts=texts), replace(config, folds=2, epochs=2))
    said = score_texts(trained.classifier, ["the good film", "the bad film"]).proba_N_C.argmax(axis=1).tolist()
    assert said == [1, 0] or "commonest label would be right on 98%" in trained.warnings[0]


def test_a_hundred_and_fifty_classes_are_learned(encoder):
    classes = 150
    rows = np.arange(2 * classes) % classes
    texts = [f"{('good', 'bad', 'film', 'plot')[row % 4]} {row}" for row in rows]
    label_set = LabelSet(tuple(f"label {n}" for n in range(classes)), is_multilabel=False)
    trained = fit(targets(np.eye(classes)[rows], label_set, texts), TrainingConfig(encoder=encoder, epochs=2))
    assert score_texts(trained.classifier, texts[:3]).proba_N_C.shape == (3, classes)


def test_where_several_labels_may_hold_one_of_them_is_enough_but_none_is_not(config):
    label_set = LabelSet(("plot", "praise"), is_multilabel=True)
    assert fit(targets([[1, 0], [0, 0]], label_set, TEXTS[:2]), config)
    with pytest.raises(InvalidTargetsError):
        fit(targets([[0, 0], [0, 0]], label_set, TEXTS[:2]), config)


def test_two_texts_are_enough(config):
    assert fit(targets([[1, 0], [0, 1]], texts=["bad", "good"]), replace(config, folds=2)).out_of_fold.texts == 2


def test_texts_that_no_person_labelled_teach_besides(config):
    half = np.flatnonzero(["film" in text for text in TEXTS])
    rest = np.setdiff1d(np.arange(len(TEXTS)), half)
    # People said the opposite of praise and blame; what is weak says what is true, and says it of other texts.
    upside_down = targets(PRAISED_OR_NOT[:, ::-1]).some(half)
    weak = targets().some(rest)
    alone = score_texts(fit(upside_down, config).classifier, TEXTS).proba_N_C
    ignored = score_texts(fit(upside_down, config, weak=weak, weak_weight=1e-6).classifier, TEXTS).proba_N_C
    heeded = score_texts(fit(upside_down, config, weak=weak, weak_weight=4.0).classifier, TEXTS).proba_N_C
    right = [float((said_N_C.argmax(axis=1) == IS_PRAISE).mean()) for said_N_C in (alone, ignored, heeded)]
    assert right[2] > right[0]
    assert abs(right[1] - right[0]) < 0.3


def test_nothing_is_measured_on_weak_labels(encoder):
    config = TrainingConfig(recipe=Recipe.HEAD, encoder=encoder)
    wrong = targets(PRAISED_OR_NOT[:, ::-1])
    trained = fit(targets(), config, weak=wrong, weak_weight=1e-6)
    assert trained.out_of_fold == pytest.approx(fit(targets(), config).out_of_fold, abs=0.05) or (
        trained.out_of_fold.accuracy == fit(targets(), config).out_of_fold.accuracy
    )


GOOD_OR_BAD = Background((("bad",), ("good",)), tuple(TEXTS))


def test_names_and_pool_classify_texts_that_nobody_has_labelled(encoder):
    nothing = targets().some(np.zeros(0, dtype=int))
    trained = train_on_names(nothing, load_start(encoder, SENTIMENT), GOOD_OR_BAD)
    assert (score_texts(trained.classifier, TEXTS).proba_N_C.argmax(axis=1) == IS_PRAISE).mean() > 0.8
    assert (trained.trust.names, trained.agreement.of) == (True, 0)


def test_how_far_people_agree_with_names_is_counted_without_their_labels(encoder):
    trained = train_on_names(targets(), load_start(encoder, SENTIMENT), GOOD_OR_BAD)
    assert trained.agreement.of == len(TEXTS)
    assert trained.agreement.is_convincing
    upside_down = targets(PRAISED_OR_NOT[:, ::-1])
    assert not train_on_names(upside_down, load_start(encoder, SENTIMENT), GOOD_OR_BAD).agreement.is_convincing


def test_where_no_name_says_anything_there_is_no_classifier(encoder):
    assert train_on_names(targets(), load_start(encoder, SENTIMENT), Background(((), ()), tuple(TEXTS))) is None


def test_few_labels_teach_more_with_names_and_pool(config):
    few = targets().some(np.array([0, 1]))
    right = [
        float(
            (
                score_texts(fit(few, config, background=known).classifier, TEXTS).proba_N_C.argmax(axis=1) == IS_PRAISE
            ).mean()
        )
        for known in (Background(), GOOD_OR_BAD)
    ]
    assert right[1] >= right[0]
    assert right[1] > 0.7


def test_names_that_say_the_opposite_are_dropped(config):
    crossed = Background((("good",), ("bad",)), tuple(TEXTS))
    trained = fit(targets(), config, background=crossed)
    assert trained.trust.names is False
    assert (score_texts(trained.classifier, TEXTS).proba_N_C.argmax(axis=1) == IS_PRAISE).mean() > 0.8


def test_a_label_that_only_its_name_is_known_of_is_said_to_be(config):
    label_set = LabelSet(("neg", "pos", "cast"), is_multilabel=False)
    wide_N_C = np.concatenate([PRAISED_OR_NOT, np.zeros((len(TEXTS), 1))], axis=1)
    named = Background((("bad",), ("good",), ("cast",)), tuple(TEXTS))
    trained = fit(targets(wide_N_C, label_set), config, background=named)
    assert trained.warnings[0] == "labels that no text has yet, known by name alone: 'cast'"


def test_one_class_alone_is_no_obstacle_where_names_tell_of_the_others(config):
    praised = np.flatnonzero(IS_PRAISE)[:8]
    trained = fit(targets().some(praised), config, background=GOOD_OR_BAD)
    assert (score_texts(trained.classifier, TEXTS).proba_N_C.argmax(axis=1) == IS_PRAISE).mean() > 0.8


@pytest.mark.parametrize(("labels", "steps_back"), [(16, True), (15, False)])
def test_without_names_the_pool_steps_back_once_there_are_eight_labels_a_class(encoder, labels, steps_back):
    config = TrainingConfig(Recipe.FULL, encoder, min_steps=10, encoder_lr=1e-3, folds=0)
    some = targets().some(np.arange(labels))
    silent = Background(((), ()), ("good film", "bad plot", "the great cast"))
    with_pool, without = (
        score_texts(fit(some, config, background=known).classifier, TEXTS).proba_N_C for known in (silent, Background())
    )
    assert bool((with_pool == without).all()) is steps_back


@pytest.mark.parametrize("pool", [(), ("film",), ("film",) * 40, ("", "  ")])
def test_any_pool_will_do(config, pool):
    trained = fit(targets(), config, background=Background((("bad",), ("good",)), pool))
    assert (score_texts(trained.classifier, TEXTS).proba_N_C.argmax(axis=1) == IS_PRAISE).mean() > 0.8
