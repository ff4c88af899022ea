"""Batched probabilities and embeddings."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import nn

from model.bert import TextClassifier
from model.types import FloatArray, Scored

BATCH_SIZE = 64

Progress = Callable[[int, int], None]


def ignore_progress(done: int, total: int) -> None:
    """The progress callback of those who do not look."""


def score_texts(classifier: TextClassifier, texts: Sequence[str], on_progress: Progress = ignore_progress) -> Scored:
    """Probabilities and embeddings of N texts.

    Args:
        classifier: a trained one.
        texts: N texts; may be empty.
        on_progress: called with (texts done, N) after every batch.

    Returns:
        Scored in the order of `texts`.
    """
    embeddings_N_D = embed_texts(classifier, texts, on_progress)
    return Scored(head_proba(classifier, classifier.head, embeddings_N_D), embeddings_N_D)


def head_proba(classifier: TextClassifier, head: nn.Linear, embeddings_N_D: FloatArray) -> FloatArray:
    """Class probabilities that a head, the classifier's own or another, gives to its embeddings: proba_N_C."""
    proba_N_C: FloatArray = classifier.proba(torch.from_numpy(head_logits(head, embeddings_N_D))).numpy()
    return proba_N_C


def head_logits(head: nn.Linear, embeddings_N_D: FloatArray) -> FloatArray:
    """What a head says of embeddings, before any temperature: logits_N_C."""
    with torch.inference_mode():
        logits_N_C: FloatArray = head(torch.from_numpy(embeddings_N_D).to(head.weight.device)).cpu().numpy()
    return logits_N_C


def embed_texts(
    classifier: TextClassifier, texts: Sequence[str], on_progress: Progress = ignore_progress
) -> FloatArray:
    """The encoder's pooled output: embeddings_N_D, float32, in the order of `texts`.

    A text longer than the encoder's window gets the mean over its pieces, weighted by their length.
    """
    classifier.eval()
    embeddings_N_D = np.zeros((len(texts), classifier.head.in_features), dtype=np.float32)
    token_ids, owner_M = classifier.chunk(list(texts)) if texts else ([], [])
    tokens_M = np.array([len(ids) for ids in token_ids], dtype=np.float32)
    share_M = tokens_M / np.bincount(owner_M, weights=tokens_M, minlength=len(texts))[owner_M] if owner_M else tokens_M
    done = 0
    with torch.inference_mode():
        for rows in _batches_by_length(token_ids):
            pieces_B_D = classifier.embed(classifier.pad([token_ids[row] for row in rows])).cpu().numpy()
            parts_B_D = pieces_B_D * share_M[rows, None].astype(np.float32)
            np.add.at(embeddings_N_D, [owner_M[row] for row in rows], parts_B_D)
            done += len(rows)
            on_progress(done * len(texts) // len(token_ids), len(texts))
    return embeddings_N_D


def _batches_by_length(token_ids: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Rows in batches of like length, so that little is padding; the longest first, so that memory shows early."""
    rows = sorted(range(len(token_ids)), key=lambda row: -len(token_ids[row]))
    for start in range(0, len(rows), BATCH_SIZE):
        yield rows[start : start + BATCH_SIZE]
