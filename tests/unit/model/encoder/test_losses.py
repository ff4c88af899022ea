import numpy as np
import pytest
import torch

from model.encoder.losses import classification_losses, pair_losses
from model.links import ANY_OF, ONE_OF

ONE_HOT_4_2 = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])


def test_one_choice_costs_the_logarithm_of_what_was_given_to_it():
    losses_2 = classification_losses(torch.zeros(2, 4), torch.eye(4)[:2], ONE_OF)
    assert losses_2.tolist() == pytest.approx([np.log(4)] * 2)


def test_several_choices_cost_one_question_each():
    losses_1 = classification_losses(torch.zeros(1, 3), torch.tensor([[1.0, 0.0, 1.0]]), ANY_OF)
    assert losses_1.tolist() == pytest.approx([3 * np.log(2)])


def test_torn_annotators_are_matched_best_by_their_own_shares():
    shares_1_2 = torch.tensor([[0.75, 0.25]])
    logits = {share: torch.tensor([[share, 1 - share]]).log() for share in (0.5, 0.75, 0.99)}
    losses = {share: float(classification_losses(logits[share], shares_1_2, ONE_OF)) for share in logits}
    assert min(losses, key=losses.get) == 0.75


def test_pairs_cost_nothing_where_like_texts_coincide_and_unlike_ones_are_at_right_angles():
    assert pair_losses(3 * ONE_HOT_4_2, ONE_HOT_4_2).tolist() == [0, 0, 0, 0]


def test_pairs_cost_one_for_unlike_texts_that_coincide_and_one_for_like_ones_at_right_angles():
    same_4_2 = torch.ones(4, 2)
    assert float(pair_losses(same_4_2, ONE_HOT_4_2).mean()) == pytest.approx(1)
    crossed_4_2 = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    # Every like pair costs 1, and of the unlike ones half do.
    assert float(pair_losses(crossed_4_2, ONE_HOT_4_2).mean()) == pytest.approx(1.5)


def test_rare_pairs_weigh_as_much_as_frequent_ones():
    one_pair_4_2 = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    targets_4_3 = torch.tensor([[1.0, 0, 0], [1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0]])
    # One unlike pair of five coincides, the only like pair is fine.
    assert float(pair_losses(one_pair_4_2, targets_4_3).mean()) == pytest.approx(1 / 5)


def test_the_order_of_a_batch_makes_no_difference_but_to_the_order_of_the_losses():
    rng = np.random.default_rng(0)
    embeddings_6_4 = torch.from_numpy(rng.normal(size=(6, 4)))
    targets_6_3 = torch.eye(3, dtype=torch.float64)[[0, 1, 2, 0, 1, 0]]
    shuffled = [3, 1, 5, 0, 2, 4]
    expected = pair_losses(embeddings_6_4, targets_6_3)[shuffled]
    torch.testing.assert_close(pair_losses(embeddings_6_4[shuffled], targets_6_3[shuffled]), expected)


def test_labels_that_overlap_in_part_are_pulled_together_in_part():
    targets_2_2 = torch.tensor([[1.0, 1.0], [1.0, 0.0]])
    angles = np.linspace(0, np.pi / 2, 91)
    embeddings = [torch.tensor([[1.0, 0.0], [np.cos(angle), np.sin(angle)]]) for angle in angles]
    losses = [float(pair_losses(pair_2_2.float(), targets_2_2).mean()) for pair_2_2 in embeddings]
    assert 0 < int(np.argmin(losses)) < 90


@pytest.mark.parametrize("targets_B_C", [torch.eye(2)[[0]], torch.eye(2)[[0, 0]], torch.eye(2)[[0, 1]]])
def test_a_batch_without_like_or_unlike_pairs_is_no_error(targets_B_C):
    embeddings_B_D = torch.ones(len(targets_B_C), 3, requires_grad=True)
    losses_B = pair_losses(embeddings_B_D, targets_B_C)
    losses_B.mean().backward()
    assert torch.isfinite(losses_B).all()
    assert torch.isfinite(embeddings_B_D.grad).all()


def test_a_text_whose_embedding_is_no_number_is_found_by_its_own_loss():
    embeddings_3_2 = torch.tensor([[1.0, 0.0], [float("nan"), 0.0], [0.0, 1.0]])
    losses_3 = classification_losses(embeddings_3_2, torch.eye(2)[[0, 1, 1]], ONE_OF)
    assert torch.isfinite(losses_3).tolist() == [True, False, True]
