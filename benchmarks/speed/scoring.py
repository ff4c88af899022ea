"""Scoring speed against the machine's peak matrix multiplication, and the gain and loss of lower precision."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from model.encoder.classifier import TextClassifier
from model.encoder.inference import NEAR_TIE, embed_pool, head_proba
from model.encoder.torch_runtime.body import Body
from model.encoder.torch_runtime.torch_encoder import TorchEncoder
from model.learner.knowledge import know_nothing
from model.learner.refitting import HeadData, with_refitted_head
from model.types import FloatArray, LabelledEmbeddings, Targets

REPETITIONS = 3
# Labels given after the training; the head is fitted anew with them.
NEW_LABELS = 20
SHIPPED = f"bf16, margins below {NEAR_TIE} again in fp32"
_PEAK_SIDE, _PEAK_TIMES = 2048, 5


@dataclass(frozen=True)
class Share:
    """Scoring speed, and its share of the machine's matmul peak.

    Attributes:
        is_mixed: True: bf16, and fp32 for uncertain texts, as pools are scored; False: fp32.
        texts_per_s: texts per second with `threads` threads.
        gflops: speed of the matrix products of real tokens; padding does not count.
        peak_gflops: speed of products of large square matrices with the same threads and type, in the same run.
        tokenizing: share of the time spent before the first matrix product.
    """

    name: str
    is_mixed: bool
    threads: int
    texts_per_s: float
    gflops: float
    peak_gflops: float
    tokenizing: float

    @property
    def of_peak(self) -> float:
        """gflops / peak_gflops, in [0, 1]."""
        return self.gflops / self.peak_gflops


def share_of_peak(
    classifier: TextClassifier, name: str, texts: Sequence[str], threads: int, *, is_mixed: bool
) -> Share:
    """Score and multiply alternately; the figures are medians."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    body = _body(classifier)
    token_ids, _ = body.chunk(list(texts))
    embed = embed_pool if is_mixed else _embed_exactly
    dtype = torch.bfloat16 if is_mixed and classifier.encoder.is_mixed_faster else torch.float32
    scoring_s, peaks, tokenizing_s = [], [], []
    for _ in range(REPETITIONS):
        scoring_s.append(_seconds(lambda: embed(classifier, texts)))
        tokenizing_s.append(_seconds(lambda: body.chunk(list(texts))))
        peaks.append(_peak_gflops(dtype))
    torch.set_num_threads(before)
    taken_s = statistics.median(scoring_s)
    gflop = _flop(classifier, [len(ids) for ids in token_ids]) / 1e9
    share = statistics.median(tokenizing_s) / taken_s
    return Share(name, is_mixed, threads, len(texts) / taken_s, gflop / taken_s, statistics.median(peaks), share)


