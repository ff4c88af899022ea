"""The training loop and its configuration.

Starts from a linear fit on frozen embeddings and fine-tunes everything from there (LP-FT, Kumar et al., ICLR 2022:
"Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution"): the head already points the right
way when the encoder begins to move. Deviation: few steps and mean-pooled sentence embeddings, for few labels.
"""

import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from model.bert import TextClassifier, new_classifier
from model.errors import InvalidTargetsError, TrainingDivergedError
from model.inference import embed_texts
from model.types import Targets


class Recipe(str, Enum):
    """How a classifier is trained."""

    HEAD = "head"
    """A linear head on the frozen encoder."""
    LP_FT = "lp-ft"
    """The linear head first, then everything."""


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that decides a training, saved beside the weights.

    Attributes:
        encoder: a Hugging Face name or folder; empty for the bundled one.
        min_steps: fine-tuning never does fewer; few labels need many passes.
        epochs: passes over the labels once those are more steps than `min_steps`.
        warmup_share: share of the steps in which the learning rate rises.
        head_l2: weight of the squared head weights in the linear fit, divided by N.
    """

    recipe: Recipe = Recipe.LP_FT
    encoder: str = ""
    seed: int = 0
    batch_size: int = 16
    min_steps: int = 60
    epochs: int = 5
    encoder_lr: float = 1e-4
    head_lr: float = 1e-3
    weight_decay: float = 0.01
    warmup_share: float = 0.1
    max_gradient_norm: float = 1.0
    head_l2: float = 1.0


@dataclass(frozen=True)
class Trained:
    """A trained classifier and what its training took."""

    classifier: TextClassifier
    steps: int
    final_loss: float
    train_s: float


StepProgress = Callable[[int, int, float], None]


def ignore_steps(step: int, steps: int, loss: float) -> None:
    """The progress callback of those who do not look."""


def use_available_cores() -> None:
    """Give torch the cores this process may use: two processes that each take all of them run 5 to 10 times slower."""
    torch.set_num_threads(available_cores())


def available_cores() -> int:
    """Cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def train(targets: Targets, config: TrainingConfig, on_step: StepProgress = ignore_steps) -> Trained:
    """Train a classifier on N texts with target shares.

    Args:
        targets: at least two texts; with one choice, of at least two classes.
        config: the recipe and its numbers.
        on_step: called with (step, steps, loss) after every fine-tuning step.

    Returns:
        The classifier in evaluation mode.

    Raises:
        InvalidTargetsError: there is nothing to tell apart.
        TrainingDivergedError: the loss became NaN or infinite.
    """
    check_trainable(targets)
    began = time.monotonic()
    torch.manual_seed(config.seed)
    classifier = new_classifier(config.encoder, targets.label_set)
    loss = _fit_head(classifier, targets, config)
    steps = 0
    if config.recipe is Recipe.LP_FT:
        steps = max(config.min_steps, math.ceil(len(targets) / config.batch_size) * config.epochs)
        loss = _fine_tune(classifier, targets, config, steps, on_step)
    return Trained(classifier.eval(), steps, loss, time.monotonic() - began)


def check_trainable(targets: Targets) -> None:
    """Raise InvalidTargetsError unless some class has texts that another lacks."""
    seen = np.flatnonzero(targets.targets_N_C.sum(axis=0))
    if len(targets) < 2 or len(seen) < (1 if targets.label_set.is_multilabel else 2):
        raise InvalidTargetsError(
            f"training needs at least 2 labelled texts of 2 different labels; there are {len(targets)} texts "
            f"with {len(seen)} different labels: label a few more"
        )


