"""Class prototypes: what label names, labelled texts and the unlabelled pool say of each class without training BERT.

A prototype is a direction in embedding space. Names and labelled texts give it first; expectation and maximisation over
the pool then moves it towards the texts that look alike (Nigam et al., 2000; X-Class, Wang et al., 2021; Lbl2Vec,
Schopf et al., 2021). How far names and pool are trusted is chosen on the labels at hand (`choose_trust`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from model.learner.folds import deal_folds
from model.types import BoolArray, FloatArray, IntArray

# Logits are so many times a cosine. Between 8 and 25 accuracy hardly moved on nine sets.
SHARPNESS = 15.0
# A label's name counts as much as so many labelled texts.
NAME_COUNT = 3.0
# Share of a prototype that comes from the pool: with few labels; and what is tried with more, the default first.
FIRST_POOL_SHARE = 0.4
POOL_SHARES = (0.3, 0.5, 0.0)
EM_STEPS = 10
# Folds of the labels on which trust is chosen, and how many pool texts take part in the choice: it has to be quick.
TRUST_FOLDS, TRUST_POOL = 5, 500
# Standard errors by which names beat chance: below the first they are dropped, above the second kept. Of names that say
# nothing, one in twelve was kept with 16 labels of seven sets; of true ones, three in four or more on five of them.
MAYBE_OVER, SURELY_OVER = 0.7, 1.65
# With fewer labels they say too little of names and pool.
TRUST_LABELS = 8


@dataclass(frozen=True)
class Trust:
    """How far two kinds of evidence count.

    Attributes:
        names: whether label names count.
        pool: share of each prototype that comes from the pool, in [0, 1).
    """

    names: bool
    pool: float


@dataclass(frozen=True)
class Evidence:
    """What is known of C classes; every row is of length 1, or of length 0 where nothing is known.

    Attributes:
        names_C_D: directions of the label names.
        labelled_L_D: directions of the labelled texts.
        targets_L_C: their shares.
        pool_M_D: directions of unlabelled texts.
    """

    names_C_D: FloatArray
    labelled_L_D: FloatArray
    targets_L_C: FloatArray
    pool_M_D: FloatArray

    @property
    def has_names(self) -> bool:
        """Whether any label's name says something."""
        return bool(self.names_C_D.any())

    def without(self, rows_F: IntArray) -> "Evidence":
        """The same without some of the labelled texts."""
        return replace(
            self,
            labelled_L_D=np.delete(self.labelled_L_D, rows_F, axis=0),
            targets_L_C=np.delete(self.targets_L_C, rows_F, axis=0),
        )


def directions(rows_N_D: FloatArray, centre_D: FloatArray) -> FloatArray:
    """Where texts lie as seen from a centre: unit rows, minus the centre, of unit length again."""
    return unit_rows(unit_rows(rows_N_D) - centre_D)


def unit_rows(rows_N_D: FloatArray) -> FloatArray:
    """Rows of length 1; those of (nearly) no length become 0."""
    length_N_1 = np.linalg.norm(rows_N_D, axis=1, keepdims=True)
    unit_N_D: FloatArray = np.where(length_N_1 > 1e-6, rows_N_D / np.maximum(length_N_1, 1e-6), 0.0)
    return unit_N_D.astype(np.float32)


def prototypes(evidence: Evidence, trust: Trust) -> FloatArray:
    """A direction for each class, prototypes_C_D; 0 for a class of which nothing is known.

    Known evidence is the mean of names (each counts NAME_COUNT) and labelled texts. Then, EM_STEPS times, pool texts
    are shared out softly among the known classes (`proba`), and each prototype becomes a mixture of the known direction
    and, by `trust.pool`, the mean direction of its share of the pool. Deviation from Nigam et al.: the pool's part is
    bounded, however large the pool is, and all classes are held equally frequent.
    """
    counted_C_D = evidence.targets_L_C.T @ evidence.labelled_L_D
    if trust.names:
        counted_C_D = counted_C_D + NAME_COUNT * evidence.names_C_D
    known_C_D = unit_rows(counted_C_D)
    prototypes_C_D = known_C_D
    if trust.pool and len(evidence.pool_M_D):
        is_known_C_1 = known_C_D.any(axis=1, keepdims=True)
        for _ in range(EM_STEPS):
            shares_M_C = proba(evidence.pool_M_D, prototypes_C_D)
            pooled_C_D = unit_rows(shares_M_C.T @ evidence.pool_M_D) * is_known_C_1
            prototypes_C_D = unit_rows((1 - trust.pool) * known_C_D + trust.pool * pooled_C_D)
    return prototypes_C_D


def proba(rows_N_D: FloatArray, prototypes_C_D: FloatArray) -> FloatArray:
    """Class probabilities by cosine to the prototypes, proba_N_C; a class without a prototype gets 0.

    Rows sum to 1, or to 0 where no class has a prototype.
    """
    is_known_C = prototypes_C_D.any(axis=1)
    logits_N_C = SHARPNESS * rows_N_D @ prototypes_C_D.T
    shares_N_C = np.exp(logits_N_C - logits_N_C.max(axis=1, keepdims=True)) * is_known_C
    return np.asarray(shares_N_C / np.maximum(shares_N_C.sum(axis=1, keepdims=True), 1e-12), dtype=np.float32)


