"""Embeddings and class probabilities of texts, by a classifier."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from model.encoder.classifier import TextClassifier
from model.progress import Progress, ignore_progress
from model.types import BoolArray, FloatArray, Scored

# A text is read in fp32 where its two likeliest classes are nearer than this. With four classifiers and 2,000 texts
# each, bf16 moved a probability by at most 0.02, and turned no decision whose classes were 0.005 or more apart.
NEAR_TIE = 0.02


def score_texts(classifier: TextClassifier, texts: Sequence[str], on_progress: Progress = ignore_progress) -> Scored:
    """Compute probabilities and embeddings of N texts.

    Args:
        classifier: a trained classifier.
        texts: N texts; may be empty.
        on_progress: called with (texts done, N) after every batch.

    Returns:
        proba_N_C and embeddings_N_D, in the order of `texts`.
    """
    embeddings_N_D = classifier.encoder.embed(texts, on_progress)
    return Scored(head_proba(classifier, classifier.head, embeddings_N_D), embeddings_N_D)


def head_proba(classifier: TextClassifier, head: nn.Linear, embeddings_N_D: FloatArray) -> FloatArray:
    """Class probabilities by a head, the classifier's own or another, at the classifier's temperature: proba_N_C."""
    proba_N_C: FloatArray = classifier.proba(torch.from_numpy(head_logits(head, embeddings_N_D))).numpy()
    return proba_N_C


def head_logits(head: nn.Linear, embeddings_N_D: FloatArray) -> FloatArray:
    """The head's output before any temperature: logits_N_C."""
    with torch.inference_mode():
        logits_N_C: FloatArray = head(torch.from_numpy(embeddings_N_D)).numpy()
    return logits_N_C


def embed_pool(classifier: TextClassifier, texts: Sequence[str], on_progress: Progress = ignore_progress) -> FloatArray:
    """Embed many texts faster than `Encoder.embed`; every text keeps the class that fp32 would lead to.

    Where the device multiplies bf16 itself, it reads 1.5 times as many texts a second in bf16; a text near a tie
    between classes is then read again in fp32. Embeddings differ by half a percent from those in fp32. Where
    less precision is not faster, this is `Encoder.embed`.

    Args:
        classifier: a trained classifier; its head finds the texts near a tie.
        texts: N texts; may be empty.
        on_progress: called with (texts done, N) after every batch, batches of the second reading included.

    Returns:
        embeddings_N_D, float32, in the order of `texts`.
    """
    if not classifier.encoder.is_mixed_faster:
        return classifier.encoder.embed(texts, on_progress)
    embeddings_N_D = classifier.encoder.embed(texts, on_progress, is_mixed=True)
    near_M = np.flatnonzero(_is_near_tie(classifier, head_proba(classifier, classifier.head, embeddings_N_D)))
    near = [texts[row] for row in near_M]
    embeddings_N_D[near_M] = classifier.encoder.embed(near, lambda *_: on_progress(len(texts), len(texts)))
    return embeddings_N_D


def _is_near_tie(classifier: TextClassifier, proba_N_C: FloatArray) -> BoolArray:
    """Whether a change of NEAR_TIE would turn a text's label, or with several labels any of them: is_near_N."""
    return np.asarray(classifier.link.near_tie(proba_N_C) < NEAR_TIE)
