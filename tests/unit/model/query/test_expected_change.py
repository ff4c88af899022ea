import numpy as np
import pytest
import torch

from model.query.expected_change import expected_gradient_length_scores


def test_it_is_the_length_of_the_gradient_averaged_over_answers():
    torch.manual_seed(0)
    head = torch.nn.Linear(4, 3).double()
    text_1_D = torch.randn(1, 4).double()
    proba_C = torch.softmax(head(text_1_D), dim=1)[0].detach()
    lengths = []
    for answer in range(3):
        loss = torch.nn.functional.cross_entropy(head(text_1_D), torch.tensor([answer]))
        gradients = torch.autograd.grad(loss, list(head.parameters()))
        lengths.append(float(torch.cat([gradient.flatten() for gradient in gradients]).norm()))
    scores_N = expected_gradient_length_scores(proba_C[None].numpy(), text_1_D.numpy())
    assert scores_N[0] == pytest.approx(float(np.dot(proba_C.numpy(), lengths)))


def test_a_text_the_classifier_is_sure_of_would_move_nothing():
    assert expected_gradient_length_scores(np.array([[1.0, 0.0]]), np.ones((1, 3))).tolist() == [0.0]
