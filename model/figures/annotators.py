"""Agreement between annotators: Krippendorff's alpha, and each annotator's comparisons with the others.

Krippendorff, K. (2011), "Computing Krippendorff's Alpha-Reliability". The package `krippendorff` is under the GPL, and
crowd-kit needs NLTK and pandas for it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.sparse import csr_array

from model.figures.shares import Share
from model.types import FloatArray, IntArray, LabelSet, Targets

_DRAWS, _SEED = 400, 0
# Weights of all texts, and rows of all values, that are in memory at once.
_DRAWS_AT_ONCE, _TEXTS_AT_ONCE = 20, 2_000
_INTERVAL = (2.5, 97.5)
# With fewer texts that several people labelled, an interval from drawing them again says nothing.
_LEAST_TEXTS = 5


@dataclass(frozen=True)
class Annotator:
    """One annotator.

    Attributes:
        name: Label Studio's id of the person.
        texts: texts that the person answered.
        shared: comparisons with another person's answer to the same text.
        differing: comparisons in which the two answers differ.
    """

    name: str
    texts: int
    shared: int
    differing: int

    @property
    def disagreement(self) -> Share:
        """How many of the comparisons differ."""
        return Share(self.differing, self.shared)


@dataclass(frozen=True)
class People:
    """The annotators of a question, and how far they agree.

    Attributes:
        annotators: those with most texts first.
        texts: texts that two or more people answered.
        alpha: Krippendorff's alpha: 1 for perfect agreement, 0 for that of chance; None where nothing is compared, or
            all answers are the same.
        low, high: 95 % interval of alpha; None with few texts.
        comparisons: pairs of answers to the same text.
        differing: pairs of which the answers differ.
    """

    annotators: tuple[Annotator, ...] = ()
    texts: int = 0
    alpha: float | None = None
    low: float | None = None
    high: float | None = None
    comparisons: int = 0
    differing: int = 0


NOBODY = People()


def agreement_of(answers: Mapping[str, Targets], is_ordered: bool = False) -> People:
    """Compare the answers of annotators.

    Args:
        answers: the texts that each annotator answered, with a row of shares each; all of one label set.
        is_ordered: the classes are degrees in order, such as stars, and answers differ by their distance.
    """
    by_text: dict[int, dict[str, bytes]] = defaultdict(dict)
    rows: dict[bytes, FloatArray] = {}
    for name, targets in answers.items():
        for task_id, shares_C in zip(targets.task_ids, targets.targets_N_C, strict=True):
            value = shares_C.tobytes()
            rows[value] = shares_C
            by_text[task_id][name] = value
    shared = [said for said in by_text.values() if len(said) > 1]
    pairs = {name: [0, 0] for name in answers}
    for said in shared:
        for one, other in combinations(said, 2):
            differs = said[one] != said[other]
            for name in (one, other):
                pairs[name][0] += 1
                pairs[name][1] += differs
    annotators = [Annotator(name, len(targets), *pairs[name]) for name, targets in answers.items()]
    ranked = tuple(sorted(annotators, key=lambda one: (-one.texts, one.name)))
    alpha, low, high = _alpha_of(shared, rows, answers, is_ordered)
    # Each pair was counted for both of its annotators.
    comparisons, differing = (sum(counts[kind] for counts in pairs.values()) // 2 for kind in (0, 1))
    return People(ranked, len(shared), alpha, low, high, comparisons, differing)


def _alpha_of(
    shared: list[dict[str, bytes]], rows: Mapping[bytes, FloatArray], answers: Mapping[str, Targets], is_ordered: bool
) -> tuple[float | None, float | None, float | None]:
    if not shared:
        return None, None, None
    values = sorted({value for said in shared for value in said.values()})
    place = {value: number for number, value in enumerate(values)}
    said_A = [(row, place[value]) for row, said in enumerate(shared) for value in said.values()]
    rows_A, places_A = np.array(said_A).T
    # Equal places are added up.
    counts_U_V = csr_array((np.ones(len(said_A)), (rows_A, places_A)), shape=(len(shared), len(values)))
    label_set = next(iter(answers.values())).label_set
    distance_V_V = _distances(np.array([rows[value] for value in values]), label_set, is_ordered)
    low, high = alpha_interval(counts_U_V, distance_V_V)
    return alpha(counts_U_V, distance_V_V), low, high


def _distances(rows_V_C: FloatArray, label_set: LabelSet, is_ordered: bool) -> FloatArray:
    """How far two answers differ: stars by the square of their distance, sets by Jaccard's distance, else 0 or 1."""
    if is_ordered:
        stars_V = rows_V_C @ np.arange(rows_V_C.shape[1])
        return np.asarray((stars_V[:, None] - stars_V[None, :]) ** 2, dtype=float)
    if not label_set.is_multilabel:
        return 1.0 - np.eye(len(rows_V_C))
    holds_V_C = (rows_V_C > 0).astype(float)
    both_V_V = holds_V_C @ holds_V_C.T
    sizes_V = holds_V_C.sum(axis=1)
    either_V_V = sizes_V[:, None] + sizes_V[None, :] - both_V_V
    return np.where(either_V_V > 0, 1.0 - both_V_V / np.maximum(either_V_V, 1.0), 0.0)


