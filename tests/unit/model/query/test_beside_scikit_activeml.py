"""The query functions beside scikit-activeml's, where it has the method: the same scores, or the same texts."""

import numpy as np
import pytest

from model.query.badge import badge
from model.query.bald import bald_scores, batchbald
from model.query.committee import consensus_kl_scores, vote_entropy_scores
from model.query.contrastive import NEIGHBOURS as NEAREST_LABELLED
from model.query.contrastive import contrastive_scores
from model.query.diversity import NEIGHBOURS, kcenter, typiclust, unit
from model.query.herding import maxherding
from model.query.uncertainty import entropy_scores, least_confidence_scores, margin_scores

# `make check` installs it with requirements-dev.txt.
pytest.importorskip("skactiveml")

from skactiveml.base import SkactivemlClassifier
from skactiveml.pool import (
    Badge,
    ContrastiveAL,
    MaxHerding,
    TypiClust,
    average_kl_divergence,
    batch_bald,
    k_greedy_center,
    uncertainty_scores,
    vote_entropy,
)

SEEDS = pytest.mark.parametrize("seed", range(5))


def distributions(*shape: int, seed: int, classes: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(classes), size=shape)


def points(size: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(size, 5))


class GivenClassifier(SkactivemlClassifier):
    """A fitted classifier that knows the probabilities of the rows 0 … N-1, which are its texts' first number."""

    def __init__(self, proba_N_C: np.ndarray) -> None:
        super().__init__(classes=list(range(proba_N_C.shape[1])))
        self.proba_N_C = proba_N_C

    def fit(self, *_, **__):
        return self

    def predict_proba(self, texts_M_D, **embeds):
        proba_M_C = self.proba_N_C[texts_M_D[:, 0].astype(int)].copy()
        return (proba_M_C, texts_M_D[:, 1:]) if embeds else proba_M_C


def numbered(embeddings_N_D: np.ndarray) -> np.ndarray:
    return np.concatenate([np.arange(len(embeddings_N_D))[:, None], embeddings_N_D], axis=1)


def labelled_last(size: int, labelled: int) -> np.ndarray:
    """What scikit-activeml takes as labels: NaN for a text without one."""
    known_M = np.full(size + labelled, np.nan)
    known_M[size:] = 0
    return known_M


@SEEDS
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (least_confidence_scores, "least_confident"),
        (margin_scores, "margin_sampling"),
        (entropy_scores, "entropy"),
    ],
)
def test_uncertainty_is_scored_alike(ours, theirs, seed):
    proba_N_C = distributions(50, seed=seed)
    np.testing.assert_allclose(ours(proba_N_C), uncertainty_scores(proba_N_C, method=theirs), atol=1e-9)


@SEEDS
def test_the_votes_of_a_committee_are_scored_alike(seed):
    proba_N_K_C = distributions(50, 5, seed=seed)
    theirs_N = vote_entropy(proba_N_K_C.argmax(axis=2), classes=np.arange(4))
    np.testing.assert_allclose(vote_entropy_scores(proba_N_K_C), theirs_N, atol=1e-9)


@SEEDS
def test_disagreement_with_the_consensus_is_scored_alike(seed):
    proba_N_K_C = distributions(50, 5, seed=seed)
    theirs_N = average_kl_divergence(proba_N_K_C.transpose(1, 0, 2))
    np.testing.assert_allclose(consensus_kl_scores(proba_N_K_C), theirs_N, atol=1e-5)


@SEEDS
def test_bald_is_scored_alike(seed):
    proba_N_K_C = distributions(50, 5, seed=seed)
    theirs_1_N = batch_bald(proba_N_K_C.transpose(1, 0, 2), batch_size=1, random_state=seed)
    np.testing.assert_allclose(bald_scores(proba_N_K_C), theirs_1_N[0], atol=1e-5)


@SEEDS
def test_batchbald_picks_a_second_text_that_is_worth_as_much(seed):
    proba_N_K_C = distributions(12, 3, seed=seed, classes=2)
    first, second = batchbald(proba_N_K_C, 2, np.random.default_rng(seed))
    theirs_2_N = batch_bald(proba_N_K_C.transpose(1, 0, 2), batch_size=2, n_MC_samples=10_000, random_state=seed)
    assert theirs_2_N[0].argmax() == first
    # Both estimate the joint entropy from samples.
    assert theirs_2_N[1][second] > np.nanmax(theirs_2_N[1]) - 0.05


