"""The head alone: logistic regression on embeddings."""

import numpy as np
import torch
from torch import Tensor, nn

from model.losses import classification_losses
from model.types import FloatArray

MAX_ITERATIONS = 200
# Weight of half the squared biases: without it, the bias of a class that every text has, or none, would grow for ever.
BIAS_L2 = 1.0


def fit_head(
    head: nn.Linear,
    embeddings_N_D: FloatArray,
    targets_N_C: FloatArray,
    l2: float,
    *,
    is_multilabel: bool,
    weights_N: FloatArray | None = None,
) -> None:
    """Fit a head in place, by L-BFGS from zero: convex, so the start does not matter.

    The penalty keeps every weight finite: where all texts are of one class, its probability grows with their number
    and never reaches 1.

    Args:
        head: D in, C out.
        embeddings_N_D: what the classifier gives its head.
        targets_N_C: the same N texts' shares.
        l2: weight of half the squared weights against the loss summed over texts, for embeddings of mean square 1,
            whatever theirs is.
        is_multilabel: whether a text may have several labels.
        weights_N: what each text counts; None: 1.
    """
    # On the processor, wherever the encoder is: after each of its small products the search asks what came of it, and a
    # GPU is slow to answer.
    device = head.weight.device
    head.cpu()
    counted_N = torch.from_numpy(np.ones(len(targets_N_C), dtype=np.float32) if weights_N is None else weights_N)
    scale = float(np.sqrt(np.square(embeddings_N_D).sum(axis=1).mean())) or 1.0
    scaled_N_D = torch.from_numpy(embeddings_N_D / np.float32(scale))
    shares_N_C = torch.from_numpy(targets_N_C)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    optimizer = torch.optim.LBFGS(head.parameters(), max_iter=MAX_ITERATIONS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        losses_N = classification_losses(head(scaled_N_D), shares_N_C, is_multilabel=is_multilabel)
        penalty = (l2 * head.weight.square().sum() + BIAS_L2 * head.bias.square().sum()) / 2
        penalised: Tensor = ((losses_N * counted_N).sum() + penalty) / counted_N.sum()
        penalised.backward()  # type: ignore[no-untyped-call]
        return penalised

    head.requires_grad_(True)
    optimizer.step(closure)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        head.weight.div_(scale)
    head.to(device)
