"""A text classifier: an encoder and a head. Make, save and load one."""

import copy
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from model.encoder.activations import activation_of
from model.encoder.encoder import DEFAULT_RUNTIME, MAX_TOKENS, Encoder, EncoderConfig, Pooling
from model.encoder.runtimes import load_encoder, load_saved_encoder
from model.files.writing import write_whole
from model.links import Link, link_of
from model.types import LabelSet


@dataclass(frozen=True)
class ClassifierConfig:
    """The configuration of a classifier's head, saved beside its weights.

    Attributes:
        labels: class names, in the order of axis C.
        is_multilabel: whether a text may have several labels.
        temperature: logits are divided by it; above 1 it makes probabilities less sure.
    """

    labels: tuple[str, ...]
    is_multilabel: bool
    temperature: float = 1.0

    @property
    def label_set(self) -> LabelSet:
        """The classes of axis C."""
        return LabelSet(self.labels, self.is_multilabel)


@dataclass(frozen=True, eq=False)
class TextClassifier:
    """An encoder and a linear head. Nothing changes it: whoever trains one makes another.

    Attributes:
        encoder: in any runtime.
        head: linear, D in, C out, on the CPU; PyTorch's, whatever runs the encoder.
        config: labels and temperature.
    """

    encoder: Encoder
    head: nn.Linear
    config: ClassifierConfig

    @property
    def link(self) -> Link:
        """The meaning of the head's numbers."""
        return link_of(self.config.label_set)

    def proba(self, logits_N_C: Tensor) -> Tensor:
        """Calibrated class probabilities, proba_N_C."""
        return activation_of(self.link).proba(logits_N_C / self.config.temperature)

    def write_onnx(self, folder: Path) -> None:
        """Write encoder, head, temperature and link as one ONNX graph; files and errors as of `Encoder.write_onnx`."""
        self.encoder.write_onnx(self.tail(), folder)

    def tail(self) -> nn.Module:
        """Head, temperature and link as a module: embeddings_N_D → proba_N_C."""
        return _Tail(self)


class _Tail(nn.Module):
    """All that follows a classifier's encoder, as a module: embeddings_N_D → proba_N_C."""

    def __init__(self, classifier: TextClassifier) -> None:
        super().__init__()
        self.head = copy.deepcopy(classifier.head)
        self._proba = classifier.proba

    def forward(self, embeddings_N_D: Tensor) -> Tensor:
        """Calibrated class probabilities."""
        return self._proba(self.head(embeddings_N_D))


def new_classifier(encoder: str, label_set: LabelSet) -> TextClassifier:
    """A pretrained encoder with an untrained head.

    Args:
        encoder: as of `load_encoder`.
        label_set: the classes of axis C.

    Raises:
        EncoderError: the encoder cannot be found or read, or the bundled weights were changed.
    """
    return with_new_head(load_encoder(encoder), label_set)


def with_new_head(encoder: Encoder, label_set: LabelSet) -> TextClassifier:
    """An encoder with an untrained head, drawn by torch's random generator."""
    head = nn.Linear(encoder.dimensions, len(label_set.labels))
    return TextClassifier(encoder, head, ClassifierConfig(label_set.labels, label_set.is_multilabel))


def save_classifier(classifier: TextClassifier, folder: Path) -> None:
    """Write encoder, head and configuration into `folder`; a classifier always gives the same files."""
    classifier.encoder.save(folder / "encoder")
    save_file(
        {key: value.contiguous() for key, value in classifier.head.state_dict().items()}, folder / "head.safetensors"
    )
    encoder = classifier.encoder.config
    raw = {
        **asdict(classifier.config),
        "encoder": encoder.name,
        "max_tokens": encoder.max_tokens,
        "pooling": encoder.pooling,
        "runtime": encoder.runtime,
    }
    write_whole(folder / "classifier.json", json.dumps(raw, indent=2).encode())


def load_classifier(folder: Path) -> TextClassifier:
    """Read a classifier that `save_classifier` wrote.

    Raises:
        OSError, ValueError, KeyError, RuntimeError, SafetensorError: a file is missing or damaged.
    """
    raw = json.loads((folder / "classifier.json").read_text(encoding="utf-8"))
    encoder = EncoderConfig(
        name=raw["encoder"],
        max_tokens=raw.get("max_tokens", MAX_TOKENS),
        pooling=Pooling(raw.get("pooling", Pooling.MEAN)),
        runtime=raw.get("runtime", DEFAULT_RUNTIME),
    )
    config = ClassifierConfig(tuple(raw["labels"]), raw["is_multilabel"], raw.get("temperature", 1.0))
    body = load_saved_encoder(folder / "encoder", encoder)
    head = nn.Linear(body.dimensions, len(config.labels))
    head.load_state_dict(load_file(folder / "head.safetensors"))
    return TextClassifier(body, head, config)
