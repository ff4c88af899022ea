"""An encoder's PyTorch module and its tokenizer: cut texts into pieces, pad a batch, and pool hidden states."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from model.encoder.encoder import MAX_CHARACTERS, MAX_CHUNKS, MAX_TOKENS, EncoderConfig, Pooling
from model.errors import EncoderError


@dataclass(frozen=True)
class Piece:
    """As much of a text as the window holds.

    Attributes:
        text: position of its text.
        token_ids: special tokens included.
        spans: each token's first character, and the one after its last; empty where nobody asked for them.
    """

    text: int
    token_ids: list[int]
    spans: list[tuple[int, int]]


@dataclass(frozen=True, eq=False)
class Body:
    """A BERT-like module, its tokenizer and its properties.

    Attributes:
        module: the transformer, in evaluation mode.
        tokenizer: the encoder's own.
        config: name, window and pooling.
    """

    module: Any
    tokenizer: Any
    config: EncoderConfig

    def layers(self) -> list[nn.Module]:
        """The encoder's transformer layers, the lowest first; none where the layers share their weights (ALBERT)."""
        depth = int(self.module.config.num_hidden_layers)
        stacks = (part for part in self.module.modules() if isinstance(part, nn.ModuleList))
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
        by_text: dict[int, list[Piece]] = {}
        for piece in self.pieces(texts):
            by_text.setdefault(piece.text, []).append(piece)
        chosen = [piece for pieces in by_text.values() for piece in _spread(pieces)]
        return [piece.token_ids for piece in chosen], [piece.text for piece in chosen]

    def pieces(self, texts: list[str], *, has_spans: bool = False) -> Iterator[Piece]:
        """All pieces of all texts, in order.

        Args:
            texts: N texts.
            has_spans: whether to say which characters each token stands for.

        Raises:
            EncoderError: the tokenizer cannot say it.
        """
        if has_spans and not self.tokenizer.is_fast:
            raise EncoderError(
                f"the tokenizer of {self.config.name!r} cannot say which characters a token stands for: "
                "set BERT_MODEL to an encoder with a tokenizer.json"
            )
        encoded = self.tokenizer(
            _cut(texts),
            truncation=True,
            max_length=self.config.max_tokens,
            return_overflowing_tokens=True,
            return_offsets_mapping=has_spans,
        )
        spans = encoded["offset_mapping"] if has_spans else [[]] * len(encoded["input_ids"])
        for text, ids, spans_of in zip(encoded["overflow_to_sample_mapping"], encoded["input_ids"], spans, strict=True):
            yield Piece(text, ids, spans_of)

    def pad(self, token_ids: list[list[int]]) -> dict[str, Tensor]:
        """Pad one batch of token ids to its longest text, on the model's device."""
        batch = self.tokenizer.pad({"input_ids": token_ids}, return_tensors="pt")
        return {
            "input_ids": batch["input_ids"].to(self.device),
            "attention_mask": batch["attention_mask"].to(self.device),
        }

    def embed(self, batch: dict[str, Tensor]) -> Tensor:
        """Embed a padded batch of N texts: embeddings_N_D."""
        return self.pool(self.module(**batch).last_hidden_state, batch["attention_mask"])

    def pool(self, hidden_N_T_D: Tensor, mask_N_T: Tensor) -> Tensor:
        """Pool the last hidden states of T tokens: embeddings_N_D, of the same type."""
        if self.config.pooling is Pooling.CLS:
            return hidden_N_T_D[:, 0]
        mask_N_T_1 = mask_N_T.unsqueeze(-1).to(hidden_N_T_D.dtype)
        return (hidden_N_T_D * mask_N_T_1).sum(1) / mask_N_T_1.sum(1).clamp(min=1)

    @property
    def dimensions(self) -> int:
        """D."""
        return int(self.module.config.hidden_size)

    @property
    def device(self) -> torch.device:
        """The device that holds the weights."""
        device: torch.device = next(self.module.parameters()).device
        return device


def _cut(texts: list[str]) -> list[str]:
    """Cut texts after MAX_CHARACTERS characters: a tokenizer would read all of a longer one."""
    return [text[:MAX_CHARACTERS] for text in texts]


def _spread(pieces: list[Piece]) -> list[Piece]:
    """All pieces of a text, or MAX_CHUNKS of them from the first to the last."""
    if len(pieces) <= MAX_CHUNKS:
        return pieces
    step = (len(pieces) - 1) / (MAX_CHUNKS - 1)
    return [pieces[round(place * step)] for place in range(MAX_CHUNKS)]
