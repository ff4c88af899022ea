"""The table of an order: one row for each place, in a file of SQLite that never changes."""

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from backend.store.order.head import Publication
from model.files.checksums import sha256_of, size_and_times
from model.types import IntArray

# SQLite takes at most 32,766 values in one statement.
_TASKS_A_QUERY = 10_000
# The largest integer of SQLite.
MOST_ID = 2**63 - 1
_TABLE = "CREATE TABLE places (place INTEGER PRIMARY KEY, task INTEGER, text_digest INTEGER, reason TEXT, result TEXT)"
# Created after all rows are inserted, which is faster than an index that grows with each row.
_INDEX = "CREATE UNIQUE INDEX places_by_task ON places (task)"
# A copy of all ids and digests, which is read in one step.
_TEXTS = "CREATE TABLE texts (task_ids BLOB, digests BLOB)"
_COLUMNS = "place, task, text_digest, reason, result"
# The table of each folder that this process compared with its checksum, and its size and times then.
_compared: dict[Path, tuple[Path, tuple[int, int, int]]] = {}


class Place(NamedTuple):
    """The place of one task in a published order.

    Attributes:
        place: place in the order; 0 = next.
        task_id: the task.
        text_digest: digest of the task's text, see `model.text_digests.text_digest`.
        reason: why the task has this place, for people.
        result: Label Studio's result items, as JSON; "[]" without a pre-annotation.
    """

    place: int
    task_id: int
    text_digest: int
    reason: str
    result: str


@dataclass(frozen=True)
class Places:
    """All places of an order, column by column; first = next.

    Attributes:
        task_ids_N: the tasks.
        text_digests_N: digests of the tasks' texts; uint64.
        reasons_N: why each task has its place, for people.
        results_N: Label Studio's result items of each task, as JSON.
    """

    task_ids_N: IntArray
    text_digests_N: IntArray
    reasons_N: Sequence[str]
    results_N: Sequence[str]


class PublishedOrder:
    """The order in use, open for reading.

    Attributes:
        head: the head of the order.
    """

    def __init__(self, head: Publication, table: sqlite3.Connection) -> None:
        self.head = head
        self._table = table

    def find(self, task_ids: Collection[int]) -> dict[int, Place]:
        """Find the places of tasks.

        Args:
            task_ids: ids of the tasks.

        Returns:
            Places by task id, without tasks that are not in the order.
        """
        found = {}
        remaining = (task_id for task_id in task_ids if task_id <= MOST_ID)
        while chunk := list(islice(remaining, _TASKS_A_QUERY)):
            marks = ", ".join("?" * len(chunk))
            query = f"SELECT {_COLUMNS} FROM places WHERE task IN ({marks})"  # noqa: S608 - marks alone are put in
            found.update({row[1]: _place(row) for row in self._table.execute(query, chunk)})
        return found

    def places(self, start: int = 0, stop: int | None = None) -> list[Place]:
        """Read a range of places; first = next.

        Args:
            start: the first place.
            stop: the place after the last; None for the end of the order.
        """
        query = f"SELECT {_COLUMNS} FROM places WHERE place >= ? AND place < ? ORDER BY place"  # noqa: S608 - constants
        return [_place(row) for row in self._table.execute(query, (start, self.head.size if stop is None else stop))]

    def texts(self) -> tuple[IntArray, IntArray]:
        """Read the ids and text digests of all tasks by place: task_ids_N and digests_N (uint64)."""
        row = self._table.execute("SELECT task_ids, digests FROM texts").fetchone()
        if row is None or [len(column or b"") for column in row] != [8 * self.head.size] * 2:
            raise sqlite3.DatabaseError("the table of texts is not whole")
        task_ids, digests = row
        return np.frombuffer(task_ids, dtype=np.int64), np.frombuffer(digests, dtype=np.uint64)


def compare_table(file: Path, checksum: str) -> None:
    """Compare a table with its checksum, once for each process, and again if the file changed since.

    Raises:
        sqlite3.DatabaseError: it differs.
        OSError: it is missing or unreadable.
    """
    seen = file, size_and_times(file)
    if not checksum or _compared.get(file.parent) == seen:
        return
    if sha256_of(file) != checksum:
        raise sqlite3.DatabaseError("the table differs from its checksum")
    _compared[file.parent] = seen


def write_table(file: Path, places: Places) -> None:
    """Write the table of an order into an empty file."""
    with closing(sqlite3.connect(file, isolation_level=None)) as table:
        # No journal is needed: nobody reads the temporary file, and nobody uses it after a killed process.
        table.execute("PRAGMA journal_mode = OFF")
        table.execute("PRAGMA synchronous = OFF")
        table.execute("BEGIN")
        table.execute(_TABLE)
        table.execute(_TEXTS)
        table.executemany("INSERT INTO places VALUES (?, ?, ?, ?, ?)", _rows(places))
        table.execute(_INDEX)
        task_ids_N, digests_N = places.task_ids_N.astype(np.int64), places.text_digests_N.astype(np.uint64)
        table.execute("INSERT INTO texts VALUES (?, ?)", (task_ids_N.tobytes(), digests_N.tobytes()))
        table.execute("COMMIT")


def _rows(places: Places) -> Iterator[tuple[int, int, int, str, str]]:
    # SQLite's integers are signed.
    digests = places.text_digests_N.astype(np.uint64).view(np.int64).tolist()
    task_ids = places.task_ids_N.tolist()
    return zip(range(len(task_ids)), task_ids, digests, places.reasons_N, places.results_N, strict=True)


def _place(row: tuple[int, int, int, str, str]) -> Place:
    place, task_id, digest, reason, result = row
    return Place(place, task_id, digest % (1 << 64), reason, result)
