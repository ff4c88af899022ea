"""Calibration: predict texts that a classifier was not trained on, and find one temperature on these predictions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from model.encoder.classifier import TextClassifier
from model.encoder.inference import head_logits
from model.learner.evaluation import Evaluation, Measure
from model.learner.fitting import Fitter
from model.learner.held_out import HeldOutAnswers
from model.learner.recipes import Plan, count_steps
from model.links import ONE_OF, Link, link_of
from model.types import FloatArray, IntArray, Targets

# The temperatures that are tried; beyond them, a fit on few texts is chance.
TEMPERATURES = np.geomspace(0.2, 5.0, 65)
# Standard deviation of the prior on log temperatures: with few texts a fit stays near a temperature of 1.
LOG_TEMPERATURE_SPREAD = 0.5


@dataclass(frozen=True)
class HeldOut:
    """Predictions of M held-out texts, each by a classifier that was not trained on the text.

    Attributes:
        logits_M_C: before any temperature; M is 0 without folds.
        targets_M_C: shares of the same texts.
        rows_M: the texts, as rows of all labelled texts.
        link: the meaning of the logits.
    """

    logits_M_C: FloatArray
    targets_M_C: FloatArray
    rows_M: IntArray
    link: Link

    def fit_temperature(self) -> float:
        """Find the temperature under which the shares are likeliest; 1 without texts."""
        return fit_temperature(self.logits_M_C, self.targets_M_C, self.link)

    def evaluate(self, classifier: TextClassifier, measure: Measure) -> Evaluation | None:
        """Evaluate the predictions at the classifier's temperature; None without texts."""
        if not len(self.targets_M_C):
            return None
        return measure(self._proba(classifier), self.targets_M_C)

    def answers(self, classifier: TextClassifier, targets: Targets) -> HeldOutAnswers | None:
        """The predictions at the classifier's temperature, with the tasks that they belong to; None without texts."""
        if not len(self.targets_M_C):
            return None
        task_ids_M = np.array(targets.task_ids, dtype=np.int64)[self.rows_M]
        return HeldOutAnswers(task_ids_M, self.targets_M_C, self._proba(classifier), targets.label_set)

    def _proba(self, classifier: TextClassifier) -> FloatArray:
        proba_M_C: FloatArray = classifier.proba(torch.from_numpy(self.logits_M_C)).numpy()
        return proba_M_C


def predict_out_of_fold(fitter: Fitter, folds: Sequence[IntArray], plans: Sequence[Plan]) -> HeldOut:
    """Train a classifier without each fold, and predict the fold by it.

    Args:
        fitter: trains on rows of the targets.
        folds: rows of each part that is held out.
        plans: the plan of each fold's classifier.
    """
    targets = fitter.material.data.targets
    logits: list[FloatArray] = []
    for rows_M, plan in zip(folds, plans, strict=True):
        others = np.setdiff1d(np.arange(len(targets)), rows_M)
        # Without weak texts: the LLM that labelled them was shown labels that are held out here.
        classifier = fitter.fit(others, plan, with_weak=False).classifier
        logits.append(head_logits(classifier.head, _embed(fitter, classifier, rows_M, is_tuned=count_steps(plan) > 0)))
    rows_M = np.concatenate(folds) if folds else np.zeros(0, dtype=int)
    logits_M_C = np.concatenate(logits) if logits else np.zeros((0, targets.targets_N_C.shape[1]))
    return HeldOut(logits_M_C, targets.targets_N_C[rows_M], rows_M, link_of(targets.label_set))


def _embed(fitter: Fitter, classifier: TextClassifier, rows_M: IntArray, *, is_tuned: bool) -> FloatArray:
    """Embeddings of held-out texts; an encoder that was not tuned has embedded them already."""
    material = fitter.material
    if not is_tuned:
        return material.targets_N_D[rows_M]
    return classifier.encoder.embed(material.data.targets.some(rows_M).texts)


def fit_temperature(logits_N_C: FloatArray, targets_N_C: FloatArray, link: Link = ONE_OF) -> float:
    """Find the temperature under which held-out targets are likeliest (Guo et al., 2017, section 4.2).

    Deviation: a normal prior on the log temperature, which counts the less, the more texts there are.

    Args:
        logits_N_C: out-of-fold logits.
        targets_N_C: shares in [0, 1] of the same texts.
        link: the meaning of the logits.

    Returns:
        The number to divide logits by; above 1 makes probabilities less sure. 1 if there are no texts.
    """
    losses_T = [link.negative_log_likelihood(logits_N_C / temperature, targets_N_C) for temperature in TEMPERATURES]
    prior_T = (np.log(TEMPERATURES) / LOG_TEMPERATURE_SPREAD) ** 2 / 2
    return float(TEMPERATURES[np.argmin(losses_T + prior_T)])
