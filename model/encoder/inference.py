"""Embeddings and class probabilities of texts, in batches."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext

import numpy as np
import torch
from torch import nn

from model.encoder.classifier import TextClassifier
from model.encoder.processor import is_bf16_native, mixed_precision
from model.encoder.torch_runtime.lanes import MOST_LANES, side_by_side
from model.progress import Progress, ignore_progress
from model.types import BoolArray, FloatArray, IntArray, Scored

# Tokens of a batch, padding included: a larger batch leaves a CPU's caches, a smaller one leaves a GPU idle.
# Batches of 64 texts of any length took a CPU 1.6 times as long over news, and as long over short questions.
CPU_BATCH_TOKENS, GPU_BATCH_TOKENS = 768, 16_384
# Near the end each batch takes an eighth of the remaining tokens, so that all cores end together; the smallest batches
# are a tenth slower per token.
SMALLEST_BATCH_TOKENS, BATCHES_LEFT = 256, 8
# Number of texts that are tokenized at once: memory holds their tokens.
BLOCK_TEXTS = 4096
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
    embeddings_N_D = embed_texts(classifier, texts, on_progress)
    return Scored(head_proba(classifier, classifier.head, embeddings_N_D), embeddings_N_D)


def head_proba(classifier: TextClassifier, head: nn.Linear, embeddings_N_D: FloatArray) -> FloatArray:
    """Class probabilities by a head, the classifier's own or another, at the classifier's temperature: proba_N_C."""
    proba_N_C: FloatArray = classifier.proba(torch.from_numpy(head_logits(head, embeddings_N_D))).numpy()
    return proba_N_C


def head_logits(head: nn.Linear, embeddings_N_D: FloatArray) -> FloatArray:
    """The head's output before any temperature: logits_N_C."""
    with torch.inference_mode():
        logits_N_C: FloatArray = head(torch.from_numpy(embeddings_N_D).to(head.weight.device)).cpu().numpy()
    return logits_N_C


def embed_pool(classifier: TextClassifier, texts: Sequence[str], on_progress: Progress = ignore_progress) -> FloatArray:
    """Embed many texts faster than `embed_texts`; every text keeps the class that `embed_texts` would lead to.

    Where the device multiplies bf16 itself, it reads 1.5 times as many texts a second in bf16; a text near a tie
    between classes is then read again in fp32. Embeddings differ by half a percent from those of `embed_texts`. On
    other devices this is `embed_texts`.

    Args:
        classifier: a trained classifier; its head finds the texts near a tie.
        texts: N texts; may be empty.
        on_progress: called with (texts done, N) after every batch, batches of the second reading included.

    Returns:
        embeddings_N_D, float32, in the order of `texts`.
    """
    if not is_bf16_native(classifier.device):
        return embed_texts(classifier, texts, on_progress)
    embeddings_N_D = embed_texts(classifier, texts, on_progress, is_mixed=True)
    near_M = np.flatnonzero(_is_near_tie(classifier, head_proba(classifier, classifier.head, embeddings_N_D)))
    near = [texts[row] for row in near_M]
    embeddings_N_D[near_M] = embed_texts(classifier, near, lambda *_: on_progress(len(texts), len(texts)))
    return embeddings_N_D


def _is_near_tie(classifier: TextClassifier, proba_N_C: FloatArray) -> BoolArray:
    """Whether a change of NEAR_TIE would turn a text's label, or with several labels any of them: is_near_N."""
    return np.asarray(classifier.link.near_tie(proba_N_C) < NEAR_TIE)


def embed_texts(
    classifier: TextClassifier,
    texts: Sequence[str],
    on_progress: Progress = ignore_progress,
    *,
    is_mixed: bool = False,
) -> FloatArray:
    """Embed texts by the encoder's pooled output.

    A text longer than the encoder's window gets the mean over its pieces, weighted by their length.

    Args:
        classifier: provides encoder, tokenizer and pooling; its head is not used.
        texts: N texts; may be empty.
        on_progress: called with (texts done, N) after every batch.
        is_mixed: whether to compute in bf16 where the device multiplies it itself; else in fp32.

    Returns:
        embeddings_N_D, float32, in the order of `texts`.
    """
    classifier.eval()
    embeddings_N_D = np.zeros((len(texts), classifier.head.in_features), dtype=np.float32)
    by_length_N = sorted(range(len(texts)), key=lambda row: -len(texts[row]))
    for start in range(0, len(texts), BLOCK_TEXTS):
        rows = by_length_N[start : start + BLOCK_TEXTS]
        on_batch = _onwards(start, len(texts), on_progress)
        embeddings_N_D[rows] = _embed_block(classifier, [texts[row] for row in rows], on_batch, is_mixed=is_mixed)
    return embeddings_N_D


