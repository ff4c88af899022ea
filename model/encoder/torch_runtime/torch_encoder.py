"""The encoder in PyTorch: what `Encoder` asks for, done by a `Body`."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from model.encoder.encoder import MAX_TOKENS, EncoderConfig, FineTuned, TokenStates
from model.encoder.processor import best_device, is_bf16_native
from model.encoder.stages import Stage, Steps
from model.encoder.torch_runtime.body import Body
from model.encoder.torch_runtime.embedding import embed_texts, token_states
from model.encoder.torch_runtime.fine_tuning import fine_tune
from model.encoder.torch_runtime.onnx_graph import write_onnx
from model.encoder.torch_runtime.pretrained import BUNDLED_ENCODER, load_module, load_pretrained, window_tokens
from model.progress import Progress, ignore_progress
from model.types import FloatArray, Targets


@dataclass(frozen=True, eq=False)
class TorchEncoder:
    """Any encoder of the transformers library, in PyTorch; methods as of `Encoder`.

    Attributes:
        body: module, tokenizer and properties. Others read it; nobody changes it.
    """

    body: Body

    @property
    def config(self) -> EncoderConfig:
        """Name, window, pooling and runtime."""
        return self.body.config

    @property
    def dimensions(self) -> int:
        """D."""
        return self.body.dimensions

    @property
    def device(self) -> str:
        """ "cuda" where there is a GPU, else "cpu"."""
        return self.body.device.type

    @property
    def is_mixed_faster(self) -> bool:
        """Whether the device multiplies bf16 itself."""
        return is_bf16_native(self.body.device)

    def embed(
        self, texts: Sequence[str], on_progress: Progress = ignore_progress, *, is_mixed: bool = False
    ) -> FloatArray:
        """Embed N texts, in fp32 or, with `is_mixed`, in bf16 where the device multiplies it itself."""
        return embed_texts(self.body, texts, on_progress, is_mixed=is_mixed)

    def token_states(self, texts: Sequence[str]) -> list[TokenStates]:
        """The states of each text's tokens."""
        return token_states(self.body, texts)

    def fine_tune(
        self, head: nn.Linear, targets: Targets, stage: Stage, steps: Steps, weights_N: FloatArray | None = None
    ) -> FineTuned:
        """Train copies of this encoder and of a head."""
        body = replace(self.body, module=copy.deepcopy(self.body.module))
        tuned = copy.deepcopy(head).to(body.device)
        loss = fine_tune(body, tuned, targets, stage, steps, weights_N)
        return FineTuned(TorchEncoder(body), tuned.cpu(), loss)

    def save(self, folder: Path) -> None:
        """Write module and tokenizer as a Hugging Face folder."""
        _forget_last_call(self.body.tokenizer)
        self.body.module.save_pretrained(folder)
        self.body.tokenizer.save_pretrained(folder)

    def write_onnx(self, tail: nn.Module, folder: Path) -> None:
        """Write `model.onnx` and `tokenizer.json`."""
        write_onnx(self.body, tail, folder)


def _forget_last_call(tokenizer: Any) -> None:
    """Reset how a tokenizer cut and padded last; it would save that, and sets it anew in every call."""
    rust = getattr(tokenizer, "backend_tokenizer", None)
    if rust is not None:
        rust.no_truncation()
        rust.no_padding()


def load_torch_encoder(name: str) -> TorchEncoder:
    """Load a pretrained encoder on the best device.

    Args:
        name: a Hugging Face name or folder; empty for the bundled all-MiniLM-L6-v2.

    Raises:
        EncoderError: the encoder cannot be found or read, or the bundled weights were changed.
    """
    module, tokenizer, pooling = load_pretrained(name)
    window = min(MAX_TOKENS, window_tokens(module) or MAX_TOKENS)
    return _on_best_device(module, tokenizer, EncoderConfig(name or BUNDLED_ENCODER, window, pooling))


def load_saved_torch_encoder(folder: Path, config: EncoderConfig) -> TorchEncoder:
    """Read an encoder that `TorchEncoder.save` wrote.

    Raises:
        OSError, ValueError, SafetensorError: a file is missing or damaged.
    """
    module, tokenizer = load_module(str(folder), is_saved=True)
    return _on_best_device(module, tokenizer, config)


def _on_best_device(module: nn.Module, tokenizer: Any, config: EncoderConfig) -> TorchEncoder:
    return TorchEncoder(Body(module.to(best_device()).eval(), tokenizer, config))
