"""A made-up runtime: its encoder counts words that praise and words that blame, and learns nothing by fine-tuning."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from model.encoder.encoder import EncoderConfig, FineTuned, TokenStates
from model.encoder.runtimes import Runtime
from model.encoder.stages import Stage, Steps
from model.errors import EncoderError
from model.progress import Progress, ignore_progress
from model.types import FloatArray, Targets
from tests.fakes import BLAME, PRAISE

NAME = "counting"


@dataclass(frozen=True)
class CountingEncoder:
    """Three dimensions: praising words, blaming words, and 1."""

    name: str

    dimensions = 3
    device = "abacus"
    is_mixed_faster = False

    @property
    def config(self) -> EncoderConfig:
        return EncoderConfig(self.name, runtime=NAME)

    def embed(
        self, texts: Sequence[str], on_progress: Progress = ignore_progress, *, is_mixed: bool = False
    ) -> FloatArray:
        rows = [sum((self._state(word) for word in text.split()), np.array([0.0, 0.0, 1.0])) for text in texts]
        on_progress(len(texts), len(texts))
        return np.array(rows, dtype=np.float32).reshape(-1, 3)

    def token_states(self, texts: Sequence[str]) -> list[TokenStates]:
        return [self._states(text) for text in texts]

    def fine_tune(
        self, head: nn.Linear, targets: Targets, stage: Stage, steps: Steps, weights_N: FloatArray | None = None
    ) -> FineTuned:
        for _ in range(stage.steps):
            steps.begin()
            steps.end(0.5)
        return FineTuned(self, head, 0.5)

    def save(self, folder: Path) -> None:
        folder.mkdir()
        (folder / "counting.json").write_text(json.dumps({"name": self.name}))

    def write_onnx(self, tail: nn.Module, folder: Path) -> None:
        raise EncoderError("an abacus cannot be written as ONNX: export it with --format sentence-transformers")

    def _states(self, text: str) -> TokenStates:
        words = list(re.finditer(r"\S+", text))
        states = [self._state(word.group()) for word in words]
        spans = np.array([word.span() for word in words], dtype=np.int64)
        return TokenStates(np.array(states, dtype=np.float32).reshape(-1, 3), spans.reshape(-1, 2))

    def _state(self, word: str) -> FloatArray:
        return np.array([word in PRAISE, word in BLAME, 0.0], dtype=np.float32)


def load_counting(name: str) -> CountingEncoder:
    """There is one encoder of this runtime, and it is called "words"."""
    if name != "words":
        raise EncoderError(f"there is no counting encoder {name!r}: set BERT_MODEL to {NAME}:words")
    return CountingEncoder(name)


def load_saved_counting(folder: Path, config: EncoderConfig) -> CountingEncoder:
    return CountingEncoder(json.loads((folder / "counting.json").read_text())["name"])


COUNTING = Runtime(load_counting, load_saved_counting)