def _onwards(before: int, total: int, on_progress: Progress) -> Progress:
    """Turn progress within one block into progress over all texts."""
    return lambda done, _: on_progress(before + done, total)


def _embed_block(classifier: TextClassifier, texts: list[str], on_progress: Progress, *, is_mixed: bool) -> FloatArray:
    token_ids, owner_M = classifier.chunk(texts)
    pieces_M_D = np.zeros((len(token_ids), classifier.head.in_features), dtype=np.float32)
    done = 0

    def embed_batch(rows: list[int]) -> FloatArray:
        return _embed_batch(classifier, [token_ids[row] for row in rows], is_mixed=is_mixed)

    def on_batch(rows: list[int], pieces_B_D: FloatArray) -> None:
        nonlocal done
        pieces_M_D[rows] = pieces_B_D
        done += len(rows)
        on_progress(done * len(texts) // len(token_ids), len(texts))

    is_cpu = classifier.device.type == "cpu"
    sizes = (CPU_BATCH_TOKENS, SMALLEST_BATCH_TOKENS) if is_cpu else (GPU_BATCH_TOKENS, None)
    side_by_side(embed_batch, list(batches_by_length(token_ids, *sizes)), on_batch, MOST_LANES if is_cpu else 1)
    return _mean_by_length(pieces_M_D, token_ids, np.array(owner_M, dtype=np.int64), len(texts))


def _embed_batch(classifier: TextClassifier, token_ids: list[list[int]], *, is_mixed: bool) -> FloatArray:
    with torch.inference_mode():
        batch = classifier.pad(token_ids)
        with mixed_precision(classifier.device) if is_mixed else nullcontext():
            hidden_B_T_D = classifier.encoder(**batch).last_hidden_state
        # Hidden states may be bf16; the mean over tokens is taken in fp32.
        pieces_B_D: FloatArray = classifier.pool(hidden_B_T_D.float(), batch["attention_mask"]).cpu().numpy()
    return pieces_B_D


def _mean_by_length(
    pieces_M_D: FloatArray, token_ids: Sequence[Sequence[int]], owner_M: IntArray, texts: int
) -> FloatArray:
    """Average the embeddings of each text's pieces, weighted by tokens: embeddings_N_D."""
    tokens_M = np.array([len(ids) for ids in token_ids], dtype=np.float32)
    share_M = tokens_M / np.bincount(owner_M, weights=tokens_M, minlength=texts)[owner_M]
    embeddings_N_D = np.zeros((texts, pieces_M_D.shape[1]), dtype=np.float32)
    np.add.at(embeddings_N_D, owner_M, pieces_M_D * share_M[:, None].astype(np.float32))
    return embeddings_N_D


def batches_by_length(
    token_ids: Sequence[Sequence[int]], batch_tokens: int, smallest_tokens: int | None = None
) -> Iterator[list[int]]:
    """Put rows into batches of like length: little padding, the longest first, so that too little memory shows early.

    Args:
        token_ids: token ids of M pieces of texts.
        batch_tokens: upper limit on tokens in a batch, padding included; a longer piece is a batch of its own.
        smallest_tokens: lower limit on the batches that shrink near the end; None: batches do not shrink.
    """
    rows = sorted(range(len(token_ids)), key=lambda row: -len(token_ids[row]))
    left = sum(map(len, token_ids))
    start = 0
    while start < len(rows):
        wanted = batch_tokens if smallest_tokens is None else max(smallest_tokens, left // BATCHES_LEFT)
        size = max(1, min(batch_tokens, wanted) // max(1, len(token_ids[rows[start]])))
        batch = rows[start : start + size]
        yield batch
        left -= sum(len(token_ids[row]) for row in batch)
        start += size
