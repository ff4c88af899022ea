"""The store of a project's tasks and annotations, in SQLite. A round reads only changed tasks from Label Studio.

Only the worker with the project's turn writes. A transaction is stored whole or not at all.
"""

import json
import sqlite3
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from backend.store.order.table import MOST_ID
from model.files.damage import check_openable, set_aside
from model.files.names import discard
from model.seals import sealed, unsealed
from model.types import AnnotatedText, Annotation, PoolText, ResultItem

# Raise this number when the tables change: a file with another number is emptied.
_LAYOUT = 3
_TABLES = f"""
CREATE TABLE tasks (task_id INTEGER PRIMARY KEY, text TEXT NOT NULL, is_done INTEGER NOT NULL,
    is_skipped INTEGER NOT NULL, sum INTEGER NOT NULL);
CREATE INDEX open_tasks ON tasks (is_done);
CREATE TABLE annotated (task_id INTEGER PRIMARY KEY, updated_at TEXT NOT NULL, annotations TEXT NOT NULL,
    stored INTEGER NOT NULL, given INTEGER NOT NULL, is_labelled INTEGER NOT NULL, sum INTEGER NOT NULL);
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
PRAGMA user_version = {_LAYOUT};
"""
# How SQLite's message begins for a text that it cannot decode.
_NO_UTF_8 = "Could not decode to UTF-8"
_TASK_COLUMNS = "task_id, text, is_done, is_skipped, tasks.sum"
_TASK_WIDTH = _TASK_COLUMNS.count(",") + 1
_ANNOTATED_COLUMNS = "annotated.task_id, updated_at, annotations, stored, given, is_labelled, annotated.sum"
_EMPTYING = ("DELETE FROM tasks", "DELETE FROM annotated", "DELETE FROM facts")
# How long a glance at some texts waits for a round that writes.
_GLANCE_TIMEOUT_S = 1.0


@dataclass(frozen=True)
class StoredTask:
    """A task in the store.

    Attributes:
        text: the text that annotators see.
        is_done: the task needs no further annotation.
        is_skipped: a person skipped the task.
        updated_at: latest change of the task, by Label Studio's clock.
        annotations: people's annotations; None keeps the annotations in the store.
    """

    task_id: int
    text: str
    is_done: bool = False
    is_skipped: bool = False
    updated_at: str = ""
    annotations: tuple[Annotation, ...] | None = ()


@dataclass(frozen=True)
class Counts:
    """Numbers of tasks and annotations, counted as Label Studio counts them.

    Attributes:
        tasks: all tasks.
        done_tasks: tasks that need no further annotation.
        labelled_tasks: tasks with an annotation that is neither skipped nor ground truth.
        annotations: annotations that are not skipped.
    """

    tasks: int
    done_tasks: int
    labelled_tasks: int
    annotations: int


