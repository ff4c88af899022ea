"""Stages of fine-tuning: the numbers of one run of the training loop, and the count of steps over several runs."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from model.errors import TrainingCancelledError


class Objective(StrEnum):
    """The loss that a stage of fine-tuning minimises."""

    LABELS = "labels"
    """Cross-entropy of the head's probabilities."""
    PAIRS = "pairs"
    """Squared error of the cosines of like and unlike texts; the head is not trained."""


@dataclass(frozen=True)
class Stage:
    """One run of the loop.

    Attributes:
        objective: the loss.
        steps: optimizer steps.
        max_tokens: training reads this many tokens of a longer text, from its beginning.
        seed: of the order of texts.
        batch_size: texts a step.
        encoder_lr: highest learning rate of the encoder.
        head_lr: highest learning rate of the head.
        frozen_share: share of the encoder's layers, from the lowest, that are not trained, in [0, 1); above 0 the word
            embeddings are not trained either.
        weight_decay: of AdamW.
        warmup_share: share of the steps in which the learning rates rise; after them they fall linearly to zero.
        max_gradient_norm: longer gradients are scaled down to this norm.
    """

    objective: Objective
    steps: int
    max_tokens: int
    seed: int
    batch_size: int
    encoder_lr: float
    head_lr: float
    frozen_share: float
    weight_decay: float
    warmup_share: float
    max_gradient_norm: float


class Steps:
    """Counts the steps of one or several fine-tunings, reports each, and cancels the training between two steps."""

    def __init__(self, total: int, on_step: Callable[[int, int, float], None], should_stop: Callable[[], bool]) -> None:
        """Begin at 0 steps.

        Args:
            total: steps of all fine-tunings together.
            on_step: called with (step, total, loss) after every step.
            should_stop: asked before every step.
        """
        self._total = total
        self._on_step = on_step
        self._should_stop = should_stop
        self._done = 0

    def begin(self) -> None:
        """Raise TrainingCancelledError if the training should stop."""
        if self._should_stop():
            raise TrainingCancelledError("the training was cancelled; the model version in use stays")

    def end(self, loss: float) -> None:
        """Count and report a step."""
        self._done += 1
        self._on_step(self._done, self._total, loss)
