"""Labels that look wrong: confident learning on out-of-fold probabilities (Northcutt, Jiang and Chuang, 2021).

"Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 70: the confident joint (section 3.1) says how many
labels are wrong, self-confidence (section 3.2, "prune by class") says which. Deviation: errors are counted for all
classes together, since a class has few labels. Ranking by the margin to the likeliest class found fewer flipped labels:
of 13 flipped among 256 of Banking77, 8.6 were among the first 20 instead of 12.4. The package of the paper's authors,
cleanlab, is under the AGPL.
"""

from dataclasses import dataclass

import numpy as np

from model.learner.held_out import HeldOutAnswers
from model.types import FloatArray, IntArray

# Most suspects that are kept for a question: after somebody looked at these, a training finds others.
MOST_SUSPECTS = 50


@dataclass(frozen=True)
class Suspect:
    """A text whose label looks wrong.

    Attributes:
        task_id: the task.
        given: the label that people gave; with several labels a text, the one label that looks wrong.
        is_given: people gave the label; False: they did not, and the classifier would.
        suggested: the label that the classifier gives; empty if texts may have several labels.
        given_proba: out-of-fold probability of people's answer.
        suggested_proba: out-of-fold probability of the classifier's answer.
    """

    task_id: int
    given: str
    is_given: bool
    suggested: str
    given_proba: float
    suggested_proba: float


def find_label_errors(answers: HeldOutAnswers, most: int = MOST_SUSPECTS) -> tuple[Suspect, ...]:
    """Find texts whose label looks wrong, the likeliest error first.

    Args:
        answers: of M texts; texts on which people are evenly split are left out.
        most: upper limit on the number of suspects.
    """
    if answers.label_set.is_multilabel:
        return _of_several(answers, most)
    rows_S = np.flatnonzero(answers.targets_M_C.max(axis=1, initial=0.0) > 1 / 2)
    proba_S_C, given_S = answers.proba_M_C[rows_S], answers.targets_M_C[rows_S].argmax(axis=1)
    labels, likeliest_S = answers.label_set.labels, proba_S_C.argmax(axis=1)
    return tuple(
        Suspect(
            task_id=int(answers.task_ids_M[rows_S[place]]),
            given=labels[given_S[place]],
            is_given=True,
            suggested=labels[likeliest_S[place]],
            given_proba=float(proba_S_C[place, given_S[place]]),
            suggested_proba=float(proba_S_C[place, likeliest_S[place]]),
        )
        for place in least_confident(proba_S_C, given_S)[:most].tolist()
    )


def least_confident(proba_N_C: FloatArray, given_N: IntArray) -> IntArray:
    """Find the rows of texts whose given class looks wrong, the least likely given class first.

    These are as many texts as the confident joint counts, all with another class that is likelier.

    Args:
        proba_N_C: out-of-fold probabilities.
        given_N: positions of the given classes.
    """
    own_N = proba_N_C[np.arange(len(given_N)), given_N]
    wrong_S = np.flatnonzero(proba_N_C.argmax(axis=1) != given_N) if len(given_N) else given_N
    ranked_S = wrong_S[np.argsort(own_N[wrong_S], kind="stable")]
    return ranked_S[: count_errors(proba_N_C, given_N)]


def count_errors(proba_N_C: FloatArray, given_N: IntArray) -> int:
    """Count the texts that confidently belong to another class than the given one, by the confident joint (eq. 1).

    A class is confident for a text if its probability reaches the class's mean probability on the texts to which it was
    given: a rare or hard class has a lower threshold. Among several confident classes the likeliest counts.

    Args:
        proba_N_C: out-of-fold probabilities.
        given_N: positions of the given classes.
    """
    if not len(given_N):
        return 0
    counts_C = np.bincount(given_N, minlength=proba_N_C.shape[1])
    own_N = proba_N_C[np.arange(len(given_N)), given_N]
    sums_C = np.bincount(given_N, weights=own_N, minlength=len(counts_C))
    # A class that was given to no text has no threshold, and is never confident.
    threshold_C = np.where(counts_C > 0, sums_C / np.maximum(counts_C, 1), np.inf)
    confident_N_C = np.where(proba_N_C >= threshold_C, proba_N_C, -1.0)
    is_other_N = (confident_N_C.argmax(axis=1) != given_N) & (confident_N_C.max(axis=1) >= 0)
    return int(is_other_N.sum())


def _of_several(answers: HeldOutAnswers, most: int) -> tuple[Suspect, ...]:
    """Find suspects where each label of each text is a question of its own, with the answers yes and no."""
    found: list[Suspect] = []
    for place, label in enumerate(answers.label_set.labels):
        share_M, proba_M = answers.targets_M_C[:, place], answers.proba_M_C[:, place]
        rows_S = np.flatnonzero(np.abs(share_M - 1 / 2) > 1e-6)
        given_S = (share_M[rows_S] > 1 / 2).astype(np.int64)
        proba_S_2 = np.stack([1 - proba_M[rows_S], proba_M[rows_S]], axis=1)
        for at in least_confident(proba_S_2, given_S).tolist():
            is_given = bool(given_S[at])
            own, other = float(proba_S_2[at, int(is_given)]), float(proba_S_2[at, int(not is_given)])
            found.append(Suspect(int(answers.task_ids_M[rows_S[at]]), label, is_given, "", own, other))
    return tuple(sorted(found, key=lambda suspect: suspect.given_proba)[:most])
