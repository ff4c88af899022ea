"""Chosen against random labels on made-up embeddings: chosen texts that teach the same, or something false."""

import numpy as np
import pytest
import torch
from torch import nn

from model.encoder.classifier import ClassifierConfig, TextClassifier
from model.figures.random_labels import LEAST_TEXTS, compare_with_random
from model.learner.knowledge import know
from model.learner.refitting import HeadData
from model.types import LabelledEmbeddings, LabelSet

AB = LabelSet(("a", "b"))


def data(embeddings, labels) -> HeadData:
    torch.manual_seed(0)
    embeddings = np.asarray(embeddings, dtype=np.float32)
    classifier = TextClassifier(None, nn.Linear(embeddings.shape[1], 2), ClassifierConfig(AB.labels, False))
    nothing = lambda texts: np.zeros((len(texts), embeddings.shape[1]), dtype=np.float32)  # noqa: E731
    knowledge = know(((), ()), AB, nothing([]), nothing)
    return HeadData(classifier, LabelledEmbeddings(embeddings, np.eye(2, dtype=np.float32)[labels]), knowledge)


def clouds(texts: int, spread: float, seed: int):
    rng = np.random.default_rng(seed)
    labels = np.arange(texts) % 2
    points = np.stack([2.0 * labels - 1.0, np.zeros(texts)], axis=1) + spread * rng.normal(size=(texts, 2))
    return points, labels


def test_chosen_labels_that_are_false_are_worse_than_random_ones():
    points, labels = clouds(80, 0.3, 0)
    random_M, chosen_K = np.arange(40), np.arange(40, 80)
    labels[chosen_K] = 1 - labels[chosen_K]
    found = compare_with_random(data(points, labels), random_M, chosen_K)
    assert found.random > 0.9
    assert found.chosen < 0.1
    assert found.low <= found.gain <= found.high < 0
    assert (found.texts, found.labels) == (40, 32)


def test_chosen_labels_of_the_same_kind_are_worth_as_much():
    points, labels = clouds(80, 0.3, 1)
    found = compare_with_random(data(points, labels), np.arange(40), np.arange(40, 80))
    assert found.low <= 0 <= found.high
    assert found.gain == pytest.approx(0, abs=0.1)


def test_both_learn_from_as_many_labels_the_chosen_ones_that_came_first():
    points, labels = clouds(120, 0.3, 2)
    # Later ones are false, and must not be used.
    labels[80:] = 1 - labels[80:]
    found = compare_with_random(data(points, labels), np.arange(40), np.arange(40, 120))
    assert found.chosen > 0.9


@pytest.mark.parametrize(("random", "chosen"), [(LEAST_TEXTS - 1, 60), (30, 29)])
def test_with_too_few_texts_of_either_kind_nothing_is_said(random, chosen):
    points, labels = clouds(100, 0.3, 3)
    assert compare_with_random(data(points, labels), np.arange(random), np.arange(random, random + chosen)) is None
