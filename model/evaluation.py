"""How good predictions are, against gold labels."""

import numpy as np
from sklearn.metrics import accuracy_score, f1_score

from model.types import FloatArray


def accuracy(proba_N_C: FloatArray, targets_N_C: FloatArray) -> float:
    """Share of texts whose likeliest class is the gold one, in [0, 1]; one choice a text."""
    return float(accuracy_score(np.argmax(targets_N_C, axis=1), np.argmax(proba_N_C, axis=1)))


def macro_f1(proba_N_C: FloatArray, targets_N_C: FloatArray) -> float:
    """F1 averaged over the classes that occur in the gold labels, in [0, 1]; one choice a text."""
    gold_N = np.argmax(targets_N_C, axis=1)
    labels = np.unique(gold_N)
    return float(f1_score(gold_N, np.argmax(proba_N_C, axis=1), labels=labels, average="macro", zero_division=0.0))


def majority_share(targets_N_C: FloatArray) -> float:
    """Accuracy of always answering the commonest class: the bar that any classifier has to clear."""
    return float(np.bincount(np.argmax(targets_N_C, axis=1)).max() / len(targets_N_C))
