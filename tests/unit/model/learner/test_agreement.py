import numpy as np
import pytest

from model.learner.agreement import Agreement, agreement


def test_texts_agree_whose_likeliest_label_people_gave():
    said_3_2 = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]])
    targets_3_2 = np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32)
    assert agreement(said_3_2, targets_3_2) == Agreement(agreed=2, of=3, commonest=2)


def test_where_people_disagreed_either_label_will_do():
    assert agreement(np.array([[0.1, 0.9]]), np.array([[0.5, 0.5]])).agreed == 1


def test_of_several_labels_one_that_people_gave_will_do_and_none_at_all_agrees_with_nothing():
    said_2_3 = np.array([[0.1, 0.9, 0.2], [0.9, 0.1, 0.1]])
    assert agreement(said_2_3, np.array([[0, 1, 1], [0, 0, 0]], dtype=np.float32)).agreed == 1


def test_without_labels_nothing_is_compared():
    assert agreement(np.zeros((0, 2)), np.zeros((0, 2))) == Agreement(0, 0, 0)
    assert not Agreement().is_convincing


@pytest.mark.parametrize(
    ("found", "is_convincing"),
    [
        (Agreement(7, 7, 1), False),  # too few labels
        (Agreement(8, 8, 4), True),
        (Agreement(5, 8, 4), False),  # 36 % by luck
        (Agreement(9, 12, 4), True),
        (Agreement(12, 16, 12), False),  # no better than the commonest label
        (Agreement(16, 16, 16), False),  # one label only: nothing is told apart
        (Agreement(3, 16, 2), False),
    ],
)
def test_agreement_convinces_where_it_beats_the_commonest_label_by_more_than_chance(found, is_convincing):
    assert found.is_convincing is is_convincing
