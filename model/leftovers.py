"""Leftovers of killed processes: unfinished files and folders are deleted, and damaged files after a month."""

import logging
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

from model.files.damage import BROKEN
from model.files.locks import is_being_written
from model.files.names import UNFINISHED, discard

# How long a damaged file is kept for people to look at.
KEPT_BROKEN_S = 30 * 24 * 3600.0

log = logging.getLogger(__name__)


def sweep(folder: Path) -> int:
    """Delete unfinished files that no process is writing, and files set aside long ago; a starting process calls this.

    Args:
        folder: MODEL_DIR; all folders in it are looked through.

    Returns:
        The number of files and folders that were deleted.
    """
    found = [path for path in _leftovers(folder) if not is_being_written(path)]
    swept = sum(map(_is_discarded, found))
    if swept:
        log.info("event=swept folder=%s leftovers=%d", folder, swept)
    return swept


def sweep_beside(path: Path) -> None:
    """Delete leftovers of one file or folder outside MODEL_DIR; a process that is about to write it calls this.

    Args:
        path: the file or folder; it may not exist.
    """
    named = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{32}}{re.escape(UNFINISHED)}")
    if not path.parent.is_dir():
        return
    for found in path.parent.iterdir():
        if named.fullmatch(found.name) and not is_being_written(found):
            _is_discarded(found)


def _leftovers(folder: Path) -> Iterator[Path]:
    """Yield unfinished files and folders, and those set aside a month ago; folders that vanish are no error."""
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(parent) / name
            is_unfinished = name.startswith(".") and name.endswith(UNFINISHED)
            if is_unfinished or (name.endswith(BROKEN) and _age_s(path) > KEPT_BROKEN_S):
                yield path


def _age_s(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0


def _is_discarded(path: Path) -> bool:
    try:
        discard(path)
    except OSError as error:
        log.warning("event=not_swept file=%s reason=%s", path, str(error).replace(" ", "_"))
        return False
    return True
