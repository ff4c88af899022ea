import numpy as np
import pytest

from model.encoder.classifier import new_classifier
from model.encoder.inference import score_texts
from model.learner.knowledge import know, know_nothing
from model.learner.refitting import HEADS, MASKS, HeadData, committee_proba, refit_with, with_refitted_head
from model.types import LabelledEmbeddings
from tests.fakes import BLAME, NEUTRAL, PRAISE, SENTIMENT

LABELLED = tuple(f"{noun} {word}" for noun in NEUTRAL[:2] for word in (*PRAISE, *BLAME))
POOL = tuple(f"{noun} {word}" for noun in NEUTRAL[2:] for word in (*PRAISE, *BLAME))


NOTHING = know_nothing(2, 16)


def praised_or_not(texts) -> np.ndarray:
    return np.eye(2, dtype=np.float32)[[int(any(word in text for word in PRAISE)) for text in texts]]


@pytest.fixture
def classifier(encoder):
    return new_classifier(encoder, SENTIMENT)


def labelled(classifier) -> HeadData:
    labels = LabelledEmbeddings(classifier.encoder.embed(LABELLED), praised_or_not(LABELLED))
    return HeadData(classifier, labels, NOTHING)


def committee(classifier, seed: int = 0) -> np.ndarray:
    return committee_proba(labelled(classifier), classifier.encoder.embed(POOL), np.random.default_rng(seed))


def test_every_member_gives_every_text_a_distribution(classifier):
    proba_N_K_C = committee(classifier)
    assert proba_N_K_C.shape == (len(POOL), HEADS + MASKS, 2)
    np.testing.assert_allclose(proba_N_K_C.sum(axis=2), 1.0, rtol=1e-5)


def test_members_differ_and_the_same_seed_makes_the_same_ones(classifier):
    proba_N_K_C = committee(classifier)
    # A mask that drops none of sixteen dimensions is not rare, so two of these may be alike.
    assert len({proba_N_K_C[:, member].tobytes() for member in range(HEADS + MASKS)}) > HEADS + MASKS // 2
    np.testing.assert_array_equal(committee(classifier), proba_N_K_C)
    assert not np.allclose(committee(classifier, seed=1), proba_N_K_C)


def test_the_heads_have_learned_the_labels(classifier):
    said_N_K = committee(classifier)[:, :HEADS].argmax(axis=2)
    assert (said_N_K == praised_or_not(POOL).argmax(axis=1)[:, None]).mean() > 0.8


def test_without_any_label_left_only_the_classifiers_own_head_sits_in_it(classifier):
    nothing = np.zeros((0, 16), dtype=np.float32)
    no_labels = HeadData(classifier, LabelledEmbeddings(nothing, nothing[:, :2]), NOTHING)
    members = committee_proba(no_labels, classifier.encoder.embed(POOL), np.random.default_rng(0))
    assert members.shape == (len(POOL), MASKS, 2)


def test_making_a_committee_leaves_the_classifier_as_it_was(classifier):
    before = classifier.head.weight.detach().clone()
    committee(classifier)
    assert (classifier.head.weight == before).all()


def test_a_refit_counts_the_further_labels(classifier):
    refit = refit_with(labelled(classifier))
    text_1_D = classifier.encoder.embed(["cast"])
    as_praise, as_blame = (refit(text_1_D, np.eye(2, dtype=np.float32)[[label]])(text_1_D) for label in (1, 0))
    assert as_praise[0, 1] > as_blame[0, 1]


def test_a_refitted_head_knows_the_labels_and_the_classifier_stays_as_it_was(classifier):
    before = classifier.head.weight.detach().clone()
    refitted = with_refitted_head(labelled(classifier))
    said_N = score_texts(refitted, POOL).proba_N_C.argmax(axis=1)
    assert (said_N == praised_or_not(POOL).argmax(axis=1)).mean() > 0.8
    assert (classifier.head.weight == before).all()


def test_names_alone_make_a_head(classifier):
    pool_M_D = classifier.encoder.embed(POOL)
    names = know((("bad",), ("good",)), SENTIMENT, pool_M_D, classifier.encoder.embed)
    no_labels = LabelledEmbeddings(pool_M_D[:0], np.zeros((0, 2), dtype=np.float32))
    named = with_refitted_head(HeadData(classifier, no_labels, names))
    said_N = score_texts(named, POOL).proba_N_C.argmax(axis=1)
    assert (said_N == praised_or_not(POOL).argmax(axis=1)).mean() > 0.8
