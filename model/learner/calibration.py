"""Probabilities that mean what they say: one temperature, found on predictions of texts that were not trained on."""

import numpy as np

from model.types import FloatArray

# Logits are divided by one of these; past them, a fit on few texts is chance.
TEMPERATURES = np.geomspace(0.2, 5.0, 65)
# How far log temperatures stray from 0 before anything was measured: with few texts a fit stays near 1.
LOG_TEMPERATURE_SPREAD = 0.5


def fit_temperature(logits_N_C: FloatArray, targets_N_C: FloatArray, *, is_multilabel: bool) -> float:
    """Find the temperature under which held-out targets are likeliest (Guo et al., 2017, section 4.2).

    Deviation: a normal prior on the log temperature, worth less the more texts there are.

    Args:
        logits_N_C: out-of-fold logits.
        targets_N_C: shares in [0, 1] of the same texts.
        is_multilabel: whether every class is a question of its own.

    Returns:
        What logits are to be divided by; above 1 makes them less sure. 1 if there are no texts.
    """
    surprise_T = [_surprise(logits_N_C / heat, targets_N_C, is_multilabel) for heat in TEMPERATURES]
    prior_T = (np.log(TEMPERATURES) / LOG_TEMPERATURE_SPREAD) ** 2 / 2
    return float(TEMPERATURES[np.argmin(surprise_T + prior_T)])


def _surprise(logits_N_C: FloatArray, targets_N_C: FloatArray, is_multilabel: bool) -> float:
    """Negative log likelihood of the targets, summed over texts, in nats."""
    if is_multilabel:
        return float((np.logaddexp(0, logits_N_C) - targets_N_C * logits_N_C).sum())
    log_total_N = np.logaddexp.reduce(logits_N_C.astype(float), axis=1)
    return float((log_total_N - (targets_N_C * logits_N_C).sum(axis=1)).sum())
