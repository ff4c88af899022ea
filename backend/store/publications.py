"""The order in use on disk: a head that says what it knew of, and a table with one row for every place."""

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import TypeAdapter

from backend.store.documents import Document
from model.errors import VersionError
from model.files import replacing
from model.types import IntArray, LabelSet

# How many of the first tasks the head names, with their reasons, for people who look at a project's status.
SHOWN_NEXT = 10
_OPEN_TRIES = 3
# SQLite takes at most 32,766 values in one statement.
_TASKS_A_QUERY = 10_000
_TABLE = "CREATE TABLE places (place INTEGER PRIMARY KEY, task INTEGER, text_digest INTEGER, reason TEXT, result TEXT)"
# Sorting all tasks at once is faster than keeping an index while rows come.
_INDEX = "CREATE UNIQUE INDEX places_by_task ON places (task)"
# The same ids and digests once more, to read them all at once.
_TEXTS = "CREATE TABLE texts (task_ids BLOB, digests BLOB)"
_COLUMNS = "place, task, text_digest, reason, result"


class Place(NamedTuple):
    """One task of a published order.

    Attributes:
        place: where it stands; 0 = next.
        task_id: the task.
        text_digest: which text it had, as `model.text_digests.text_digest` says it.
        reason: why it stands there, for people.
        result: Label Studio's result items for it, as JSON; "[]" for a task without a pre-annotation.
    """

    place: int
    task_id: int
    text_digest: int
    reason: str
    result: str


@dataclass(frozen=True)
class Places:
    """Every place of an order, column by column; first = next.

    Attributes:
        task_ids_N: the tasks.
        text_digests_N: which text each had; uint64.
        reasons_N: why each stands where it does.
        results_N: Label Studio's result items for each, as JSON.
    """

    task_ids_N: IntArray
    text_digests_N: IntArray
    reasons_N: Sequence[str]
    results_N: Iterable[str]


@dataclass(frozen=True)
class NextTask:
    """One of the first tasks of an order, and why it stands there."""

    task: int
    reason: str


@dataclass(frozen=True)
class Publication:
    """The head of one order that was written to Label Studio; immutable.

    Attributes:
        number: 1, 2, 3 …; a number is never used twice in a project.
        model: number of the model version behind it; 0 for none.
        queued: how many tasks, from the first on, were written to Label Studio.
        size: how many tasks were ordered, N.
        settings_digest: stands for the labeling config and settings that shaped the order.
        labelled_tasks: how many tasks had labels when it was made.
        label_set: the labels of its answers.
        strategy: the query strategy that decided.
        labels_sha256: stands for the labels that it knew of.
        is_live: made between trainings, because people had labelled more.
        selected_at: when the LLM chose the tasks in front, in seconds since 1970; 0 if it had no say.
        next: the first tasks and their reasons.
    """

    number: int
    model: int
    queued: int
    size: int
    settings_digest: str
    labelled_tasks: int
    label_set: LabelSet
    strategy: str = ""
    labels_sha256: str = ""
    is_live: bool = False
    selected_at: float = 0.0
    next: tuple[NextTask, ...] = ()

    @property
    def name(self) -> str:
        """Its model_version in Label Studio: `<model>.<publication>`."""
        return f"{self.model}.{self.number}"


_HEAD = TypeAdapter[Publication | None](Publication | None)


class PublishedOrder:
    """The order in use, opened for reading."""

    def __init__(self, head: Publication, table: sqlite3.Connection) -> None:
        self.head = head
        self._table = table

    def find(self, task_ids: Collection[int]) -> dict[int, Place]:
        """Where some tasks stand, by task id; tasks that are not in the order are left out."""
        found = {}
        wanted = iter(task_ids)
        while some := list(islice(wanted, _TASKS_A_QUERY)):
            marks = ", ".join("?" * len(some))
            query = f"SELECT {_COLUMNS} FROM places WHERE task IN ({marks})"  # noqa: S608 - marks alone are put in
            found.update({row[1]: _place(row) for row in self._table.execute(query, some)})
        return found

    def places(self, start: int = 0, stop: int | None = None) -> list[Place]:
        """The places from `start` up to, and without, `stop`; first = next."""
        query = f"SELECT {_COLUMNS} FROM places WHERE place >= ? AND place < ? ORDER BY place"  # noqa: S608 - constants
        return [_place(row) for row in self._table.execute(query, (start, self.head.size if stop is None else stop))]

    def texts(self) -> tuple[IntArray, IntArray]:
        """Every task and the digest of its text: task_ids_N and digests_N (uint64), by place."""
        task_ids, digests = self._table.execute("SELECT task_ids, digests FROM texts").fetchone()
        return np.frombuffer(task_ids, dtype=np.int64), np.frombuffer(digests, dtype=np.uint64)


class Publications:
    """The order that one project has in use."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._head = Document[Publication | None](folder / "published.json", _HEAD, None)

    def current(self) -> Publication | None:
        """The head of the order in use; None before the first."""
        return self._head.read()

    def name(self) -> str:
        """The model_version in use; empty before the first order."""
        head = self.current()
        return "" if head is None else head.name

    @contextmanager
    def open(self) -> Iterator[PublishedOrder | None]:
        """The order in use, for as long as the block runs; None before the first.

        Raises:
            VersionError: the head is there and its table is not.
        """
        opened = self._open()
        if opened is None:
            yield None
            return
        with closing(opened[1]):
            yield PublishedOrder(*opened)

    def write(self, publication: Publication, places: Places) -> Publication:
        """Write an order's table, then make it the one in use.

        Args:
            publication: the head; its `next` is filled in here.
            places: `publication.size` of them.

        Returns:
            The head as it was written.
        """
        file = self._file(publication)
        with replacing(file) as beside, closing(sqlite3.connect(beside, isolation_level=None)) as table:
            # Nobody reads the file before it has its name, and a killed process leaves it to nobody.
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
        first = zip(places.task_ids_N[:SHOWN_NEXT].tolist(), places.reasons_N, strict=False)
        written = replace(publication, next=tuple(NextTask(*row) for row in first))
        self._head.write(written)
        for old in self._folder.glob("order-*"):
            if old != file:
                old.unlink(missing_ok=True)
        return written

    def lengthen(self, publication: Publication) -> None:
        """Say that more tasks of the order in use were written to Label Studio.

        Args:
            publication: its head, with another `queued`.
        """
        self._head.write(publication)

    def _open(self) -> tuple[Publication, sqlite3.Connection] | None:
        for _ in range(_OPEN_TRIES):
            head = self.current()
            if head is None:
                return None
            try:
                return head, sqlite3.connect(f"{self._file(head).as_uri()}?mode=ro&immutable=1", uri=True)
            except sqlite3.OperationalError:
                # A worker published and removed the table after the head was read: the next look finds the new one.
                continue
        raise VersionError(f"the published order is missing from {self._folder}: ask for a round, it publishes anew")

    def _file(self, publication: Publication) -> Path:
        return self._folder.absolute() / f"order-{publication.number}.sqlite"


def _rows(places: Places) -> Iterator[tuple[int, int, int, str, str]]:
    # SQLite's integers have a sign.
    digests = places.text_digests_N.astype(np.uint64).view(np.int64).tolist()
    task_ids = places.task_ids_N.tolist()
    return zip(range(len(task_ids)), task_ids, digests, places.reasons_N, places.results_N, strict=True)


def _place(row: tuple[int, int, int, str, str]) -> Place:
    place, task_id, digest, reason, result = row
    return Place(place, task_id, digest % (1 << 64), reason, result)
