"""Encoder and head: make, run, save and load a text classifier."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from model.encoder.activations import activation_of
from model.encoder.processor import best_device
from model.encoder.torch_runtime.pretrained import BUNDLED_ENCODER, Pooling, load_body, load_pretrained, window_tokens
from model.files import write_whole
from model.links import Link, link_of
from model.types import LabelSet

# all-MiniLM-L6-v2 was trained on windows of 256 tokens.
MAX_TOKENS = 256
# The most windows that are read of a long text: their mean told classes apart better than the text's beginning, or its
# two ends, did (docs/the-learner.md), and each window costs as much as a text.
MAX_CHUNKS = 4
# A tokenizer reads the whole text before it cuts, and megabytes take it long.
MAX_CHARACTERS = 20_000


@dataclass(frozen=True)
class ClassifierConfig:
    """The configuration that is saved beside a classifier's weights.

    Attributes:
        labels: class names, in the order of axis C.
        is_multilabel: whether a text may have several labels.
        encoder: the encoder's Hugging Face name or folder, or the bundled encoder's name.
        max_tokens: the encoder's window; a longer text is read in pieces, and its embedding is their mean.
        pooling: the pooling that the encoder was made with.
        temperature: logits are divided by it; above 1 it makes probabilities less sure.
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
        head: linear, D in, C out.
    """

    def __init__(self, encoder: Any, tokenizer: Any, config: ClassifierConfig) -> None:
        super().__init__()
        self.encoder = encoder
        self.tokenizer = tokenizer
        self.config = config
        self.head = nn.Linear(int(encoder.config.hidden_size), len(config.labels))

    def layers(self) -> list[nn.Module]:
        """The encoder's transformer layers, the lowest first; none where the layers share their weights (ALBERT)."""
        depth = int(self.encoder.config.num_hidden_layers)
        stacks = (part for part in self.encoder.modules() if isinstance(part, nn.ModuleList))
        return next((list(stack) for stack in stacks if len(stack) == depth), [])

    def tokenize(self, texts: list[str], max_tokens: int = MAX_TOKENS) -> list[list[int]]:
        """Token ids of each text, not padded; a text longer than `max_tokens` or the window is cut at its end."""
        window = min(max_tokens, self.config.max_tokens)
        ids: list[list[int]] = self.tokenizer(_cut(texts), truncation=True, max_length=window)["input_ids"]
        return ids

    def chunk(self, texts: list[str]) -> tuple[list[list[int]], list[int]]:
        """Cut texts into pieces of the window's size.

        A text of more than MAX_CHUNKS pieces is read in MAX_CHUNKS of them, spread evenly from the first to the last.

        Returns:
            Token ids of M pieces, and for each piece the position of its text; pieces of a text stand in order.
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
        """Pad one batch of token ids to its longest text, on the model's device."""
        batch = self.tokenizer.pad({"input_ids": token_ids}, return_tensors="pt")
        return {
            "input_ids": batch["input_ids"].to(self.device),
            "attention_mask": batch["attention_mask"].to(self.device),
        }

    def embed(self, batch: dict[str, Tensor]) -> Tensor:
        """Embed a padded batch of N texts: embeddings_N_D."""
        return self.pool(self.encoder(**batch).last_hidden_state, batch["attention_mask"])

    def pool(self, hidden_N_T_D: Tensor, mask_N_T: Tensor) -> Tensor:
        """Pool the last hidden states of T tokens: embeddings_N_D, of the same type."""
        if self.config.pooling is Pooling.CLS:
            return hidden_N_T_D[:, 0]
        mask_N_T_1 = mask_N_T.unsqueeze(-1).to(hidden_N_T_D.dtype)
        return (hidden_N_T_D * mask_N_T_1).sum(1) / mask_N_T_1.sum(1).clamp(min=1)

    @property
    def link(self) -> Link:
        """The meaning of the head's numbers."""
        return link_of(self.config.label_set)

    def proba(self, logits_N_C: Tensor) -> Tensor:
        """Calibrated class probabilities, proba_N_C."""
        return activation_of(self.link).proba(logits_N_C / self.config.temperature)

    @property
    def device(self) -> torch.device:
        """The device that holds the weights."""
        return self.head.weight.device


def _cut(texts: list[str]) -> list[str]:
    """Cut texts after MAX_CHARACTERS characters: a tokenizer would read all of a longer one."""
    return [text[:MAX_CHARACTERS] for text in texts]


def _spread(pieces: list[list[int]]) -> list[list[int]]:
    """All pieces of a text, or MAX_CHUNKS of them from the first to the last."""
    if len(pieces) <= MAX_CHUNKS:
        return pieces
    step = (len(pieces) - 1) / (MAX_CHUNKS - 1)
    return [pieces[round(place * step)] for place in range(MAX_CHUNKS)]


def new_classifier(encoder: str, label_set: LabelSet) -> TextClassifier:
    """A pretrained encoder with an untrained head, on the best device.

    Args:
        encoder: a Hugging Face name or folder; empty for the bundled all-MiniLM-L6-v2.
        label_set: the classes of axis C.

    Raises:
        EncoderError: the encoder cannot be found or read, or the bundled weights were changed.
    """
    body, tokenizer, pooling = load_pretrained(encoder)
    config = ClassifierConfig(
        labels=label_set.labels,
        is_multilabel=label_set.is_multilabel,
        encoder=encoder or BUNDLED_ENCODER,
        max_tokens=min(MAX_TOKENS, window_tokens(body) or MAX_TOKENS),
        pooling=pooling,
    )
    return TextClassifier(body, tokenizer, config).to(best_device())


def save_classifier(classifier: TextClassifier, folder: Path) -> None:
    """Write encoder, tokenizer, head and configuration into `folder`; a classifier always gives the same files."""
    _forget_last_call(classifier.tokenizer)
    classifier.encoder.save_pretrained(folder / "encoder")
    classifier.tokenizer.save_pretrained(folder / "encoder")
    save_file(
        {key: value.cpu().contiguous() for key, value in classifier.head.state_dict().items()},
        folder / "head.safetensors",
    )
    write_whole(folder / "classifier.json", json.dumps(asdict(classifier.config), indent=2).encode())


def _forget_last_call(tokenizer: Any) -> None:
    """Reset how a tokenizer cut and padded last; it would save that, and sets it anew in every call."""
    rust = getattr(tokenizer, "backend_tokenizer", None)
    if rust is not None:
        rust.no_truncation()
        rust.no_padding()


def load_classifier(folder: Path) -> TextClassifier:
    """Read a classifier that `save_classifier` wrote, in evaluation mode.

    Raises:
        OSError, ValueError, KeyError, RuntimeError, SafetensorError: a file is missing or damaged.
    """
    raw = json.loads((folder / "classifier.json").read_text(encoding="utf-8"))
    fields = {**raw, "labels": tuple(raw["labels"]), "pooling": Pooling(raw.get("pooling", Pooling.MEAN))}
    config = ClassifierConfig(**fields)
    body, tokenizer = load_body(str(folder / "encoder"))
    classifier = TextClassifier(body, tokenizer, config)
    classifier.head.load_state_dict(load_file(folder / "head.safetensors"))
    return classifier.to(best_device()).eval()
