"""Ordering hooks for tests: some work, some fail in every way that there is."""

import sys

import numpy as np

from model.query.hooks import Need, Unlabelled, returns_order, returns_scores


@returns_scores(Need.TEXTS)
def longest_first(unlabelled: Unlabelled, rng: np.random.Generator) -> list[int]:
    return [len(text) for text in unlabelled.texts]


@returns_order(Need.TEXTS)
def alphabetical(unlabelled: Unlabelled, rng: np.random.Generator) -> np.ndarray:
    return np.argsort(unlabelled.texts)


@returns_scores(Need.PROBA)
def doubtful_first(unlabelled: Unlabelled, rng: np.random.Generator) -> np.ndarray:
    return -unlabelled.proba.max(axis=1)


@returns_order(Need.EMBEDDINGS)
def far_first(unlabelled: Unlabelled, rng: np.random.Generator) -> np.ndarray:
    return np.argsort(-np.linalg.norm(unlabelled.embeddings, axis=1))


@returns_scores(Need.MEMBERS)
def by_members(unlabelled: Unlabelled, rng: np.random.Generator) -> np.ndarray:
    return unlabelled.members.std(axis=1).max(axis=1)


@returns_order()
def by_chance(unlabelled: Unlabelled, rng: np.random.Generator) -> np.ndarray:
    return rng.permutation(unlabelled.size)


@returns_scores(Need.TEXTS)
def broken(unlabelled: Unlabelled, rng: np.random.Generator) -> np.ndarray:
    raise KeyError(unlabelled.texts[0])


@returns_scores()
def leaves(unlabelled: Unlabelled, rng: np.random.Generator) -> np.ndarray:
    sys.exit(1)


def undeclared(unlabelled: Unlabelled, rng: np.random.Generator) -> np.ndarray:
    return np.zeros(unlabelled.size)
