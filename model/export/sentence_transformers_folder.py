"""The sentence-transformers format: the encoder as that library reads it, with the head beside it."""

import json
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from model.encoder.encoder import Pooling
from model.export.card import write_card
from model.export.exported import Exported
from model.export.onnx_folder import LABELS_FILE, write_labels

_MODULES = [
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
]


def write_sentence_transformers_folder(exported: Exported, folder: Path) -> None:
    """Write a model version as `SentenceTransformer(folder)` reads it, with head, labels and a card.

    Args:
        exported: the model version.
        folder: an empty folder.

    Raises:
        OSError, SafetensorError: the disk refuses.
    """
    encoder, head = exported.classifier.encoder, exported.classifier.head
    encoder.save(folder)
    is_mean = encoder.config.pooling is Pooling.MEAN
    pooling = {
        "word_embedding_dimension": encoder.dimensions,
        "pooling_mode_cls_token": not is_mean,
        "pooling_mode_mean_tokens": is_mean,
        "pooling_mode_max_tokens": False,
        "pooling_mode_mean_sqrt_len_tokens": False,
    }
    (folder / "1_Pooling").mkdir()
    _write_json(folder / "modules.json", _MODULES)
    _write_json(folder / "1_Pooling" / "config.json", pooling)
    limit = {"max_seq_length": encoder.config.max_tokens, "do_lower_case": False}
    _write_json(folder / "sentence_bert_config.json", limit)
    save_file({key: value.contiguous() for key, value in head.state_dict().items()}, folder / "head.safetensors")
    write_labels(exported, folder / LABELS_FILE)
    write_card(exported, folder / "README.md", "sentence-transformers")


def _write_json(file: Path, said: Any) -> None:
    file.write_text(json.dumps(said, indent=2), encoding="utf-8")
