import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from model.learner.linear_head import fit_head, zero_anchor
from model.links import link_of
from model.types import LabelledEmbeddings, LabelSet, Targets
from tests.fakes import SENTIMENT

RNG = np.random.default_rng(0)
EMBEDDINGS_60_5 = RNG.normal(size=(60, 5)).astype(np.float32)
IS_POSITIVE_60 = EMBEDDINGS_60_5[:, 0] + 0.5 * RNG.normal(size=60) > 0


def targets(targets_N_C, label_set=SENTIMENT) -> Targets:
    size = len(targets_N_C)
    return Targets(tuple(range(size)), ("text",) * size, np.asarray(targets_N_C, dtype=np.float32), label_set)


def fitted(embeddings_N_D, wanted: Targets, l2=0.1) -> nn.Linear:
    head = nn.Linear(embeddings_N_D.shape[1], wanted.targets_N_C.shape[1])
    labelled = LabelledEmbeddings(embeddings_N_D.astype(np.float32), wanted.targets_N_C)
    fit_head(head, labelled, zero_anchor(labelled.embeddings_L_D, len(head.weight), l2), link_of(wanted.label_set))
    return head


def proba(head, embeddings_N_D) -> np.ndarray:
    with torch.no_grad():
        return torch.softmax(head(torch.from_numpy(embeddings_N_D)), dim=1).numpy()


def test_it_is_logistic_regression():
    head = fitted(EMBEDDINGS_60_5, targets(np.eye(2)[IS_POSITIVE_60.astype(int)]))
    size = np.sqrt(np.square(EMBEDDINGS_60_5).sum(axis=1).mean())
    # Two symmetric weight vectors share the penalty that one bears alone.
    reference = LogisticRegression(C=2 / 0.1, tol=1e-8, max_iter=10_000)
    reference.fit(EMBEDDINGS_60_5 / size, IS_POSITIVE_60)
    ours, theirs = proba(head, EMBEDDINGS_60_5)[:, 1], reference.predict_proba(EMBEDDINGS_60_5 / size)[:, 1]
    # The bias is held too, a little.
    np.testing.assert_allclose(ours, theirs, atol=0.03)


def test_the_size_of_embeddings_makes_no_difference():
    wanted = targets(np.eye(2)[IS_POSITIVE_60.astype(int)])
    small, large = (proba(fitted(EMBEDDINGS_60_5 * size, wanted), EMBEDDINGS_60_5 * size) for size in (1, 40))
    np.testing.assert_allclose(small, large, atol=1e-3)


def test_a_stronger_penalty_makes_it_less_sure():
    wanted = targets(np.eye(2)[IS_POSITIVE_60.astype(int)])
    loose, tight = (proba(fitted(EMBEDDINGS_60_5, wanted, l2), EMBEDDINGS_60_5).max(axis=1).mean() for l2 in (0.01, 10))
    assert loose > tight + 0.1


@pytest.mark.parametrize("texts", [2, 8, 64])
def test_a_class_alone_is_never_certain(texts):
    head = fitted(np.zeros((texts, 5)), targets([[0, 1]] * texts))
    (said,) = proba(head, np.zeros((1, 5), dtype=np.float32))
    assert 0.5 < said[1] < 1 - 1 / (20 * texts)


def test_classes_where_several_may_hold_are_fitted_one_by_one():
    label_set = LabelSet(("first", "second"), is_multilabel=True)
    wanted_60_2 = np.stack([EMBEDDINGS_60_5[:, 0] > 0, EMBEDDINGS_60_5[:, 1] > 0], axis=1)
    head = fitted(EMBEDDINGS_60_5, targets(wanted_60_2, label_set), l2=0.01)
    with torch.no_grad():
        said_60_2 = head(torch.from_numpy(EMBEDDINGS_60_5)).numpy() > 0
    assert (said_60_2 == wanted_60_2).mean() > 0.95


def test_a_text_of_weight_two_counts_as_two_texts():
    wanted = targets(np.eye(2)[IS_POSITIVE_60.astype(int)])
    head, twice = nn.Linear(5, 2), nn.Linear(5, 2)
    weights_60 = np.where(np.arange(60) < 20, 2, 1).astype(np.float32)
    labelled = LabelledEmbeddings(EMBEDDINGS_60_5, wanted.targets_N_C, weights_60)
    fit_head(head, labelled, zero_anchor(EMBEDDINGS_60_5, 2, 0.1))
    rows_80 = np.concatenate([np.arange(60), np.arange(20)])
    # Embeddings are scaled by their mean square: the same for both, with none of it changed.
    scaled = fitted(EMBEDDINGS_60_5[rows_80], targets(wanted.targets_N_C[rows_80]))
    twice.load_state_dict(scaled.state_dict())
    np.testing.assert_allclose(proba(head, EMBEDDINGS_60_5), proba(twice, EMBEDDINGS_60_5), atol=0.02)
