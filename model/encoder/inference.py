"""Batched probabilities and embeddings."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext

import numpy as np
import torch
from torch import nn

from model.encoder.bert import TextClassifier
from model.encoder.lanes import MOST_LANES, side_by_side
from model.encoder.processor import is_bf16_native, mixed_precision
from model.progress import Progress, ignore_progress
from model.types import BoolArray, FloatArray, IntArray, Scored

# Tokens of a batch, padding included: on a processor more would leave its caches, on a GPU fewer would leave it idle.
# Batches of 64 texts, whatever their length, took a processor 1.6 times as long over news, and as long over questions.
CPU_BATCH_TOKENS, GPU_BATCH_TOKENS = 768, 16_384
# Towards the end each batch is an eighth of what is left, so that cores end together; the smallest are nine tenths as
# fast a token.
SMALLEST_BATCH_TOKENS, BATCHES_LEFT = 256, 8
# Texts whose tokens are in memory at once.
BLOCK_TEXTS = 4096
# A text whose two likeliest classes are nearer than this is read in fp32. Of four classifiers over 2,000 texts each,
# bf16 moved a probability by 0.02 at most, and turned decisions by less than 0.005 alone.
NEAR_TIE = 0.02


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


def embed_pool(classifier: TextClassifier, texts: Sequence[str], on_progress: Progress = ignore_progress) -> FloatArray:
    """`embed_texts` for many texts: half as long again a second, and every text gets the class it would have got.

    Where the device multiplies bf16 itself, texts are read in it, and those that the classifier's head is in two minds
    about once more in fp32. Embeddings differ by half a percent; elsewhere not at all.

    Args:
        classifier: a trained one: its head says where precision matters.
        texts: N texts; may be empty.
        on_progress: called with (texts done, N) after every batch, those read once more included.
    """
    if not is_bf16_native(classifier.device):
        return embed_texts(classifier, texts, on_progress)
    embeddings_N_D = embed_texts(classifier, texts, on_progress, is_mixed=True)
    near_M = np.flatnonzero(_is_near_tie(classifier, head_proba(classifier, classifier.head, embeddings_N_D)))
    near = [texts[row] for row in near_M]
    embeddings_N_D[near_M] = embed_texts(classifier, near, lambda *_: on_progress(len(texts), len(texts)))
    return embeddings_N_D


def _is_near_tie(classifier: TextClassifier, proba_N_C: FloatArray) -> BoolArray:
    """Whether so little would turn a text's label, or with several any of them: is_near_N."""
    if classifier.config.is_multilabel:
        # From 1/2 on a label holds; a label and its opposite are two classes.
        return np.asarray((np.abs(2 * proba_N_C - 1) < NEAR_TIE).any(axis=1))
    if proba_N_C.shape[1] < 2:
        return np.zeros(len(proba_N_C), dtype=np.bool_)
    top2_N_2 = np.partition(proba_N_C, -2, axis=1)[:, -2:]
    return np.asarray(top2_N_2[:, 1] - top2_N_2[:, 0] < NEAR_TIE)


def embed_texts(
    classifier: TextClassifier,
    texts: Sequence[str],
    on_progress: Progress = ignore_progress,
    *,
    is_mixed: bool = False,
) -> FloatArray:
    """The encoder's pooled output: embeddings_N_D, float32, in the order of `texts`.

    A text longer than the encoder's window gets the mean over its pieces, weighted by their length.

    Args:
        classifier: its encoder, tokenizer and pooling.
        texts: N texts; may be empty.
        on_progress: called with (texts done, N) after every batch.
        is_mixed: whether in bf16, where the device multiplies it itself; else in fp32.
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
    """Progress within a block as progress of the whole."""
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
        # The mean over tokens in fp32 whatever they come in.
        pieces_B_D: FloatArray = classifier.pool(hidden_B_T_D.float(), batch["attention_mask"]).cpu().numpy()
    return pieces_B_D


def _mean_by_length(
    pieces_M_D: FloatArray, token_ids: Sequence[Sequence[int]], owner_M: IntArray, texts: int
) -> FloatArray:
    """embeddings_N_D of texts from those of their pieces, weighted by tokens."""
    tokens_M = np.array([len(ids) for ids in token_ids], dtype=np.float32)
    share_M = tokens_M / np.bincount(owner_M, weights=tokens_M, minlength=texts)[owner_M]
    embeddings_N_D = np.zeros((texts, pieces_M_D.shape[1]), dtype=np.float32)
    np.add.at(embeddings_N_D, owner_M, pieces_M_D * share_M[:, None].astype(np.float32))
    return embeddings_N_D


def batches_by_length(
    token_ids: Sequence[Sequence[int]], batch_tokens: int, smallest_tokens: int | None = None
) -> Iterator[list[int]]:
    """Rows in batches of like length, so that little is padding; the longest come first, so that memory shows early.

    Args:
        token_ids: of M pieces of texts.
        batch_tokens: so many in a batch at most, padding included.
        smallest_tokens: how small batches may get towards the end, an eighth of what is left each; None: they do not.
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
