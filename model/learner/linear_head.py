"""The head alone: logistic regression on embeddings."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from model.encoder.losses import classification_losses
from model.links import ONE_OF, Link
from model.types import FloatArray, LabelledEmbeddings

MAX_ITERATIONS = 200
# Weight of half the squared distance of the biases: without it, the bias of a class that every text has, or no text,
# would grow without limit.
BIAS_L2 = 1.0


@dataclass(frozen=True)
class Anchor:
    """A head that the fit stays near, and the scale of embeddings x on which it holds: (x / length - centre) / spread.

    Attributes:
        weight_C_D, bias_C: the head on scaled embeddings.
        centre_D, length, spread: the scale.
        l2: weight of half the squared distance to `weight_C_D`, against the loss summed over texts.
    """

    weight_C_D: FloatArray
    bias_C: FloatArray
    centre_D: FloatArray
    length: float
    spread: float
    l2: float


def zero_anchor(embeddings_N_D: FloatArray, classes: int, l2: float) -> Anchor:
    """An anchor at zero, on embeddings scaled to a mean square of 1."""
    dimensions = embeddings_N_D.shape[1]
    length = float(np.sqrt(np.square(embeddings_N_D).sum(axis=1).mean())) or 1.0
    return Anchor(np.zeros((classes, dimensions)), np.zeros(classes), np.zeros(dimensions), length, 1.0, l2)


def fit_head(head: nn.Linear, labelled: LabelledEmbeddings, anchor: Anchor, link: Link = ONE_OF) -> None:
    """Fit a head in place by L-BFGS; the loss is convex, so the start does not matter.

    The penalty draws the weights towards the anchor's and keeps them finite: where all texts are of one class, its
    probability grows with the number of texts and never reaches 1.

    Args:
        head: D in, C out; its weights are overwritten.
        labelled: L texts; without any the head becomes the anchor's.
        anchor: the head that the penalty draws towards.
        link: the meaning of the head's numbers.
    """
    # Heads are on the CPU, wherever the encoder is: the line search reads a number after each small product, and a GPU
    # takes long to hand over a number.
    _copy(head, anchor.weight_C_D, anchor.bias_C)
    if len(labelled):
        _minimise(head, labelled, anchor, link)
    with torch.no_grad():
        head.weight.div_(anchor.spread)
        head.bias.sub_(head.weight @ _tensor(anchor.centre_D))
        head.weight.div_(anchor.length)


def _minimise(head: nn.Linear, labelled: LabelledEmbeddings, anchor: Anchor, link: Link) -> None:
    """Minimise loss and penalty on embeddings scaled as the anchor's."""
    counted_L = _tensor(np.ones(len(labelled)) if labelled.weights_L is None else labelled.weights_L)
    scaled_L_D = _tensor((labelled.embeddings_L_D / anchor.length - anchor.centre_D) / anchor.spread)
    shares_L_C = _tensor(labelled.targets_L_C)
    weight_C_D, bias_C = _tensor(anchor.weight_C_D), _tensor(anchor.bias_C)
    optimizer = torch.optim.LBFGS(head.parameters(), max_iter=MAX_ITERATIONS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        losses_L = classification_losses(head(scaled_L_D), shares_L_C, link)
        moved = anchor.l2 * (head.weight - weight_C_D).square().sum() + BIAS_L2 * (head.bias - bias_C).square().sum()
        penalised: Tensor = ((losses_L * counted_L).sum() + moved / 2) / counted_L.sum()
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
