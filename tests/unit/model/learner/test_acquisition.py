from dataclasses import replace

import numpy as np
import pytest

from model.encoder.classifier import TextClassifier, new_classifier
from model.encoder.inference import score_texts
from model.learner.acquisition import Reader, compute_features, compute_untrained_features
from model.learner.knowledge import know_nothing
from model.query.ranking import rank
from model.query.strategies import STRATEGIES
from model.query.unlabelled import Need
from model.types import LabelSet, Targets
from tests.fakes import SENTIMENT

POOL = ("good film", "bad plot", "the cast", "dull film", "fine plot", "a film")
LABELLED = ("great cast", "awful plot")


@pytest.fixture
def classifier(encoder):
    return new_classifier(encoder, SENTIMENT)


def reader_of(classifier: TextClassifier) -> Reader:
    """A classifier that reads by itself, without label names or a pool."""
    nothing = know_nothing(*classifier.head.weight.shape, classifier.link)
    return Reader(classifier, classifier.encoder.embed, nothing)


def reader(encoder: str, label_set: LabelSet) -> Reader:
    return reader_of(new_classifier(encoder, label_set))


def labelled(label_set: LabelSet = SENTIMENT) -> Targets:
    return Targets((1, 2), LABELLED, np.eye(2, dtype=np.float32), label_set)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=STRATEGIES)
@pytest.mark.parametrize("is_multilabel", [False, True])
def test_a_strategy_gets_all_that_it_needs_to_rank_real_texts(encoder, strategy, is_multilabel):
    label_set = LabelSet(SENTIMENT.labels, is_multilabel)
    seen = compute_features(strategy.needs, reader(encoder, label_set), POOL, labelled(label_set), rng())
    # An LLM is asked by whoever has one.
    seen = replace(seen, picks_B=np.array([1])) if strategy.asks_llm else seen
    assert sorted(rank(strategy, seen, 3, rng()).indices_N.tolist()) == list(range(len(POOL)))


def test_what_needs_nothing_costs_nothing(classifier):
    deaf = replace(reader_of(classifier), embed=None)
    assert compute_features(frozenset(), deaf, POOL, labelled(), rng()).size == len(POOL)


def test_no_committee_sits_where_nobody_asks_for_one(classifier):
    assert (
        compute_features({Need.PROBA, Need.EMBEDDINGS}, reader_of(classifier), POOL, labelled(), rng()).proba_N_K_C
        is None
    )


def test_probabilities_and_embeddings_are_the_classifiers(classifier):
    seen = compute_features({Need.PROBA, Need.EMBEDDINGS}, reader_of(classifier), POOL, labelled(), rng())
    scored, of_labelled = score_texts(classifier, POOL), score_texts(classifier, LABELLED)
    np.testing.assert_array_equal(seen.proba_N_C, scored.proba_N_C)
    np.testing.assert_array_equal(seen.embeddings_N_D, scored.embeddings_N_D)
    np.testing.assert_array_equal(seen.labelled_L_D, of_labelled.embeddings_N_D)
    np.testing.assert_array_equal(seen.labelled_proba_L_C, of_labelled.proba_N_C)


def test_before_a_classifier_the_untrained_encoder_embeds_pool_and_labelled_texts_in_one_go(classifier):
    calls = []

    def embed(texts):
        calls.append(len(texts))
        return classifier.encoder.embed(texts)

    seen = compute_untrained_features({Need.EMBEDDINGS}, POOL, labelled(), embed)
    assert (len(seen.embeddings_N_D), len(seen.labelled_L_D), calls) == (6, 2, [8])
    assert compute_untrained_features(frozenset(), POOL, labelled(), embed).embeddings_N_D is None
    assert calls == [8]
