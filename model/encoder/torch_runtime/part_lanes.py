"""The forward and backward passes of a training step, in parts that each have a core of their own.

Cores that share one product wait for each other at its end. Where other programs use the machine, one of them is always
late, and the others spin until it comes: a training took six times as long beside two busy programs. A part on one
thread waits for nobody before the step's end.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeVar

import torch
from torch import Tensor, nn

from model.encoder.processor import mixed_precision
from model.encoder.torch_runtime.body import Body
from model.encoder.torch_runtime.lanes import side_by_side

T = TypeVar("T")
Part = list[list[int]]
"""Token ids of some texts of a batch."""


class PartLanes:
    """Embeds the parts of a batch, and carries the gradients of their embeddings back into the encoder.

    Each part has a copy of the module that shares its weights and has gradients of its own, so that parts run at once.
    Gradients are added up in the order of the parts: the result does not depend on the number of cores.
    """

    def __init__(self, body: Body) -> None:
        """Begin without copies.

        Args:
            body: the encoder that is trained.
        """
        self._bodies = [body]
        self._embedded: list[Tensor] = []

    def embed(self, parts: Sequence[Part]) -> Tensor:
        """Embed a batch: embeddings_B_D in fp32, a leaf whose gradient `backward` carries on."""
        while len(self._bodies) < len(parts):
            self._bodies.append(replace(self._bodies[0], module=_sharing_weights(self._bodies[0].module)))
        self._embedded = self._on_lanes(lambda place: _embed(self._bodies[place], parts[place]), len(parts))
        return torch.cat([part_P_D.detach() for part_P_D in self._embedded]).requires_grad_()

    def backward(self, embeddings_B_D: Tensor) -> None:
        """Add to the weights' gradients what the gradient of `embeddings_B_D`, which `embed` returned, asks for."""
        if embeddings_B_D.grad is None:
            raise ValueError("the loss does not depend on the embeddings")
        gradients = torch.split(embeddings_B_D.grad, [len(part_P_D) for part_P_D in self._embedded])

        def carry_back(place: int) -> None:
            self._embedded[place].backward(gradients[place])  # type: ignore[no-untyped-call]

        self._on_lanes(carry_back, len(gradients))
        for body in self._bodies[1 : len(gradients)]:
            _add_gradients(self._bodies[0].module, body.module)
        self._embedded = []

    def _on_lanes(self, work: Callable[[int], T], parts: int) -> list[T]:
        done: dict[int, T] = {}
        side_by_side(work, range(parts), done.__setitem__)
        return [done[place] for place in range(parts)]


def _embed(body: Body, part: Part) -> Tensor:
    with mixed_precision(body.device):
        return body.embed(body.pad(part)).float()


def _sharing_weights(module: nn.Module) -> nn.Module:
    """A copy of a module whose parameters and buffers are the same numbers in memory; gradients are its own."""
    shared: dict[int, Tensor] = {
        id(weight): nn.Parameter(weight.detach(), requires_grad=weight.requires_grad) for weight in module.parameters()
    }
    shared |= {id(buffer): buffer for buffer in module.buffers()}
    return copy.deepcopy(module, shared)


def _add_gradients(module: nn.Module, other: nn.Module) -> None:
    """Move the gradients of a copy to the module."""
    for weight, its_copy in zip(module.parameters(), other.parameters(), strict=True):
        if its_copy.grad is not None:
            if weight.grad is None:
                weight.grad = its_copy.grad
            else:
                weight.grad.add_(its_copy.grad)
            its_copy.grad = None


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch's operations of this thread on one core, where several would gain little and wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
