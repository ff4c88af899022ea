"""The protocol of an encoder: embeddings and token states of texts, and fine-tuning, whatever runtime does the work."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from torch import nn

from model.encoder.stages import Stage, Steps
from model.progress import Progress, ignore_progress
from model.types import FloatArray, IntArray, Targets

# all-MiniLM-L6-v2 was trained on windows of 256 tokens.
MAX_TOKENS = 256
# The most windows that are read of a long text: their mean told classes apart better than the text's beginning, or its
# two ends, did (docs/the-learner.md), and each window costs as much as a text.
MAX_CHUNKS = 4
# A tokenizer reads the whole text before it cuts, and megabytes take it long.
MAX_CHARACTERS = 20_000
# The runtime of encoders that name none.
DEFAULT_RUNTIME = "torch"


class Pooling(StrEnum):
    """How the last hidden states of a text become one embedding."""

    MEAN = "mean"
    """The mean over real tokens."""
    CLS = "cls"
    """The first token's state."""


@dataclass(frozen=True)
class EncoderConfig:
    """The properties of an encoder that are saved beside its weights.

    Attributes:
        name: the encoder's Hugging Face name or folder, or the bundled encoder's name.
        max_tokens: the window; a longer text is read in pieces.
        pooling: the pooling that the encoder was made with.
        runtime: the row of `model.encoder.runtimes` that reads the saved files.
    """

    name: str
    max_tokens: int = MAX_TOKENS
    pooling: Pooling = Pooling.MEAN
    runtime: str = DEFAULT_RUNTIME


@dataclass(frozen=True)
class TokenStates:
    """The last hidden states of one text's T tokens, in the order of the text, special tokens included.

    Attributes:
        states_T_D: float32.
        spans_T_2: the first character of each token and the one after its last; twice 0 for a special token.
    """

    states_T_D: FloatArray
    spans_T_2: IntArray


class Encoder(Protocol):
    """A text encoder of D dimensions in some runtime. Nothing changes it: fine-tuning returns another encoder."""

    @property
    def config(self) -> EncoderConfig:
        """Name, window, pooling and runtime."""
        ...

    @property
    def dimensions(self) -> int:
        """D."""
        ...

    @property
    def device(self) -> str:
        """The kind of device that it computes on, such as "cpu" or "cuda"."""
        ...

    @property
    def is_mixed_faster(self) -> bool:
        """Whether `embed` is faster with `is_mixed`."""
        ...

    def embed(
        self, texts: Sequence[str], on_progress: Progress = ignore_progress, *, is_mixed: bool = False
    ) -> FloatArray:
        """Embed N texts.

        A text longer than the window gets the mean over its pieces, weighted by their length; of more than MAX_CHUNKS
        pieces, MAX_CHUNKS are read, spread evenly from the first to the last.

        Args:
            texts: N texts; may be empty.
            on_progress: called with (texts done, N) after every batch.
            is_mixed: whether it may compute in less than fp32; embeddings then differ by half a percent or less.

        Returns:
            embeddings_N_D, float32, in the order of `texts`.
        """
        ...

    def token_states(self, texts: Sequence[str]) -> list[TokenStates]:
        """The states of each text's tokens; a text longer than the window is read in pieces, all of them.

        Raises:
            EncoderError: the encoder's tokenizer cannot say which characters a token stands for.
        """
        ...

    def fine_tune(
        self, head: nn.Linear, targets: Targets, stage: Stage, steps: Steps, weights_N: FloatArray | None = None
    ) -> "FineTuned":
        """Train copies of this encoder and of a head.

        Args:
            head: D in, C out, on the CPU.
            targets: N labelled texts.
            stage: the objective and its numbers.
            steps: counts every step, and may cancel the training before it.
            weights_N: how often each text comes, relative to the others; None: all equally often.

        Raises:
            TrainingCancelledError: raised by `steps`.
            TrainingDivergedError: the loss became NaN or infinite; the message names tasks.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write the encoder into a folder; an encoder always gives the same files."""
        ...

    def write_onnx(self, tail: nn.Module, folder: Path) -> None:
        """Write the encoder and all that follows it as one ONNX graph, `model.onnx`, with its tokenizer beside it.

        `tokenizer.json` cuts a text into pieces of the window's size and pads them. The graph's inputs are the pieces'
        `input_ids` and `attention_mask` (M pieces, T tokens; int64) and `pieces_of_texts` (N texts, M pieces; float32):
        1 where a piece belongs to a text. Its output is `probabilities` (N texts, C classes).

        Args:
            tail: embeddings_N_D → proba_N_C.
            folder: where to write; it exists.

        Raises:
            EncoderError: this encoder cannot be written as ONNX.
            OSError: the disk refuses.
        """
        ...


@dataclass(frozen=True)
class FineTuned:
    """Encoder and head after a stage of fine-tuning.

    Attributes:
        encoder: the trained copy.
        head: the trained copy, on the CPU.
        loss: of the last batch.
    """

    encoder: Encoder
    head: nn.Linear
    loss: float
