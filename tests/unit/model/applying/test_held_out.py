import numpy as np

from model.applying.held_out import held_out_proba
from model.learner.recipes import TrainingConfig
from model.learner.training import load_start, train
from model.types import Recipe, Targets, TrainingData
from tests.fakes import BLAME, NEUTRAL, PRAISE, SENTIMENT

TEXTS = tuple(f"{noun} {word}" for noun in NEUTRAL for word in (*PRAISE, *BLAME))
GOLD_N = np.array([int(any(word in text for word in PRAISE)) for text in TEXTS])


def targets(labels_N: np.ndarray) -> Targets:
    return Targets(tuple(range(len(TEXTS))), TEXTS, np.eye(2, dtype=np.float32)[labels_N], SENTIMENT)


def predicted(encoder: str, labels_N: np.ndarray, rows_R: np.ndarray, recipe: Recipe = Recipe.HEAD) -> np.ndarray:
    config, data = (
        TrainingConfig(recipe=recipe, encoder=encoder, min_steps=4, max_steps=4),
        TrainingData(targets(labels_N)),
    )
    version = train(data, config).classifier
    return held_out_proba(data, rows_R, config, load_start(encoder, SENTIMENT), version).argmax(axis=1)


def test_a_text_is_predicted_without_its_own_label(encoder):
    rows_R = np.array([0, 5, 17, 30])
    wrong_N = GOLD_N.copy()
    wrong_N[rows_R] = 1 - wrong_N[rows_R]
    assert predicted(encoder, wrong_N, rows_R).tolist() == GOLD_N[rows_R].tolist()


def test_answers_come_in_the_order_of_the_rows(encoder):
    rows_R = np.random.default_rng(0).permutation(40)[:25]
    assert predicted(encoder, GOLD_N, rows_R).tolist() == GOLD_N[rows_R].tolist()
    assert len(predicted(encoder, GOLD_N, rows_R[:1])) == 1


def test_a_tuned_encoder_is_tuned_anew_in_each_fold(encoder):
    rows_R = np.arange(0, 40, 4)
    heard = []
    config = TrainingConfig(recipe=Recipe.LP_FT, encoder=encoder, min_steps=3, max_steps=3)
    data = TrainingData(targets(GOLD_N))
    version = train(data, config).classifier
    start = load_start(encoder, SENTIMENT)
    held_out_proba(data, rows_R, config, start, version, lambda step, steps, _: heard.append((step, steps)))
    assert heard == [(step, 15) for step in range(1, 16)]


def test_a_copy_does_not_give_the_answer_away(encoder):
    """Every text stands there twice, and all labels of a few texts are wrong: only a copy could say so."""
    wrong = np.array([0, 5, 17, 30])
    labels_N = np.tile(GOLD_N, 2)
    labels_N[[*wrong, *(wrong + len(TEXTS))]] = 1 - GOLD_N[[*wrong, *wrong]]
    twice = Targets(tuple(range(2 * len(TEXTS))), TEXTS * 2, np.eye(2, dtype=np.float32)[labels_N], SENTIMENT)
    config, data = TrainingConfig(recipe=Recipe.HEAD, encoder=encoder), TrainingData(twice)
    version, start = train(data, config).classifier, load_start(encoder, SENTIMENT)
    first_N = np.tile(np.arange(len(TEXTS)), 2)
    apart = held_out_proba(data, wrong, config, start, version, first_N=first_N)
    assert apart.argmax(axis=1).tolist() == GOLD_N[wrong].tolist()
    beside = held_out_proba(data, wrong, config, start, version)
    given_N = 1 - GOLD_N[wrong]
    assert (beside[np.arange(4), given_N] > apart[np.arange(4), given_N]).all(), "this encoder learns nothing by heart"
