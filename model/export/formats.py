"""The formats of an exported model version, and the one way to put its folder in place."""

import os
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

from safetensors import SafetensorError

from model.errors import ExportError
from model.export.exported import Exported
from model.export.onnx_folder import LABELS_FILE, write_onnx_folder
from model.export.sentence_transformers_folder import write_sentence_transformers_folder
from model.files.names import discard, move
from model.files.writing import new_folder, passing_folder
from model.leftovers import sweep_beside


class ExportFormat(StrEnum):
    """The formats by name."""

    ONNX = "onnx"
    """One graph for ONNX Runtime, with a script."""
    SENTENCE_TRANSFORMERS = "sentence-transformers"
    """An encoder that sentence-transformers loads, with the head beside it."""


_WRITERS: dict[ExportFormat, Callable[[Exported, Path], None]] = {
    ExportFormat.ONNX: write_onnx_folder,
    ExportFormat.SENTENCE_TRANSFORMERS: write_sentence_transformers_folder,
}
# Files of an earlier export, of either format, which are removed: a file of the other format would mislead.
_OWN_FILES = ("model.onnx", "model.onnx.data", "classify.py", "requirements.txt", "modules.json", "model.safetensors")
_NAMED = 3


def check_place(out: Path, *, is_forced: bool) -> None:
    """Check that an export may be written to `out`, before anything is loaded.

    Args:
        out: the folder.
        is_forced: the folder may hold files; those of the same names are replaced.

    Raises:
        ExportError: `out` is a file, or holds files and is not forced.
        OSError: `out` cannot be read.
    """
    if out.exists() and not out.is_dir():
        raise ExportError(f"{out} is a file: give the name of a folder with --out")
    for left in (out, out / "passing"):
        sweep_beside(left)
    held = sorted(os.listdir(out)) if out.exists() else []
    if held and not is_forced:
        named = ", ".join(held[:_NAMED]) + (" …" if len(held) > _NAMED else "")
        raise ExportError(
            f"{out} is not empty ({named}): choose another folder with --out, or add --force, which replaces the files "
            "of an export and leaves others"
        )


def write_export(exported: Exported, out: Path, format_: ExportFormat, *, is_forced: bool) -> None:
    """Write a model version into a folder, whole or not at all.

    A new folder gets its name once all files are in it. An existing folder may be a mounted volume: files are written
    into a temporary folder inside it, then renamed one after the other.

    Args:
        exported: the model version.
        out: the folder.
        format_: the format.
        is_forced: as of `check_place`.

    Raises:
        ExportError: as of `check_place`; or the disk refuses.
        EncoderError: the encoder cannot be written in that format.
        OSError: the disk refuses.
    """
    check_place(out, is_forced=is_forced)
    try:
        if not out.exists():
            with new_folder(out) as beside:
                _WRITERS[format_](exported, beside)
            return
        with passing_folder(out) as inside:
            _WRITERS[format_](exported, inside)
            _move_all(inside, out)
    except SafetensorError as error:
        raise ExportError(f"{out} cannot be written ({error}): is the disk full?") from error


def _move_all(inside: Path, out: Path) -> None:
    written = sorted(inside.iterdir())
    if (out / LABELS_FILE).exists():
        for name in {*_OWN_FILES} - {path.name for path in written}:
            discard(out / name)
    for path in written:
        discard(out / path.name)
        move(path, out / path.name)