def _seconds(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def _peak_gflops(dtype: torch.dtype) -> float:
    left, right = torch.randn(2, _PEAK_SIDE, _PEAK_SIDE).to(dtype)
    times = [_seconds(lambda: torch.mm(left, right)) for _ in range(_PEAK_TIMES)]
    return float(2 * _PEAK_SIDE**3 / min(times) / 1e9)


def _flop(classifier: TextClassifier, lengths: Sequence[int]) -> float:
    """A layer's matrix products for a text of T tokens: four of D x D and two of D x F a token, two of T x T x D."""
    config = _body(classifier).module.config
    tokens, squares = sum(lengths), sum(length**2 for length in lengths)
    weights = 4 * config.hidden_size**2 + 2 * config.hidden_size * config.intermediate_size
    return float(2 * config.num_hidden_layers * (weights * tokens + 2 * config.hidden_size * squares))


def profile(classifier: TextClassifier, texts: Sequence[str]) -> list[tuple[str, float]]:
    """Shares of the time that one core spends in each kind of operation, the largest first."""
    before = torch.get_num_threads()
    # The profiler sees only this thread.
    torch.set_num_threads(1)
    activity = torch.profiler.ProfilerActivity.CPU
    with torch.inference_mode(), torch.profiler.profile(activities=[activity]) as profiled:
        embed_pool(classifier, texts)
    torch.set_num_threads(before)
    spent = {event.key: float(event.self_cpu_time_total) for event in profiled.key_averages()}
    total = sum(spent.values())
    return sorted(((name, time_us / total) for name, time_us in spent.items()), key=lambda one: -one[1])


@dataclass(frozen=True)
class Precision:
    """A precision for embedding texts, compared with fp32.

    Attributes:
        times_as_fast: speed as a multiple of fp32; None if another line has the figure.
        agreeing: share of texts with the same likeliest class as with fp32.
        furthest: the largest difference of a probability from fp32.
    """

    name: str
    times_as_fast: float | None
    agreeing: float
    furthest: float


def precisions(classifier: TextClassifier, labelled: Targets, unlabelled: Targets) -> list[Precision]:
    """Embed the same texts in every precision alternately; speeds are medians of the ratio to fp32 in the same turn.

    Args:
        classifier: trained on `labelled`.
        labelled: what a head is fitted on anew, with the first NEW_LABELS of the others.
        unlabelled: the texts to embed.
    """
    texts = unlabelled.texts
    ways = _ways(classifier)
    proba: dict[str, FloatArray] = {}
    ratios: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(REPETITIONS):
        began = time.monotonic()
        exact_N_D = classifier.encoder.embed(texts)
        exact_s = time.monotonic() - began
        for name, embed in ways.items():
            began = time.monotonic()
            embeddings_N_D = embed(texts)
            ratios[name].append(exact_s / (time.monotonic() - began))
            proba[name] = head_proba(classifier, classifier.head, embeddings_N_D)
    exact_N_C = head_proba(classifier, classifier.head, exact_N_D)
    stored_N_C = head_proba(classifier, classifier.head, exact_N_D.astype(np.float16).astype(np.float32))
    kept = _against("fp32, kept as fp16", 1.0, stored_N_C, exact_N_C)
    others = [_against(name, statistics.median(ratios[name]), proba[name], exact_N_C) for name in ways]
    refitted = [_refitted_proba(classifier, labelled, unlabelled, embed) for embed in (_embed_exactly, embed_pool)]
    return [kept, *others, _against(f"{SHIPPED}; a head fitted anew", None, refitted[1], refitted[0])]


def _refitted_proba(
    classifier: TextClassifier,
    labelled: Targets,
    unlabelled: Targets,
    embed: Callable[[TextClassifier, Sequence[str]], FloatArray],
) -> FloatArray:
    """Probabilities by a head fitted anew; as in a round, the trained head tells which embeddings need fp32."""
    texts = [*labelled.texts, *unlabelled.texts[:NEW_LABELS]]
    targets_L_C = np.concatenate([labelled.targets_N_C, unlabelled.targets_N_C[:NEW_LABELS]])
    labels = LabelledEmbeddings(embed(classifier, texts), targets_L_C)
    knowledge = know_nothing(*classifier.head.weight.shape)
    head = with_refitted_head(HeadData(classifier, labels, knowledge)).head
    return head_proba(classifier, head, embed(classifier, unlabelled.texts))


def _embed_exactly(classifier: TextClassifier, texts: Sequence[str]) -> FloatArray:
    return classifier.encoder.embed(texts)


def _body(classifier: TextClassifier) -> Body:
    """The PyTorch module of a classifier's encoder."""
    if not isinstance(classifier.encoder, TorchEncoder):
        raise TypeError("this benchmark looks into PyTorch's encoder")
    return classifier.encoder.body


def _against(name: str, times_as_fast: float | None, proba_N_C: FloatArray, exact_N_C: FloatArray) -> Precision:
    agreeing = float((proba_N_C.argmax(axis=1) == exact_N_C.argmax(axis=1)).mean())
    return Precision(name, times_as_fast, agreeing, float(np.abs(proba_N_C - exact_N_C).max()))


def _ways(classifier: TextClassifier) -> dict[str, Callable[[Sequence[str]], FloatArray]]:
    quantize: Any = torch.ao.quantization.quantize_dynamic
    body = _body(classifier)
    in_int8 = TorchEncoder(replace(body, module=quantize(body.module, {nn.Linear}, dtype=torch.qint8)))
    return {
        "bf16": partial(classifier.encoder.embed, is_mixed=True),
        SHIPPED: partial(embed_pool, classifier),
        "int8, dynamic": in_int8.embed,
    }