class TaskStore:
    """The stored tasks of a project; a context manager that closes the file.

    Raises:
        sqlite3.DatabaseError: from any method, if the file is broken; see `set_aside_if_broken`.
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
        """Empty the store, and run the block that fills it again; if the block fails, the store stays as it was."""
        with self.at_once():
            for emptying in _EMPTYING:
                self._db.execute(emptying)
            yield

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Run the block in one transaction; inside another transaction, as a part of it."""
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
        """Store tasks; replace tasks with the same ids."""
        with self.at_once():
            for task in tasks:
                row = (task.task_id, task.text, int(task.is_done), int(task.is_skipped))
                self._db.execute("INSERT OR REPLACE INTO tasks VALUES (?, ?, ?, ?, ?)", (*row, _sum(row)))
                if task.annotations is not None:
                    self._put_annotations(task.task_id, task.updated_at, task.annotations)

    def _put_annotations(self, task_id: int, updated_at: str, annotations: tuple[Annotation, ...]) -> None:
        if not annotations:
            self._db.execute("DELETE FROM annotated WHERE task_id = ?", (task_id,))
            return
        given = [annotation for annotation in annotations if not annotation.is_skipped]
        is_labelled = any(not annotation.is_ground_truth for annotation in given)
        raw = json.dumps([asdict(annotation) for annotation in annotations])
        row = (task_id, updated_at, raw, len(annotations), len(given), int(is_labelled))
        self._db.execute("INSERT OR REPLACE INTO annotated VALUES (?, ?, ?, ?, ?, ?, ?)", (*row, _sum(row)))

    def remove(self, task_ids: Collection[int]) -> None:
        """Delete tasks and their annotations."""
        rows = [(task_id,) for task_id in task_ids]
        with self.at_once():
            self._db.executemany("DELETE FROM tasks WHERE task_id = ?", rows)
            self._db.executemany("DELETE FROM annotated WHERE task_id = ?", rows)

    def pool(self) -> Iterator[PoolText]:
        """Yield the texts of tasks that need an annotation, by task id."""
        rows = self._db.execute(f"SELECT {_TASK_COLUMNS} FROM tasks WHERE NOT is_done ORDER BY task_id")  # noqa: S608
        return (PoolText(task_id, text, bool(is_skipped)) for task_id, text, _, is_skipped in map(_checked, rows))

    def annotated(self) -> Iterator[AnnotatedText]:
        """Yield the texts that people annotated or skipped, with all annotations, by task id."""
        columns = f"{_TASK_COLUMNS}, {_ANNOTATED_COLUMNS}"
        rows = self._db.execute(
            f"SELECT {columns} FROM annotated JOIN tasks USING (task_id) ORDER BY task_id"  # noqa: S608
        )
        both = ((_checked(row[:_TASK_WIDTH]), _checked(row[_TASK_WIDTH:])) for row in rows)
        return (AnnotatedText(task[0], task[1], _annotations(annotated[2])) for task, annotated in both)

    def copy_to(self, file: Path) -> None:
        """Copy the store as it is at this moment, also while a round writes it."""
        with closing(sqlite3.connect(file)) as copy:
            self._db.backup(copy)

    def knows_annotations(self, task_id: int, updated_at: str, count: int) -> bool:
        """Whether the store has the present annotations of a task.

        Args:
            task_id: the task.
            updated_at: latest change of the task, by Label Studio's clock.
            count: number of the task's annotations in Label Studio.
        """
        row = self._db.execute("SELECT updated_at, stored FROM annotated WHERE task_id = ?", (task_id,)).fetchone()
        return bool(row == (updated_at, count))

    def annotated_ids(self) -> set[int]:
        """Return the ids of the tasks whose annotations are stored."""
        return {task_id for (task_id,) in self._db.execute("SELECT task_id FROM annotated")}

    def counts(self) -> Counts:
        """Count the stored tasks and annotations."""
        tasks, done = self._db.execute("SELECT count(*), coalesce(sum(is_done), 0) FROM tasks").fetchone()
        labelled, given = self._db.execute(
            "SELECT coalesce(sum(is_labelled), 0), coalesce(sum(given), 0) FROM annotated"
        ).fetchone()
        return Counts(tasks, done, labelled, given)

    def greatest_id(self) -> int:
        """Return the greatest task id; 0 without tasks."""
        (greatest,) = self._db.execute("SELECT coalesce(max(task_id), 0) FROM tasks").fetchone()
        return int(greatest)

    def facts(self) -> dict[str, Any]:
        """Read the notes that `note` stored."""
        rows = self._db.execute("SELECT name, value FROM facts").fetchall()
        try:
            return {name: json.loads(unsealed(value.encode())) for name, value in rows}
        except ValueError as error:
            raise sqlite3.DatabaseError("a note cannot be read") from error

    def note(self, facts: Mapping[str, Any]) -> None:
        """Store notes on how the tasks were read; replace notes with the same names.

        Args:
            facts: JSON values by name.
        """
        with self.at_once():
            rows = [(name, sealed(json.dumps(value).encode()).decode()) for name, value in facts.items()]
            self._db.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", rows)


def read_beginnings(file: Path, task_ids: Collection[int], characters: int) -> dict[int, str]:
    """Read the beginnings of texts by task id, without a wait for a round that writes thousands of tasks.

    Args:
        file: the file of the store; a missing one has no texts.
        task_ids: the tasks, a few dozen.
        characters: length of a beginning.

    Raises:
        sqlite3.Error: the file is busy or broken.
    """
    wanted = [task_id for task_id in task_ids if task_id <= MOST_ID]
    if not wanted or not file.exists():
        return {}
    marks = ", ".join("?" * len(wanted))
    query = f"SELECT task_id, substr(text, 1, {characters}) FROM tasks WHERE task_id IN ({marks})"  # noqa: S608
    address = f"{file.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, timeout=_GLANCE_TIMEOUT_S)) as tasks:
        return dict(tasks.execute(query, wanted).fetchall())


def set_aside_if_broken(file: Path, error: sqlite3.DatabaseError) -> bool:
    """Rename a broken store, so that the next reading creates a new one.

    sqlite3.DatabaseError itself means a broken file. Its subclasses mean a locked file, a full disk, and the like,
    unless the file cannot be opened or holds no UTF-8.

    Args:
        file: the file of the store.
        error: the error that a method of the store raised.

    Returns:
        True if the file was broken and is renamed.

    Raises:
        OSError: the system lacks open files or the like; the file may be well.
    """
    is_broken = type(error) is sqlite3.DatabaseError or str(error).startswith(_NO_UTF_8)
    if not is_broken and check_openable(file, "r+b"):
        return False
    set_aside(file, error)
    discard(file.with_name(f"{file.name}-journal"))
    return True


def _opened(file: Path) -> sqlite3.Connection:
    """Open the store; create its tables, and drop the tables of another layout."""
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


def _sum(fields: tuple[object, ...]) -> int:
    """A checksum of a row: SQLite itself finds damage of its own structures, and none inside a text or a number."""
    return zlib.crc32(ascii(fields).encode())


def _checked(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a row without its checksum.

    Raises:
        sqlite3.DatabaseError: the row differs from its checksum.
    """
    fields = row[:-1]
    if _sum(fields) != row[-1]:
        raise sqlite3.DatabaseError("a row differs from its checksum")
    return fields


def _annotations(raw: str) -> tuple[Annotation, ...]:
    try:
        return tuple(
            Annotation(**{**fields, "result": tuple(ResultItem(**item) for item in fields["result"])})
            for fields in json.loads(raw)
        )
    except (ValueError, LookupError, TypeError) as error:
        raise sqlite3.DatabaseError("a task's annotations cannot be read") from error
