"""The ONNX format: a graph that gives probabilities, its tokenizer, and a script of 30 lines that uses them."""

import json
import shutil
from importlib.metadata import version as library_version
from pathlib import Path
from typing import Any

from model.encoder.encoder import MAX_CHARACTERS, MAX_CHUNKS
from model.export.card import write_card
from model.export.exported import Exported

LABELS_FILE = "labels.json"
_SCRIPT = Path(__file__).with_name("templates") / "classify.py"


def write_onnx_folder(exported: Exported, folder: Path) -> None:
    """Write a model version as ONNX, with a script, its requirements and a card.

    Args:
        exported: the model version.
        folder: an empty folder.

    Raises:
        EncoderError: the encoder cannot be written as ONNX.
        OSError: the disk refuses.
    """
    exported.classifier.write_onnx(folder)
    write_labels(exported, folder / LABELS_FILE)
    shutil.copyfile(_SCRIPT, folder / "classify.py")
    # The releases by which the graph was just compared with its encoder.
    pinned = "".join(f"{name}=={library_version(name)}\n" for name in ("onnxruntime", "tokenizers", "numpy"))
    (folder / "requirements.txt").write_text(pinned, encoding="utf-8")
    write_card(exported, folder / "README.md", "onnx")


def write_labels(exported: Exported, file: Path) -> None:
    """Write the settings that a reader needs besides weights: labels, form of an answer, temperature, limits of a text.

    Args:
        exported: the model version.
        file: where to write.
    """
    config = exported.classifier.config
    said: dict[str, Any] = {
        "labels": list(config.labels),
        "answer": exported.form.value,
        "temperature": config.temperature,
        "max_tokens": exported.classifier.encoder.config.max_tokens,
        "max_pieces": MAX_CHUNKS,
        "max_characters": MAX_CHARACTERS,
        "project": exported.project,
        "question": exported.version.question,
        "model_version": exported.version.number,
    }
    file.write_text(f"{json.dumps(said, indent=2, ensure_ascii=False)}\n", encoding="utf-8")
