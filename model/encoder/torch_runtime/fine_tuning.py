"""The training loop: batches, a loss, AdamW over the encoder's upper layers and the head."""

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from model.encoder.losses import classification_losses, pair_losses
from model.encoder.stages import Objective, Stage, Steps
from model.encoder.torch_runtime.body import Body
from model.encoder.torch_runtime.part_lanes import PartLanes, one_thread
from model.errors import TrainingDivergedError
from model.links import Link, link_of
from model.types import FloatArray, Targets

# The most tasks that an error names.
NAMED_TASKS = 5
# Number of texts that a CPU pads to one length: with fewer texts less is padding, but the CPU is less busy. A GPU takes
# a whole batch in the same time.
PART = 8


def fine_tune(
    body: Body, head: nn.Linear, targets: Targets, stage: Stage, steps: Steps, weights_N: FloatArray | None = None
) -> float:
    """Train encoder and head in place; arguments and errors as of `Encoder.fine_tune`.

    Args:
        head: on the body's device.

    Returns:
        The loss of the last batch.
    """
    token_ids = body.tokenize(list(targets.texts), stage.max_tokens)
    targets_N_C = torch.from_numpy(targets.targets_N_C).to(body.device)
    link = link_of(targets.label_set)
    freeze(body, stage.frozen_share)
    head.requires_grad_(True)
    optimizer = _optimizer(body, head, stage)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _share_of_lr(step, stage))
    # Without dropout: no worse with few steps (benchmarks/learning/learner.md), and a third faster.
    body.module.eval()
    lanes = PartLanes(body)
    loss = math.nan
    for batch in shuffled_batches(len(targets), stage, weights_N):
        steps.begin()
        rows = sorted(batch, key=lambda row: len(token_ids[row]))
        with _plain_attention():
            embeddings_B_D = lanes.embed(_parts(body, [token_ids[row] for row in rows]))
            losses_B = _losses(head, link, embeddings_B_D, targets_N_C[rows], stage.objective)
            _check_finite(losses_B, [targets.task_ids[row] for row in rows])
            losses_B.mean().backward()  # type: ignore[no-untyped-call]
            lanes.backward(embeddings_B_D)
        with one_thread():
            torch.nn.utils.clip_grad_norm_([*body.module.parameters(), *head.parameters()], stage.max_gradient_norm)
            optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        loss = float(losses_B.detach().mean())
        steps.end(loss)
    return loss


def _optimizer(body: Body, head: nn.Linear, stage: Stage) -> torch.optim.AdamW:
    """AdamW over the encoder's trained layers and the head, with a learning rate for each."""
    trained = [part for part in body.module.parameters() if part.requires_grad]
    groups = [
        {"params": trained, "lr": stage.encoder_lr},
        {"params": head.parameters(), "lr": stage.head_lr},
    ]
    return torch.optim.AdamW(groups, weight_decay=stage.weight_decay, fused=True)


def _plain_attention() -> AbstractContextManager[None]:
    """Attention by plain matrix products.

    The backward pass of torch's fused attention is slow on a CPU, and on a GPU it adds numbers in no fixed order: the
    same seed would not give the same classifier.
    """
    return sdpa_kernel(SDPBackend.MATH)


def _parts(body: Body, token_ids: list[list[int]]) -> list[list[list[int]]]:
    """Cut a batch of texts, sorted by length, into parts of like length: little of each part is padding."""
    size = PART if body.device.type == "cpu" else len(token_ids)
    return [token_ids[start : start + size] for start in range(0, len(token_ids), size)]


def _losses(head: nn.Linear, link: Link, embeddings_B_D: Tensor, targets_B_C: Tensor, objective: Objective) -> Tensor:
    if objective is Objective.PAIRS:
        return pair_losses(embeddings_B_D, targets_B_C)
    return classification_losses(head(embeddings_B_D), targets_B_C, link)


def freeze(body: Body, share: float) -> None:
    """Leave the lowest share of layers, and the word embeddings, out of training; a share of 0 trains everything."""
    body.module.requires_grad_(True)
    if share <= 0:
        return
    layers = body.layers()
    for part in (body.module.get_input_embeddings(), *layers[: math.floor(share * len(layers))]):
        part.requires_grad_(False)


def shuffled_batches(size: int, stage: Stage, weights_N: FloatArray | None = None) -> Iterator[list[int]]:
    """Yield a batch of rows for each step.

    Where all texts weigh the same, every row comes once a pass. Otherwise each batch is drawn anew by the weights, so
    that a few texts of people still meet each other in a batch among many weak ones.

    Args:
        size: N.
        stage: steps, batch size and seed.
        weights_N: how often each text comes, relative to the others; None: all equally often.
    """
    rng = np.random.default_rng(stage.seed)
    if weights_N is not None and np.ptp(weights_N) > 0:
        share_N = weights_N.astype(float) / weights_N.sum(dtype=float)
        # Drawn without replacement, a larger batch would be filled up with texts of little weight.
        together = min(stage.batch_size, size, max(2, int(1 / share_N.max())))
        for _ in range(stage.steps):
            yield rng.choice(size, size=together, replace=False, p=share_N).tolist()
        return
    waiting: list[int] = []
    for _ in range(stage.steps):
        while len(waiting) < min(stage.batch_size, size):
            waiting.extend(rng.permutation(size).tolist())
        yield waiting[: stage.batch_size]
        waiting = waiting[stage.batch_size :]


def _share_of_lr(step: int, stage: Stage) -> float:
    warmup = max(1, round(stage.steps * stage.warmup_share))
    return min((step + 1) / warmup, (stage.steps - step) / max(1, stage.steps - warmup))


def _check_finite(losses_B: Tensor, task_ids_B: list[int]) -> None:
    """Raise TrainingDivergedError that names the tasks whose loss is NaN or infinite, if there are any."""
    wrong = [
        task_id for task_id, is_fine in zip(task_ids_B, torch.isfinite(losses_B).tolist(), strict=True) if not is_fine
    ]
    if wrong:
        named = ", ".join(map(str, sorted(wrong)[:NAMED_TASKS])) + (" and others" if len(wrong) > NAMED_TASKS else "")
        raise TrainingDivergedError(
            f"the training loss became NaN or infinite at task {named}: look at its text and labels; "
            "the model version in use stays"
        )
