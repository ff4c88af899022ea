"""The beginnings of tasks' texts, for people who read a list of tasks."""

import logging
import sqlite3
from collections.abc import Collection
from pathlib import Path

from backend.store.tasks import read_beginnings

_CHARACTERS = 200

log = logging.getLogger(__name__)


def snippets_of(file: Path, task_ids: Collection[int]) -> dict[int, str]:
    """Read the beginnings of texts by task id; tasks without a text are left out.

    Nothing is read from a file that is missing, busy or broken: the next round mends it.

    Args:
        file: the project's tasks.
        task_ids: the tasks, a few dozen.
    """
    try:
        found = read_beginnings(file, task_ids, _CHARACTERS + 1)
    except sqlite3.Error as error:
        log.warning("event=texts_unreadable file=%s reason=%s", file.name, error)
        return {}
    return {task_id: _shortened(text) for task_id, text in found.items() if str(text).strip()}


def _shortened(text: object) -> str:
    words = " ".join(str(text).split())
    return f"{words[:_CHARACTERS]}…" if len(words) > _CHARACTERS else words