def alpha(counts_U_V: IntArray | csr_array, distance_V_V: FloatArray) -> float | None:
    """Krippendorff's alpha: 1 - observed / expected disagreement.

    Args:
        counts_U_V: how many people gave each of V values to each of U texts, at least two a text.
        distance_V_V: the (squared) difference of two values, 0 on the diagonal.

    Returns:
        At most 1; None where all answers are the same, so that no disagreement could be expected.
    """
    observed, expected = _disagreements(counts_U_V, distance_V_V, [np.ones((1, counts_U_V.shape[0]))])
    return float(1 - observed[0] / expected[0]) if expected[0] > 0 else None


def alpha_interval(counts_U_V: IntArray | csr_array, distance_V_V: FloatArray) -> tuple[float | None, float | None]:
    """The 95 % percentile interval of alpha over texts that are drawn again, with replacement; None with few texts."""
    texts = counts_U_V.shape[0]
    if texts < _LEAST_TEXTS:
        return None, None
    rng, chances_U = np.random.default_rng(_SEED), np.full(texts, 1 / texts)
    drawn = (rng.multinomial(texts, chances_U, size=_DRAWS_AT_ONCE) for _ in range(_DRAWS // _DRAWS_AT_ONCE))
    observed_B, expected_B = _disagreements(counts_U_V, distance_V_V, drawn)
    known_K = np.flatnonzero(expected_B > 0)
    if not len(known_K):
        return None, None
    low, high = np.percentile(1 - observed_B[known_K] / expected_B[known_K], _INTERVAL)
    return float(low), float(high)


def _disagreements(
    counts_U_V: IntArray | csr_array, distance_V_V: FloatArray, weightings: Iterable[FloatArray | IntArray]
) -> tuple[FloatArray, FloatArray]:
    """Observed and expected disagreement for weightings of the texts, which come some at a time: weights_B_U each."""
    counts_U_V = csr_array(counts_U_V, dtype=float)
    within_U = _within(counts_U_V, distance_V_V)
    observed, expected = [], []
    for weights_B_U in weightings:
        values_B_V = weights_B_U @ counts_U_V
        total_B = np.maximum(values_B_V.sum(axis=1), 2)
        observed.append((weights_B_U @ within_U) / total_B)
        expected.append(((values_B_V @ distance_V_V) * values_B_V).sum(axis=1) / (total_B * (total_B - 1)))
    return np.concatenate(observed), np.concatenate(expected)


def _within(counts_U_V: csr_array, distance_V_V: FloatArray) -> FloatArray:
    """Pairs of different values within each text, each text counting as many answers as it has; part by part."""
    parts = [counts_U_V[start : start + _TEXTS_AT_ONCE] for start in range(0, counts_U_V.shape[0], _TEXTS_AT_ONCE)]
    pairs_U = np.concatenate([part.multiply(part @ distance_V_V).sum(axis=1) for part in parts])
    within_U: FloatArray = pairs_U / np.maximum(counts_U_V.sum(axis=1) - 1, 1)
    return within_U
