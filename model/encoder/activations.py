"""From a head's numbers to probabilities, and the loss of a head, by link."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from model.links import ANY_OF, ONE_OF, Link


@dataclass(frozen=True)
class Activation:
    """The torch half of a link.

    Attributes:
        proba: logits_N_C → proba_N_C.
        losses: logits_B_C and shares_B_C → losses_B, in nats.
    """

    proba: Callable[[Tensor], Tensor]
    losses: Callable[[Tensor, Tensor], Tensor]


def activation_of(link: Link) -> Activation:
    """Probabilities and loss of a head with that link."""
    return _ACTIVATIONS[link.name]


def _softmax(logits_N_C: Tensor) -> Tensor:
    return torch.softmax(logits_N_C, dim=-1)


def _cross_entropies(logits_B_C: Tensor, targets_B_C: Tensor) -> Tensor:
    return functional.cross_entropy(logits_B_C, targets_B_C, reduction="none")


def _summed_cross_entropies(logits_B_C: Tensor, targets_B_C: Tensor) -> Tensor:
    """Every class is a yes/no question; their losses are summed."""
    return functional.binary_cross_entropy_with_logits(logits_B_C, targets_B_C, reduction="none").sum(dim=1)


_ACTIVATIONS = {
    ONE_OF.name: Activation(_softmax, _cross_entropies),
    ANY_OF.name: Activation(torch.sigmoid, _summed_cross_entropies),
}