@SEEDS
def test_contrastive_scores_are_alike(seed):
    embeddings_M_D, proba_M_C = points(70, seed), distributions(70, seed=seed)
    query = ContrastiveAL(nearest_neighbors_dict={"n_neighbors": NEAREST_LABELLED}, clf_embedding_flag_name="embeds")
    classifier = GivenClassifier(proba_M_C)
    _, theirs_1_M = query.query(
        numbered(embeddings_M_D), labelled_last(50, 20), classifier, fit_clf=False, return_utilities=True
    )
    ours_N = contrastive_scores(proba_M_C[:50], embeddings_M_D[:50], proba_M_C[50:], embeddings_M_D[50:])
    np.testing.assert_allclose(ours_N, theirs_1_M[0, :50], atol=1e-4)


@SEEDS
def test_the_core_set_has_the_same_texts(seed):
    embeddings_M_D = points(70, seed)
    theirs_B, _ = k_greedy_center(embeddings_M_D, labelled_last(50, 20), batch_size=15)
    ours_B = kcenter(embeddings_M_D[:50], embeddings_M_D[50:], 15, np.random.default_rng(seed))
    assert ours_B.tolist() == list(theirs_B)


@SEEDS
def test_maxherding_picks_the_same_texts(seed):
    # Their kernel must not be negative, as ours is not; the cosine itself is not in one quadrant.
    embeddings_M_D = np.abs(points(55, seed))
    query = MaxHerding(metric="cosine", random_state=seed)
    # Later picks gain only themselves and a neighbour, and tie.
    theirs_B = query.query(embeddings_M_D, labelled_last(50, 5), batch_size=5)
    ours_B = maxherding(embeddings_M_D[:50], embeddings_M_D[50:], 5, np.random.default_rng(seed))
    assert ours_B.tolist() == list(theirs_B)


def test_typiclust_picks_the_same_texts_from_clusters_that_are_plain_to_see():
    rng = np.random.default_rng(0)
    centres = np.repeat(np.eye(4) * 10, [40, 30, 20, 10], axis=0)
    texts_M_D = unit(centres + rng.normal(size=centres.shape))
    is_labelled_M = np.arange(len(texts_M_D)) == 3
    known_M = np.where(is_labelled_M, 0.0, np.nan)
    theirs_B = TypiClust(k=NEIGHBOURS, random_state=0).query(texts_M_D, known_M, batch_size=3)
    ours_B = typiclust(texts_M_D[~is_labelled_M], texts_M_D[is_labelled_M], 3, rng)
    assert np.flatnonzero(~is_labelled_M)[ours_B].tolist() == list(theirs_B)


def test_badge_draws_its_second_text_as_often():
    # Theirs takes the smaller of a text's distance to the first and its own length, the authors' program the distance
    # alone. Among gradients of like direction the distance is smaller.
    embeddings_N_D, proba_N_C = 3 + points(8, 0), np.sort(distributions(8, seed=0), axis=1) / 4 + [0.0, 0.0, 0.25, 0.5]
    query = Badge(clf_embedding_flag_name="embeds", random_state=0)
    classifier = GivenClassifier(proba_N_C)
    texts_M_D, known_M = numbered(np.concatenate([embeddings_N_D, points(1, 1)])), labelled_last(8, 1)
    theirs_B, theirs_2_M = query.query(
        texts_M_D, known_M, classifier, fit_clf=False, batch_size=2, return_utilities=True
    )
    ours = np.array([badge(proba_N_C, embeddings_N_D, 2, np.random.default_rng(seed)) for seed in range(2000)])
    assert set(ours[:, 0]) == {theirs_B[0]}
    share_N = np.bincount(ours[:, 1], minlength=8) / len(ours)
    # The standard error of a share of 2,000 draws is at most 0.011.
    np.testing.assert_allclose(share_N, np.nan_to_num(theirs_2_M[1, :8]), atol=0.045)
