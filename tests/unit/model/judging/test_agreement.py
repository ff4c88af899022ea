import numpy as np
import pytest

from model.judging.agreement import kappa
from model.links import ANY_OF, ONE_OF


def one_hot(*classes: int) -> np.ndarray:
    return np.eye(3, dtype=bool)[list(classes)]


def test_kappa_is_agreement_beyond_chance():
    # Six of eight alike; by chance 0.5 * 0.5 + 0.5 * 0.5 = 0.5 would be: (0.75 - 0.5) / 0.5.
    assert kappa(one_hot(0, 0, 0, 0, 1, 1, 1, 1), one_hot(0, 0, 0, 1, 1, 1, 1, 0), ONE_OF) == pytest.approx(0.5)


def test_versions_that_answer_alike_agree_wholly_even_where_all_get_one_label():
    assert kappa(one_hot(0, 1, 2), one_hot(0, 1, 2)) == 1.0
    assert kappa(one_hot(1, 1, 1), one_hot(1, 1, 1)) == 1.0


def test_versions_that_answer_at_random_agree_no_more_than_chance():
    rng = np.random.default_rng(0)
    one, other = (one_hot(*rng.integers(3, size=5_000)) for _ in range(2))
    assert abs(kappa(one, other)) < 0.05


def test_where_several_labels_may_hold_every_label_is_a_decision():
    one = np.array([[True, False], [True, True]])
    other = np.array([[True, False], [False, True]])
    # Three of four alike; by chance 3/4 * 2/4 + 1/4 * 2/4 = 0.5.
    assert kappa(one, other, ANY_OF) == pytest.approx(0.5)


def test_a_rare_label_that_all_texts_lack_is_no_agreement_to_speak_of():
    one, other = np.zeros((1_000, 2), dtype=bool), np.zeros((1_000, 2), dtype=bool)
    one[:10, 0], other[10:20, 0] = True, True
    assert (one == other).mean() > 0.98
    assert kappa(one, other, ANY_OF) < 0.0
