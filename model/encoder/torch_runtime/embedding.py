"""Embeddings and token states of many texts: batches of like length, each on a core of its own."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from model.encoder.encoder import TokenStates
from model.encoder.processor import mixed_precision
from model.encoder.torch_runtime.body import Body
from model.encoder.torch_runtime.lanes import MOST_LANES, side_by_side
from model.progress import Progress, ignore_progress
from model.types import FloatArray, IntArray

# Tokens of a batch, padding included: a larger batch leaves a CPU's caches, a smaller one leaves a GPU idle.
# Batches of 64 texts of any length took a CPU 1.6 times as long over news, and as long over short questions.
CPU_BATCH_TOKENS, GPU_BATCH_TOKENS = 768, 16_384
# Near the end each batch takes an eighth of the remaining tokens, so that all cores end together; the smallest batches
# are a tenth slower per token.
SMALLEST_BATCH_TOKENS, BATCHES_LEFT = 256, 8
# Number of texts that are tokenized at once: memory holds their tokens.
BLOCK_TEXTS = 4096

T = TypeVar("T")


def embed_texts(
    body: Body, texts: Sequence[str], on_progress: Progress = ignore_progress, *, is_mixed: bool = False
) -> FloatArray:
    """Embed texts; arguments and result as of `Encoder.embed`. `is_mixed` computes in bf16 where the device does."""
    embeddings_N_D = np.zeros((len(texts), body.dimensions), dtype=np.float32)
    by_length_N = sorted(range(len(texts)), key=lambda row: -len(texts[row]))
    for start in range(0, len(texts), BLOCK_TEXTS):
        rows = by_length_N[start : start + BLOCK_TEXTS]
        on_batch = _onwards(start, len(texts), on_progress)
        embeddings_N_D[rows] = _embed_block(body, [texts[row] for row in rows], on_batch, is_mixed=is_mixed)
    return embeddings_N_D


def _onwards(before: int, total: int, on_progress: Progress) -> Progress:
    """Turn progress within one block into progress over all texts."""
    return lambda done, _: on_progress(before + done, total)


def _embed_block(body: Body, texts: list[str], on_progress: Progress, *, is_mixed: bool) -> FloatArray:
    token_ids, owner_M = body.chunk(texts)
    pieces_M_D = np.zeros((len(token_ids), body.dimensions), dtype=np.float32)
    done = 0

    def embed_batch(rows: list[int]) -> FloatArray:
        return _embed_batch(body, [token_ids[row] for row in rows], is_mixed=is_mixed)

    def on_batch(rows: list[int], pieces_B_D: FloatArray) -> None:
        nonlocal done
        pieces_M_D[rows] = pieces_B_D
        done += len(rows)
        on_progress(done * len(texts) // len(token_ids), len(texts))

    _in_batches(body, token_ids, embed_batch, on_batch)
    return _mean_by_length(pieces_M_D, token_ids, np.array(owner_M, dtype=np.int64), len(texts))


def _in_batches(
    body: Body,
    token_ids: Sequence[Sequence[int]],
    work: Callable[[list[int]], T],
    on_batch: Callable[[list[int], T], object],
) -> None:
    """Work on batches of rows of like length, on a CPU each on a core of its own."""
    is_cpu = body.device.type == "cpu"
    sizes = (CPU_BATCH_TOKENS, SMALLEST_BATCH_TOKENS) if is_cpu else (GPU_BATCH_TOKENS, None)
    side_by_side(work, list(batches_by_length(token_ids, *sizes)), on_batch, MOST_LANES if is_cpu else 1)


def _embed_batch(body: Body, token_ids: list[list[int]], *, is_mixed: bool) -> FloatArray:
    with torch.inference_mode():
        batch = body.pad(token_ids)
        # The mean over tokens is taken in fp32.
        hidden_B_T_D = _hidden(body, batch, is_mixed=is_mixed)
        pieces_B_D: FloatArray = body.pool(hidden_B_T_D, batch["attention_mask"]).cpu().numpy()
    return pieces_B_D


def _hidden(body: Body, batch: dict[str, Tensor], *, is_mixed: bool) -> Tensor:
    """The last hidden states of a batch, hidden_B_T_D, in fp32 even where they were computed in bf16."""
    with mixed_precision(body.device) if is_mixed else nullcontext():
        hidden_B_T_D: Tensor = body.module(**batch).last_hidden_state
    return hidden_B_T_D.float()


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


def token_states(body: Body, texts: Sequence[str]) -> list[TokenStates]:
    """States of the tokens of N texts; errors as of `Encoder.token_states`."""
    found: list[TokenStates] = []
    for start in range(0, len(texts), BLOCK_TEXTS):
        found.extend(_states_of_block(body, list(texts[start : start + BLOCK_TEXTS])))
    return found


def _states_of_block(body: Body, texts: list[str]) -> Iterator[TokenStates]:
    pieces = list(body.pieces(texts, has_spans=True))
    token_ids = [piece.token_ids for piece in pieces]
    states: list[FloatArray] = [np.zeros((0, body.dimensions), dtype=np.float32)] * len(pieces)

    def read(rows: list[int]) -> list[FloatArray]:
        return _states_of_batch(body, [token_ids[row] for row in rows])

    def on_batch(rows: list[int], found: list[FloatArray]) -> None:
        for row, states_T_D in zip(rows, found, strict=True):
            states[row] = states_T_D

    _in_batches(body, token_ids, read, on_batch)
    rows_of: list[list[int]] = [[] for _ in texts]
    for row, piece in enumerate(pieces):
        rows_of[piece.text].append(row)
    for rows in rows_of:
        spans = [span for row in rows for span in pieces[row].spans]
        yield TokenStates(np.concatenate([states[row] for row in rows]), np.array(spans, dtype=np.int64).reshape(-1, 2))


def _states_of_batch(body: Body, token_ids: list[list[int]]) -> list[FloatArray]:
    with torch.inference_mode():
        batch = body.pad(token_ids)
        hidden_B_T_D = _hidden(body, batch, is_mixed=False)
        return [
            hidden_T_D[mask_T.bool()].cpu().numpy()
            for hidden_T_D, mask_T in zip(hidden_B_T_D, batch["attention_mask"], strict=True)
        ]
