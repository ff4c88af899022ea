import numpy as np

from model.links import ANY_OF
from model.query.expected_error import ANSWERS, CANDIDATES, expected_error_reduction

LINE_3_1 = np.array([[0.0], [1.0], [10.0]])


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


class Refits:
    """Fits nothing; remembers what it was given, and is then as sure of texts as they are near to it."""

    def __init__(self) -> None:
        self.given: list[tuple[float, tuple[float, ...]]] = []

    def __call__(self, more_M_D, targets_M_C):
        self.given.append((float(more_M_D[0, 0]), tuple(targets_M_C[0].tolist())))
        return lambda embeddings_N_D: self._proba(more_M_D, embeddings_N_D)

    def _proba(self, more_M_D, embeddings_N_D):
        unsure_N_1 = 0.5 * np.minimum(np.abs(embeddings_N_D - more_M_D), 1.0)
        return np.concatenate([1 - unsure_N_1, unsure_N_1], axis=1)


def test_the_text_that_would_leave_the_pool_surest_comes_first():
    pool_N_1 = np.array([[0.0], [0.1], [0.2], [5.0], [9.0]])
    picked = expected_error_reduction(np.full((5, 2), 0.5), pool_N_1, Refits(), 5, rng())
    assert picked[0] == 1
    assert set(picked[:3].tolist()) == {0, 1, 2}


def test_every_likely_answer_is_tried():
    refits = Refits()
    expected_error_reduction(np.array([[0.7, 0.3]]), np.zeros((1, 1)), refits, 1, rng())
    assert refits.given == [(0.0, (1.0, 0.0)), (0.0, (0.0, 1.0))]


def test_answers_count_by_their_probability():
    def refit(more_M_D, targets_M_C):
        # The answer "first" settles everything, the answer "second" nothing.
        proba_C = [1.0, 0.0] if targets_M_C[0, 0] else [0.5, 0.5]
        return lambda embeddings_N_D: np.tile(proba_C, (len(embeddings_N_D), 1))

    proba_N_C = np.array([[0.1, 0.9], [0.8, 0.2], [0.5, 0.5]])
    assert expected_error_reduction(proba_N_C, LINE_3_1, refit, 3, rng()).tolist() == [1, 2, 0]


def test_of_many_texts_and_classes_only_some_are_tried_so_that_it_ends():
    refits = Refits()
    proba_N_C = rng().dirichlet(np.ones(77), size=500)
    expected_error_reduction(proba_N_C, rng().normal(size=(500, 1)), refits, 8, rng())
    assert len(refits.given) == CANDIDATES * ANSWERS


def test_a_large_batch_is_still_chosen_from_twice_as_many():
    refits = Refits()
    expected_error_reduction(np.full((500, 2), 0.5), rng().normal(size=(500, 1)), refits, 100, rng())
    assert len({text for text, _ in refits.given}) == 200


def test_a_batch_larger_than_the_sample_is_still_filled():
    picked = expected_error_reduction(np.full((200, 2), 0.5), rng().normal(size=(200, 1)), Refits(), 150, rng())
    assert len(set(picked.tolist())) == 150


def test_with_several_labels_the_answers_are_yes_and_no_to_the_least_sure_one():
    refits = Refits()
    proba_1_3 = np.array([[0.9, 0.55, 0.1]])
    expected_error_reduction(proba_1_3, np.zeros((1, 1)), refits, 1, rng(), ANY_OF)
    assert [answer for _, answer in refits.given] == [(1.0, 0.0, 0.0), (1.0, 1.0, 0.0)]
