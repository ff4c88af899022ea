"""Class prototypes: a direction for each class, from label names, labelled texts and the pool, without training BERT.

Names and labelled texts give a prototype first; expectation and maximisation over the pool then moves it towards
similar texts (Nigam et al., 2000; X-Class, Wang et al., 2021; Lbl2Vec, Schopf et al., 2021). `choose_trust` decides, on
the labels at hand, how far names and pool count.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from model.learner.folds import deal_folds
from model.types import BoolArray, FloatArray, IntArray

# A logit is this number times a cosine. Between 8 and 25 accuracy hardly moved on nine data sets.
SHARPNESS = 15.0
# A label's name counts as much as this number of labelled texts.
NAME_COUNT = 3.0
# Share of a prototype that comes from the pool: with few labels, and the shares tried with more, the default first.
FIRST_POOL_SHARE = 0.4
POOL_SHARES = (0.3, 0.5, 0.0)
EM_STEPS = 10
# Folds of the labels on which trust is chosen, and the number of pool texts in that choice, which has to be quick.
TRUST_FOLDS, TRUST_POOL = 5, 500
# Standard errors by which names beat chance: names below the first number are dropped, names above the second are kept.
# With 16 labels of seven data sets, one in twelve meaningless names was kept; of true names, three in four or more were
# kept on five of the sets.
MAYBE_OVER, SURELY_OVER = 0.7, 1.65
# With fewer labels the default trust stays: so few labels cannot judge names and pool.
TRUST_LABELS = 8


@dataclass(frozen=True)
class Trust:
    """How far label names and the pool count.

    Attributes:
        names: whether label names count.
        pool: share of each prototype that comes from the pool, in [0, 1).
    """

    names: bool
    pool: float


NO_TRUST = Trust(names=False, pool=0.0)


@dataclass(frozen=True)
class Evidence:
    """Directions of names, labelled texts and pool for C classes; a row has length 1, or 0 where it has no direction.

    Attributes:
        names_C_D: directions of the label names.
        labelled_L_D: directions of the labelled texts.
        targets_L_C: shares of the labelled texts, times their weights.
        pool_M_D: directions of unlabelled texts.
    """

    names_C_D: FloatArray
    labelled_L_D: FloatArray
    targets_L_C: FloatArray
    pool_M_D: FloatArray

    @property
    def has_names(self) -> bool:
        """Whether any label's name has a direction."""
        return bool(self.names_C_D.any())

    def without(self, rows_F: IntArray) -> "Evidence":
        """The same evidence without the labelled texts in `rows_F`."""
        return replace(
            self,
            labelled_L_D=np.delete(self.labelled_L_D, rows_F, axis=0),
            targets_L_C=np.delete(self.targets_L_C, rows_F, axis=0),
        )


def directions(rows_N_D: FloatArray, centre_D: FloatArray) -> FloatArray:
    """Directions of N texts as seen from a centre: unit rows, minus the centre, scaled to length 1 again."""
    return unit_rows(unit_rows(rows_N_D) - centre_D)


def unit_rows(rows_N_D: FloatArray) -> FloatArray:
    """Scale rows to length 1; rows of (nearly) no length become 0."""
    length_N_1 = np.linalg.norm(rows_N_D, axis=1, keepdims=True)
    unit_N_D: FloatArray = np.where(length_N_1 > 1e-6, rows_N_D / np.maximum(length_N_1, 1e-6), 0.0)
    return unit_N_D.astype(np.float32)


def prototypes(evidence: Evidence, trust: Trust) -> FloatArray:
    """Compute a direction for each class, prototypes_C_D; 0 for a class without a name or a labelled text.

    A prototype starts as the mean of its name, which counts NAME_COUNT times, and its labelled texts. Then, EM_STEPS
    times, pool texts are shared out softly among the classes that have a start (`proba`), and each prototype becomes a
    mixture of its start and, by `trust.pool`, the mean direction of its share of the pool. Deviation from Nigam et al.:
    the pool's part is bounded, however large the pool is, and all classes are held equally frequent.
    """
    counted_C_D = evidence.targets_L_C.T @ evidence.labelled_L_D
    if trust.names:
        counted_C_D = counted_C_D + NAME_COUNT * evidence.names_C_D
    start_C_D = unit_rows(counted_C_D)
    prototypes_C_D = start_C_D
    if trust.pool and len(evidence.pool_M_D):
        has_start_C_1 = start_C_D.any(axis=1, keepdims=True)
        for _ in range(EM_STEPS):
            shares_M_C = proba(evidence.pool_M_D, prototypes_C_D)
            pooled_C_D = unit_rows(shares_M_C.T @ evidence.pool_M_D) * has_start_C_1
            prototypes_C_D = unit_rows((1 - trust.pool) * start_C_D + trust.pool * pooled_C_D)
    return prototypes_C_D


def proba(rows_N_D: FloatArray, prototypes_C_D: FloatArray) -> FloatArray:
    """Class probabilities by cosine to the prototypes, proba_N_C; a class without a prototype gets 0.

    Rows sum to 1, or to 0 where no class has a prototype.
    """
    has_prototype_C = prototypes_C_D.any(axis=1)
    logits_N_C = SHARPNESS * rows_N_D @ prototypes_C_D.T
    shares_N_C = np.exp(logits_N_C - logits_N_C.max(axis=1, keepdims=True)) * has_prototype_C
    return np.asarray(shares_N_C / np.maximum(shares_N_C.sum(axis=1, keepdims=True), 1e-12), dtype=np.float32)


