import numpy as np
import pytest

from model.errors import InvalidTargetsError, TrainingDivergedError
from model.inference import score_texts
from model.training import Recipe, TrainingConfig, train
from model.types import LabelSet, Targets
from tests.fakes import BLAME, PRAISE, SENTIMENT

TEXTS = tuple(f"the {noun} a {word}" for word in (*BLAME, *PRAISE) for noun in ("film", "plot"))
IS_PRAISE = np.array([any(word in text for word in PRAISE) for text in TEXTS])
PRAISED_OR_NOT = np.stack([~IS_PRAISE, IS_PRAISE], axis=1).astype(np.float32)


def targets(targets_N_C=PRAISED_OR_NOT, label_set: LabelSet = SENTIMENT, texts=TEXTS) -> Targets:
    return Targets(tuple(range(len(texts))), tuple(texts), np.asarray(targets_N_C, dtype=np.float32), label_set)


@pytest.fixture(params=Recipe)
def config(request, encoder) -> TrainingConfig:
    return TrainingConfig(recipe=request.param, encoder=encoder, encoder_lr=1e-3)


def proba(config: TrainingConfig, wanted: Targets, texts=TEXTS) -> np.ndarray:
    return score_texts(train(wanted, config).classifier, texts).proba_N_C


def test_praise_is_told_from_blame(config):
    assert proba(config, targets()).argmax(axis=1).tolist() == IS_PRAISE.tolist()


def test_several_labels_are_learned_one_by_one(config):
    is_plot = np.array(["plot" in text for text in TEXTS])
    wanted = targets(np.stack([is_plot, IS_PRAISE], axis=1), LabelSet(("plot", "praise"), is_multilabel=True))
    assert ((proba(config, wanted) >= 0.5) == wanted.targets_N_C).all()


def test_a_label_that_holds_of_every_text_can_be_learned_where_several_may_hold(config):
    label_set = LabelSet(("plot", "praise"), is_multilabel=True)
    always_first = targets(np.tile([1, 0], (len(TEXTS), 1)), label_set)
    assert (proba(config, always_first)[:, 0] > 0.5).all()


def test_the_share_of_annotators_is_what_it_says(config):
    torn = targets([[0.75, 0.25], [0.75, 0.25]], texts=["good film", "good film"])
    assert proba(config, torn, ["good film"])[0, 0] == pytest.approx(0.75, abs=0.07)


def test_labels_that_nobody_used_yet_are_unlikely(config):
    wide_N_C = np.concatenate([PRAISED_OR_NOT, np.zeros((len(TEXTS), 75))], axis=1)
    label_set = LabelSet(tuple(f"label {n}" for n in range(77)), is_multilabel=False)
    assert set(proba(config, targets(wide_N_C, label_set)).argmax(axis=1)) == {0, 1}


def test_the_same_seed_makes_the_same_classifier(config):
    np.testing.assert_array_equal(proba(config, targets()), proba(config, targets()))


def test_another_seed_makes_another_fine_tuned_classifier(encoder):
    one, other = (proba(TrainingConfig(encoder=encoder, seed=seed), targets()) for seed in (0, 1))
    assert (one != other).any()


def test_a_head_alone_leaves_the_encoder_as_it_was(encoder):
    trained = train(targets(), TrainingConfig(Recipe.HEAD, encoder))
    tuned = train(targets(), TrainingConfig(Recipe.LP_FT, encoder))
    assert trained.steps == 0
    before, after = (score_texts(found.classifier, TEXTS).embeddings_N_D for found in (trained, tuned))
    assert np.abs(before - after).max() > 1e-3


@pytest.mark.parametrize(("min_steps", "epochs", "steps"), [(60, 5, 60), (3, 5, 10), (1, 2, 4)])
def test_fine_tuning_passes_over_the_labels_so_often_but_never_does_fewer_steps(encoder, min_steps, epochs, steps):
    heard = []
    config = TrainingConfig(encoder=encoder, batch_size=8, min_steps=min_steps, epochs=epochs)
    trained = train(targets(), config, lambda step, total, loss: heard.append((step, total)))
    assert trained.steps == steps
    assert heard == [(step, steps) for step in range(1, steps + 1)]


def test_training_returns_a_classifier_ready_for_inference(config):
    assert not train(targets(), config).classifier.training


def test_the_final_loss_is_that_of_the_end_not_of_the_beginning(config):
    # An untrained head gives each of two classes one half.
    assert train(targets(), config).final_loss < 0.9 * np.log(2)


def test_a_loss_that_is_no_number_stops_the_training(config):
    nowhere = PRAISED_OR_NOT.copy()
    nowhere[3, 1] = np.nan
    with pytest.raises(TrainingDivergedError, match="nan"):
        train(targets(nowhere), config)


def test_a_learning_rate_that_blows_up_stops_the_training(encoder):
    with pytest.raises(TrainingDivergedError):
        train(targets(), TrainingConfig(encoder=encoder, encoder_lr=1e30, head_lr=1e30))


@pytest.mark.parametrize(
    ("targets_N_C", "found"),
    [
        (np.zeros((0, 2)), "0 texts with 0 different labels"),
        ([[1, 0]], "1 texts with 1 different labels"),
        ([[1, 0], [1, 0], [1, 0]], "3 texts with 1 different labels"),
    ],
)
def test_what_cannot_be_told_apart_is_refused_with_what_was_found(config, targets_N_C, found):
    with pytest.raises(InvalidTargetsError, match=found):
        train(targets(targets_N_C, texts=TEXTS[: len(targets_N_C)]), config)


def test_where_several_labels_may_hold_one_of_them_is_enough_but_none_is_not(config):
    label_set = LabelSet(("plot", "praise"), is_multilabel=True)
    assert train(targets([[1, 0], [0, 0]], label_set, TEXTS[:2]), config)
    with pytest.raises(InvalidTargetsError):
        train(targets([[0, 0], [0, 0]], label_set, TEXTS[:2]), config)
