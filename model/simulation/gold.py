"""Gold labels: JSON lines of {"text", "label"}, or of {"text", "labels"} where a text may have several labels.

This module needs no package but numpy, so that the environments of other packages can read the same texts.
"""

import gzip
import json
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from model.errors import InvalidGoldError
from model.types import LabelSet, Targets

Row = tuple[str, tuple[str, ...]]
"""Text, labels."""


def read_gold(files: Sequence[Path]) -> tuple[Targets, ...]:
    """Read one or several files of texts with the same classes; .gz files are unpacked.

    Args:
        files: JSON lines; axis C has the labels of all files in alphabetical order.

    Returns:
        Targets of each file; task ids count from 0 in each.

    Raises:
        InvalidGoldError: a file or one of its lines cannot be read; names file and line.
    """
    parts = [list(_rows(file)) for file in files]
    if len({is_list for part in parts for _, _, is_list in part}) > 1:
        raise InvalidGoldError(f"{_named(files)}: some lines have `label`, others `labels`: use one of them throughout")
    rows = [[(text, labels) for text, labels, _ in part] for part in parts]
    has_lists = any(is_list for part in parts for _, _, is_list in part)
    classes = tuple(sorted({label for part in rows for _, labels in part for label in labels}))
    if len(classes) < (1 if has_lists else 2):
        raise InvalidGoldError(f"{_named(files)}: needs at least 2 different labels, found {list(classes)}")
    return tuple(_targets(part, LabelSet(classes, has_lists)) for part in rows)


def _targets(rows: Sequence[Row], label_set: LabelSet) -> Targets:
    place = {label: position for position, label in enumerate(label_set.labels)}
    targets_N_C = np.zeros((len(rows), len(place)), dtype=np.float32)
    for row, (_, labels) in enumerate(rows):
        targets_N_C[row, [place[label] for label in labels]] = 1.0
    return Targets(tuple(range(len(rows))), tuple(text for text, _ in rows), targets_N_C, label_set)


def _rows(file: Path) -> Iterator[tuple[str, tuple[str, ...], bool]]:
    """Yield text, labels, and whether the line has "labels", of every line that is not blank."""
    found = False
    for number, line in enumerate(_lines(file), start=1):
        if line.strip():
            found = True
            yield _row(f"{file}, line {number}", line)
    if not found:
        raise InvalidGoldError(f"{file} has no lines")


def _lines(file: Path) -> Iterator[str]:
    try:
        with gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else file.open(encoding="utf-8") as lines:
            yield from lines
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise InvalidGoldError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _row(where: str, line: str) -> tuple[str, tuple[str, ...], bool]:
    try:
        raw: Any = json.loads(line)
    except ValueError as error:
        raise InvalidGoldError(f"{where} is not JSON ({error})") from error
    text = raw.get("text") if isinstance(raw, dict) else None
    if not isinstance(text, str) or not text.strip():
        raise InvalidGoldError(f'{where}: needs a "text" with words in it')
    labels = raw["labels"] if "labels" in raw else [raw.get("label")]
    if not isinstance(labels, list) or not all(isinstance(label, str) and label for label in labels):
        raise InvalidGoldError(f'{where}: needs a "label" that is a string, or "labels", a list of them')
    return text, tuple(labels), "labels" in raw


def _named(files: Sequence[Path]) -> str:
    return ", ".join(map(str, files))