def choose_trust(evidence: Evidence) -> Trust:
    """Choose how far names, then the pool, count: the default, unless the labels at hand show that it does worse.

    Held-out labelled texts are predicted with each choice, and the mean probability on their own labels (the expected
    share of right answers) is compared in pairs. The default gives way to a choice that is better by more than one
    standard error. With fewer than TRUST_LABELS labelled texts the default stays.

    Names have to beat chance first (`_names_over_chance`). Names that surely beat chance are kept even where held-out
    texts speak against them: a query strategy may have asked for just the texts on which names fail, and a class
    without a label is known by its name alone.

    Args:
        evidence: directions of names, labelled texts and pool; without pool texts the pool cannot count.
    """
    has_pool = len(evidence.pool_M_D) > 0
    if len(evidence.labelled_L_D) < TRUST_LABELS:
        return Trust(evidence.has_names, FIRST_POOL_SHARE if has_pool else 0.0)
    quick = replace(evidence, pool_M_D=evidence.pool_M_D[:TRUST_POOL])
    names = evidence.has_names and _are_names_useful(quick)
    return _best(quick, [Trust(names, share) for share in (POOL_SHARES if has_pool else (0.0,))])


def _are_names_useful(evidence: Evidence) -> bool:
    """Whether names beat chance surely, or so far that held-out texts can decide."""
    over = _names_over_chance(evidence)
    if not MAYBE_OVER < over <= SURELY_OVER:
        return over > SURELY_OVER
    with_and_without_2 = _right_of_each(evidence, [Trust(True, 0.0), Trust(False, 0.0)]).sum(axis=1)
    return bool(with_and_without_2[0] > with_and_without_2[1])


def _names_over_chance(evidence: Evidence) -> float:
    """Standard errors by which the mean probability of people's labels under names alone exceeds chance."""
    proba_L_C = proba(evidence.labelled_L_D, evidence.names_C_D)
    chance = 1 / np.count_nonzero(evidence.names_C_D.any(axis=1))
    over_L = _probability_of_labels(proba_L_C, evidence.targets_L_C) - chance
    error = over_L.std(ddof=1) / np.sqrt(len(over_L))
    return float(over_L.mean() / max(error, 1e-9))


def _best(evidence: Evidence, options: Sequence[Trust]) -> Trust:
    """The first option, or the best of the options that are better by more than a standard error, if there are any."""
    if len(options) == 1:
        return options[0]
    right_O_L = _right_of_each(evidence, options)
    gained_O_L = right_O_L - right_O_L[0]
    error_O = gained_O_L.std(axis=1, ddof=1) / np.sqrt(gained_O_L.shape[1])
    gained_O = np.where(gained_O_L.mean(axis=1) > error_O, gained_O_L.mean(axis=1), 0.0)
    return options[int(np.argmax(gained_O))]


def _right_of_each(evidence: Evidence, options: Sequence[Trust]) -> FloatArray:
    """Probability of held-out texts' own labels under each of O options, right_O_L; texts stand in order of folds."""
    folds = deal_folds(evidence.targets_L_C, TRUST_FOLDS, np.random.default_rng(0))
    return np.stack([np.concatenate([_right(evidence, rows_F, trust) for rows_F in folds]) for trust in options])


def _right(evidence: Evidence, rows_F: IntArray, trust: Trust) -> FloatArray:
    """Probability of each held-out text on its own labels, right_F."""
    proba_F_C = proba(evidence.labelled_L_D[rows_F], prototypes(evidence.without(rows_F), trust))
    return _probability_of_labels(proba_F_C, evidence.targets_L_C[rows_F])


def _probability_of_labels(proba_N_C: FloatArray, targets_N_C: FloatArray) -> FloatArray:
    """Mean probability of each text's own labels, by their shares, right_N; 0 for a text without a label."""
    return np.asarray((proba_N_C * targets_N_C).sum(axis=1) / np.maximum(targets_N_C.sum(axis=1), 1e-12))


def surest(proba_M_C: FloatArray, texts: int) -> IntArray:
    """Choose the texts with the most probable classes, the same number of each class as far as there are enough.

    Args:
        proba_M_C: class probabilities of M texts; a row of zeros is left out.
        texts: upper limit on rows.

    Returns:
        rows_S, one text of each class after the other, the most probable first.
    """
    class_M, sure_M = proba_M_C.argmax(axis=1), proba_M_C.max(axis=1)
    rows_M = np.argsort(-sure_M, kind="stable")
    rows_M = rows_M[sure_M[rows_M] > 0]
    # The rank of a text within its class counts first, then its probability.
    place_M = _places_in_class(class_M[rows_M])
    return np.asarray(rows_M[np.argsort(place_M, kind="stable")][:texts])


def _places_in_class(class_M: IntArray) -> IntArray:
    """Number of earlier rows of the same class, place_M."""
    place_M = np.zeros(len(class_M), dtype=np.int64)
    for row_class in np.unique(class_M):
        same_M: BoolArray = class_M == row_class
        place_M[same_M] = np.arange(np.count_nonzero(same_M))
    return place_M
