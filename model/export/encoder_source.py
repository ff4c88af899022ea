"""Where an encoder came from, and its licence as far as its own model card says."""

import re
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import try_to_load_from_cache
from huggingface_hub.errors import HFValidationError

from model.encoder.runtimes import RUNTIMES

# The licence of the bundled encoder, as its model card says.
_BUNDLED = "sentence-transformers/all-MiniLM-L6-v2", "apache-2.0"
_CARD = "README.md"
_LICENCE = re.compile(r"^license:[ \t]*['\"]?(?P<licence>[\w.+-]+)", re.MULTILINE)


@dataclass(frozen=True)
class EncoderSource:
    """An encoder before any training here.

    Attributes:
        name: for people.
        hub_name: its name at Hugging Face; empty for a folder.
        licence: the licence's name in the model card; empty if unknown.
    """

    name: str
    hub_name: str
    licence: str


def encoder_source(configured: str) -> EncoderSource:
    """Find where an encoder came from, without asking other machines.

    Args:
        configured: the value of BERT_MODEL; empty for the bundled encoder.
    """
    runtime, colon, rest = configured.partition(":")
    name = rest if colon and runtime in RUNTIMES else configured
    if not name:
        return EncoderSource(_BUNDLED[0], *_BUNDLED)
    if Path(name).is_dir():
        return EncoderSource(Path(name).name, "", _licence(Path(name) / _CARD))
    try:
        cached = try_to_load_from_cache(name, _CARD)
    except HFValidationError:
        # The folder is gone.
        return EncoderSource(Path(name).name, "", "")
    return EncoderSource(name, name, _licence(Path(cached)) if isinstance(cached, str) else "")


def _licence(card: Path) -> str:
    """The licence in a model card's metadata; empty without a card, or if the card does not say."""
    try:
        text = card.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
    metadata = text.partition("---\n")[2].partition("\n---")[0]
    stated = _LICENCE.search(metadata)
    return stated["licence"] if stated else ""
