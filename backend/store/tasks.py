"""A project's tasks and annotations as last read from Label Studio, in a file, so that a round reads only what changed.

One writer at a time: the round's turn. Whatever is written in one step is there whole or not at all.
"""

import json
import logging
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from model.types import AnnotatedText, Annotation, PoolText

# Another number voids what an earlier version of this module wrote.
_LAYOUT = 1
_TABLES = f"""
CREATE TABLE tasks (task_id INTEGER PRIMARY KEY, text TEXT NOT NULL, is_done INTEGER NOT NULL,
    is_skipped INTEGER NOT NULL);
CREATE INDEX open_tasks ON tasks (is_done);
CREATE TABLE annotated (task_id INTEGER PRIMARY KEY, updated_at TEXT NOT NULL, annotations TEXT NOT NULL,
    stored INTEGER NOT NULL, given INTEGER NOT NULL, is_labelled INTEGER NOT NULL);
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
PRAGMA user_version = {_LAYOUT};
"""
_EMPTYING = ("DELETE FROM tasks", "DELETE FROM annotated", "DELETE FROM facts")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StoredTask:
    """A task as it is kept.

    Attributes:
        text: what an annotator reads of it.
        is_done: nobody needs to label it any more.
        updated_at: when Label Studio says that it changed last.
        annotations: what people said; None leaves what is stored.
    """

    task_id: int
    text: str
    is_done: bool = False
    is_skipped: bool = False
    updated_at: str = ""
    annotations: tuple[Annotation, ...] | None = ()


@dataclass(frozen=True)
class Counts:
    """How many there are, counted as Label Studio counts.

    Attributes:
        done_tasks: tasks that nobody needs to label any more.
        labelled_tasks: tasks with an annotation that is neither skipped nor ground truth.
        annotations: annotations that are not skipped.
    """

    tasks: int
    done_tasks: int
    labelled_tasks: int
    annotations: int


class TaskStore:
    """What is known of a project's tasks; a context that closes the file.

    Raises:
        sqlite3.DatabaseError: from any method, if the file is broken; `set_aside_if_broken` fixes that.
    """

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._db = _opened(file)

    def __enter__(self) -> "TaskStore":
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    @contextmanager
    def anew(self) -> Iterator[None]:
        """Replace everything by what is put meanwhile; if that fails, all is as before."""
        with self.at_once():
            for emptying in _EMPTYING:
                self._db.execute(emptying)
            yield

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Make several changes one; within another, a part of that."""
        if self._db.in_transaction:
            yield
            return
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.rollback()
            raise
        self._db.commit()

    def put(self, tasks: Iterable[StoredTask]) -> None:
        """Store some tasks, over what was known of them."""
        with self.at_once():
            for task in tasks:
                row = (task.task_id, task.text, task.is_done, task.is_skipped)
                self._db.execute("INSERT OR REPLACE INTO tasks VALUES (?, ?, ?, ?)", row)
                if task.annotations is not None:
                    self._put_annotations(task.task_id, task.updated_at, task.annotations)

    def _put_annotations(self, task_id: int, updated_at: str, annotations: tuple[Annotation, ...]) -> None:
        if not annotations:
            self._db.execute("DELETE FROM annotated WHERE task_id = ?", (task_id,))
            return
        given = [annotation for annotation in annotations if not annotation.is_skipped]
        is_labelled = any(not annotation.is_ground_truth for annotation in given)
        said = json.dumps([asdict(annotation) for annotation in annotations])
        row = (task_id, updated_at, said, len(annotations), len(given), is_labelled)
        self._db.execute("INSERT OR REPLACE INTO annotated VALUES (?, ?, ?, ?, ?, ?)", row)

    def remove(self, task_ids: Collection[int]) -> None:
        """Forget tasks that are gone."""
        rows = [(task_id,) for task_id in task_ids]
        with self.at_once():
            self._db.executemany("DELETE FROM tasks WHERE task_id = ?", rows)
            self._db.executemany("DELETE FROM annotated WHERE task_id = ?", rows)

    def pool(self) -> Iterator[PoolText]:
        """The texts that still want labels, by task id."""
        rows = self._db.execute("SELECT task_id, text, is_skipped FROM tasks WHERE NOT is_done ORDER BY task_id")
        return (PoolText(task_id, text, bool(is_skipped)) for task_id, text, is_skipped in rows)

    def annotated(self) -> Iterator[AnnotatedText]:
        """The texts that somebody annotated or skipped, and what everybody said of them, by task id."""
        rows = self._db.execute(
            "SELECT task_id, text, annotations FROM annotated JOIN tasks USING (task_id) ORDER BY task_id"
        )
        return (AnnotatedText(task_id, text, _annotations(said)) for task_id, text, said in rows)

    def knows_annotations(self, task_id: int, updated_at: str, count: int) -> bool:
        """Whether the annotations of a task are stored as they are since it changed last."""
        row = self._db.execute("SELECT updated_at, stored FROM annotated WHERE task_id = ?", (task_id,)).fetchone()
        return bool(row == (updated_at, count))

    def counts(self) -> Counts:
        """How many tasks and annotations are stored."""
        tasks, done = self._db.execute("SELECT count(*), coalesce(sum(is_done), 0) FROM tasks").fetchone()
        labelled, given = self._db.execute(
            "SELECT coalesce(sum(is_labelled), 0), coalesce(sum(given), 0) FROM annotated"
        ).fetchone()
        return Counts(tasks, done, labelled, given)

    def greatest_id(self) -> int:
        """The greatest task id; 0 without tasks."""
        (greatest,) = self._db.execute("SELECT coalesce(max(task_id), 0) FROM tasks").fetchone()
        return int(greatest)

    def facts(self) -> dict[str, Any]:
        """What was noted of how the tasks were read."""
        rows = self._db.execute("SELECT name, value FROM facts").fetchall()
        return {name: json.loads(value) for name, value in rows}

    def note(self, facts: Mapping[str, Any]) -> None:
        """Note how the tasks were read, beside what was noted before."""
        with self.at_once():
            rows = [(name, json.dumps(value)) for name, value in facts.items()]
            self._db.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", rows)


def set_aside_if_broken(file: Path, error: sqlite3.DatabaseError) -> bool:
    """Make way for a new file if the error says that this one is broken or none of ours.

    Its subclasses say other things, such as that the file is locked or the disk is full: it is then as good as before.
    """
    if type(error) is not sqlite3.DatabaseError:
        return False
    log.warning("event=task_store_set_aside file=%s reason=%s", file, str(error).replace(" ", "_"))
    file.replace(file.with_suffix(".broken"))
    file.with_name(f"{file.name}-journal").unlink(missing_ok=True)
    return True


def _opened(file: Path) -> sqlite3.Connection:
    """A connection to a store with its tables; what another layout left is dropped."""
    db = sqlite3.connect(file, isolation_level=None)
    try:
        (layout,) = db.execute("PRAGMA user_version").fetchone()
        if layout != _LAYOUT:
            names = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            dropped = "".join(f'DROP TABLE "{name}";' for (name,) in names)
            db.executescript(f"BEGIN IMMEDIATE; {dropped} {_TABLES} COMMIT;")
    except sqlite3.Error:
        db.close()
        raise
    return db


def _annotations(said: str) -> tuple[Annotation, ...]:
    return tuple(Annotation(**{**raw, "labels": tuple(raw["labels"])}) for raw in json.loads(said))
