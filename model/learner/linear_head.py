"""The head alone: logistic regression on embeddings."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from model.learner.losses import classification_losses
from model.types import FloatArray

MAX_ITERATIONS = 200
# Weight of half the squared distance of biases: without it, the bias of a class that every text has, or none, would
# grow for ever.
BIAS_L2 = 1.0


@dataclass(frozen=True)
class Anchor:
    """A head to stay near to, and the scale of embeddings on which it was found.

    Attributes:
        weight_C_D, bias_C: of the head, for embeddings x as (x / length - centre) / spread.
        centre_D, length, spread: that scale.
    """

    weight_C_D: FloatArray
    bias_C: FloatArray
    centre_D: FloatArray
    length: float
    spread: float


def no_anchor(embeddings_N_D: FloatArray, classes: int) -> Anchor:
    """A head that says nothing, on embeddings of mean square 1."""
    dimensions = embeddings_N_D.shape[1]
    length = float(np.sqrt(np.square(embeddings_N_D).sum(axis=1).mean())) or 1.0
    return Anchor(np.zeros((classes, dimensions)), np.zeros(classes), np.zeros(dimensions), length, 1.0)


def fit_head(
    head: nn.Linear,
    embeddings_N_D: FloatArray,
    targets_N_C: FloatArray,
    l2: float,
    *,
    is_multilabel: bool,
    weights_N: FloatArray | None = None,
    anchor: Anchor | None = None,
) -> None:
    """Fit a head in place, by L-BFGS: convex, so the start does not matter.

    The penalty draws the weights towards the anchor's, or without one towards zero. It keeps every weight finite: where
    all texts are of one class, its probability grows with their number and never reaches 1.

    Args:
        head: D in, C out.
        embeddings_N_D: what the classifier gives its head.
        targets_N_C: the same N texts' shares.
        l2: weight of half the squared distance to the anchor's weights against the loss summed over texts, on the
            anchor's scale of embeddings.
        is_multilabel: whether a text may have several labels.
        weights_N: what each text counts; None: 1.
        anchor: the head that N = 0 texts would give; None: zero.
    """
    # On the processor, wherever the encoder is: after each of its small products the search asks what came of it, and a
    # GPU is slow to answer.
    device = head.weight.device
    head.cpu()
    anchor = anchor or no_anchor(embeddings_N_D, len(head.weight))
    if len(targets_N_C):
        _fit(head, embeddings_N_D, targets_N_C, l2, is_multilabel=is_multilabel, weights_N=weights_N, anchor=anchor)
    else:
        _copy(head, anchor.weight_C_D, anchor.bias_C)
    with torch.no_grad():
        head.weight.div_(anchor.spread)
        head.bias.sub_(head.weight @ _tensor(anchor.centre_D))
        head.weight.div_(anchor.length)
    head.to(device)


def _fit(
    head: nn.Linear,
    embeddings_N_D: FloatArray,
    targets_N_C: FloatArray,
    l2: float,
    *,
    is_multilabel: bool,
    weights_N: FloatArray | None,
    anchor: Anchor,
) -> None:
    """Fit a head to embeddings on the anchor's scale."""
    counted_N = _tensor(np.ones(len(targets_N_C)) if weights_N is None else weights_N)
    scaled_N_D = _tensor((embeddings_N_D / anchor.length - anchor.centre_D) / anchor.spread)
    shares_N_C = _tensor(targets_N_C)
    weight_C_D, bias_C = _tensor(anchor.weight_C_D), _tensor(anchor.bias_C)
    _copy(head, anchor.weight_C_D, anchor.bias_C)
    optimizer = torch.optim.LBFGS(head.parameters(), max_iter=MAX_ITERATIONS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        losses_N = classification_losses(head(scaled_N_D), shares_N_C, is_multilabel=is_multilabel)
        moved = l2 * (head.weight - weight_C_D).square().sum() + BIAS_L2 * (head.bias - bias_C).square().sum()
        penalised: Tensor = ((losses_N * counted_N).sum() + moved / 2) / counted_N.sum()
        penalised.backward()  # type: ignore[no-untyped-call]
        return penalised

    head.requires_grad_(True)
    optimizer.step(closure)  # type: ignore[no-untyped-call]


def _copy(head: nn.Linear, weight_C_D: FloatArray, bias_C: FloatArray) -> None:
    with torch.no_grad():
        head.weight.copy_(_tensor(weight_C_D))
        head.bias.copy_(_tensor(bias_C))


def _tensor(values: FloatArray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