def choose_trust(evidence: Evidence) -> Trust:
    """How far names, then the pool, are trusted: as far as the labels at hand do not speak against it.

    Held-out labelled texts are predicted with each choice, and the mean probability on their own labels (the expected
    share of right answers) is compared in pairs. The default gives way to a choice that is better by more than one
    standard error. With fewer than TRUST_LABELS labelled texts the default stays.

    Names have to beat chance first (`_names_over_chance`). Those that surely do are kept whatever else is found: a
    query strategy may have asked for just the texts on which they fail, and of classes without a label nothing else is
    known.

    Args:
        evidence: names, labelled texts, pool; without pool texts the pool cannot count.
    """
    has_pool = len(evidence.pool_M_D) > 0
    if len(evidence.labelled_L_D) < TRUST_LABELS:
        return Trust(evidence.has_names, FIRST_POOL_SHARE if has_pool else 0.0)
    quick = replace(evidence, pool_M_D=evidence.pool_M_D[:TRUST_POOL])
    names = evidence.has_names and _are_names_of_use(quick)
    return _best(quick, [Trust(names, share) for share in (POOL_SHARES if has_pool else (0.0,))])


def _are_names_of_use(evidence: Evidence) -> bool:
    """Whether names beat chance surely, or so far that held-out texts can decide."""
    over = _names_over_chance(evidence)
    if not MAYBE_OVER < over <= SURELY_OVER:
        return over > SURELY_OVER
    with_and_without_2 = _right_of_each(evidence, [Trust(True, 0.0), Trust(False, 0.0)]).sum(axis=1)
    return bool(with_and_without_2[0] > with_and_without_2[1])


def _names_over_chance(evidence: Evidence) -> float:
    """By how many standard errors names alone give labelled texts more probability of their labels than chance does."""
    said_L_C = proba(evidence.labelled_L_D, evidence.names_C_D)
    chance = 1 / np.count_nonzero(evidence.names_C_D.any(axis=1))
    over_L = _probability_of_labels(said_L_C, evidence.targets_L_C) - chance
    error = over_L.std(ddof=1) / np.sqrt(len(over_L))
    return float(over_L.mean() / max(error, 1e-9))


def _best(evidence: Evidence, options: Sequence[Trust]) -> Trust:
    """The first, unless others are better by more than a standard error: then the best of those."""
    if len(options) == 1:
        return options[0]
    right_O_L = _right_of_each(evidence, options)
    gained_O_L = right_O_L - right_O_L[0]
    error_O = gained_O_L.std(axis=1, ddof=1) / np.sqrt(gained_O_L.shape[1])
    gained_O = np.where(gained_O_L.mean(axis=1) > error_O, gained_O_L.mean(axis=1), 0.0)
    return options[int(np.argmax(gained_O))]


def _right_of_each(evidence: Evidence, options: Sequence[Trust]) -> FloatArray:
    """Probability that held-out texts get their labels under each of O choices, right_O_L; texts in order of folds."""
    folds = deal_folds(evidence.targets_L_C, TRUST_FOLDS, np.random.default_rng(0))
    return np.stack([np.concatenate([_right(evidence, rows_F, trust) for rows_F in folds]) for trust in options])


def _right(evidence: Evidence, rows_F: IntArray, trust: Trust) -> FloatArray:
    """Probability of each held-out text on its own labels, right_F."""
    proba_F_C = proba(evidence.labelled_L_D[rows_F], prototypes(evidence.without(rows_F), trust))
    return _probability_of_labels(proba_F_C, evidence.targets_L_C[rows_F])


def _probability_of_labels(proba_N_C: FloatArray, targets_N_C: FloatArray) -> FloatArray:
    """Probability of a draw among a text's own labels, right_N; 0 for a text without a label."""
    return np.asarray((proba_N_C * targets_N_C).sum(axis=1) / np.maximum(targets_N_C.sum(axis=1), 1e-12))


def surest(proba_M_C: FloatArray, texts: int) -> IntArray:
    """Rows of the texts that are surest of their likeliest class, rows_S, as many of each class as can be.

    Args:
        proba_M_C: what is said of M texts; a row of zeros says nothing and is left out.
        texts: how many rows at most.
    """
    class_M, sure_M = proba_M_C.argmax(axis=1), proba_M_C.max(axis=1)
    rows_M = np.argsort(-sure_M, kind="stable")
    rows_M = rows_M[sure_M[rows_M] > 0]
    # A text's place among those of its class decides before its probability does.
    place_M = _places_in_class(class_M[rows_M])
    return np.asarray(rows_M[np.argsort(place_M, kind="stable")][:texts])


def _places_in_class(class_M: IntArray) -> IntArray:
    """How many earlier rows are of the same class."""
    place_M = np.zeros(len(class_M), dtype=np.int64)
    for row_class in np.unique(class_M):
        same_M: BoolArray = class_M == row_class
        place_M[same_M] = np.arange(np.count_nonzero(same_M))
    return place_M
