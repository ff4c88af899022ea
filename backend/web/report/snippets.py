"""The beginnings of tasks' texts, for people who read a list of tasks."""

import logging
import sqlite3
from collections.abc import Collection
from contextlib import closing
from pathlib import Path

from backend.store.order.table import MOST_ID

_CHARACTERS = 200
# A round that writes thousands of tasks holds the file for a moment; a page does not wait long for texts.
_TIMEOUT_S = 1.0

log = logging.getLogger(__name__)


def snippets_of(file: Path, task_ids: Collection[int]) -> dict[int, str]:
    """Read the beginnings of texts by task id; tasks without a text are left out.

    Nothing is read from a file that is missing, busy or broken: the next round mends it.

    Args:
        file: the project's tasks.
        task_ids: the tasks, a few dozen.
    """
    wanted = [task_id for task_id in task_ids if task_id <= MOST_ID]
    if not wanted or not file.exists():
        return {}
    marks = ", ".join("?" * len(wanted))
    query = f"SELECT task_id, substr(text, 1, {_CHARACTERS + 1}) FROM tasks WHERE task_id IN ({marks})"  # noqa: S608
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=_TIMEOUT_S)) as tasks:
            rows = tasks.execute(query, wanted).fetchall()
    except sqlite3.Error as error:
        log.warning("event=texts_unreadable file=%s reason=%s", file.name, error)
        return {}
    return {task_id: _shortened(text) for task_id, text in rows if str(text).strip()}


def _shortened(text: object) -> str:
    words = " ".join(str(text).split())
    return f"{words[:_CHARACTERS]}…" if len(words) > _CHARACTERS else words