def _fit_head(classifier: TextClassifier, targets: Targets, config: TrainingConfig) -> float:
    """Logistic regression on frozen embeddings, by L-BFGS from zero: convex, so the start does not matter."""
    embeddings_N_D = torch.from_numpy(embed_texts(classifier, targets.texts)).to(classifier.device)
    targets_N_C = torch.from_numpy(targets.targets_N_C).to(classifier.device)
    head = classifier.head
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)
    optimizer = torch.optim.LBFGS(head.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        fit = _loss(head(embeddings_N_D), targets_N_C, targets.label_set.is_multilabel)
        penalised: Tensor = fit + config.head_l2 / (2 * len(targets)) * head.weight.square().sum()
        _finite(float(penalised.detach()))
        penalised.backward()  # type: ignore[no-untyped-call]
        return penalised

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        return _finite(float(_loss(head(embeddings_N_D), targets_N_C, targets.label_set.is_multilabel)))


def _fine_tune(
    classifier: TextClassifier, targets: Targets, config: TrainingConfig, steps: int, on_step: StepProgress
) -> float:
    """AdamW over everything; the learning rate rises, then falls linearly to zero."""
    token_ids = classifier.tokenize(list(targets.texts))
    targets_N_C = torch.from_numpy(targets.targets_N_C).to(classifier.device)
    optimizer = torch.optim.AdamW(
        [
            {"params": classifier.encoder.parameters(), "lr": config.encoder_lr},
            {"params": classifier.head.parameters(), "lr": config.head_lr},
        ],
        weight_decay=config.weight_decay,
        fused=True,
    )
    warmup = max(1, round(steps * config.warmup_share))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warmup, (steps - step) / max(1, steps - warmup))
    )
    classifier.train()
    loss = math.nan
    for step, rows in enumerate(_shuffled_batches(len(targets), config, steps), start=1):
        with _mixed_precision(classifier.device):
            logits_B_C = classifier.head(classifier.embed(classifier.pad([token_ids[row] for row in rows]))).float()
        batch_loss = _loss(logits_B_C, targets_N_C[rows], targets.label_set.is_multilabel)
        loss = _finite(float(batch_loss.detach()))
        batch_loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(classifier.parameters(), config.max_gradient_norm)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        on_step(step, steps, loss)
    return loss


def _mixed_precision(device: torch.device) -> torch.autocast:
    """bf16 where the processor multiplies it natively: two thirds of the time a step, at the same accuracy."""
    on_gpu = device.type == "cuda"
    is_native = torch.cuda.is_bf16_supported(including_emulation=False) if on_gpu else "avx512_bf16" in _cpu_flags()
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=is_native)


@lru_cache(maxsize=1)
def _cpu_flags() -> frozenset[str]:
    """What the processor can do, as Linux says; empty elsewhere."""
    cpuinfo = Path("/proc/cpuinfo")
    flags = (
        next((line for line in cpuinfo.read_text().splitlines() if line.startswith("flags")), "")
        if cpuinfo.exists()
        else ""
    )
    return frozenset(flags.split())


def _shuffled_batches(size: int, config: TrainingConfig, steps: int) -> Iterator[list[int]]:
    """`steps` batches of rows, every row once a pass."""
    rng = np.random.default_rng(config.seed)
    waiting: list[int] = []
    for _ in range(steps):
        while len(waiting) < min(config.batch_size, size):
            waiting.extend(rng.permutation(size).tolist())
        yield waiting[: config.batch_size]
        waiting = waiting[config.batch_size :]


def _loss(logits_N_C: Tensor, targets_N_C: Tensor, is_multilabel: bool) -> Tensor:
    """Mean cross-entropy against shares, in nats; summed over classes' yes/no questions where several may hold."""
    if is_multilabel:
        cells_N_C = functional.binary_cross_entropy_with_logits(logits_N_C, targets_N_C, reduction="none")
        return cells_N_C.sum(dim=1).mean()
    return functional.cross_entropy(logits_N_C, targets_N_C)


def _finite(loss: float) -> float:
    if not math.isfinite(loss):
        raise TrainingDivergedError(f"the training loss became {loss}: the model version in use stays")
    return loss
