"""The order in use on disk: a head with a summary, and a table with one row for each place.

An order whose table is damaged is set aside: then there is none, and the next round makes one.
"""

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import TypeAdapter

from backend.errors import DamagedOrderError
from backend.store.documents import Document
from model.files import BROKEN, check_openable, discard, is_shortage, replacing, set_aside, sha256_of, size_and_times
from model.types import IntArray, LabelSet

# Number of first tasks that the head names with their reasons. Status shows them to people.
SHOWN_NEXT = 10
_OPEN_TRIES = 3
# SQLite takes at most 32,766 values in one statement.
_TASKS_A_QUERY = 10_000
# The largest integer of SQLite.
MOST_ID = 2**63 - 1
_TABLE = "CREATE TABLE places (place INTEGER PRIMARY KEY, task INTEGER, text_digest INTEGER, reason TEXT, result TEXT)"
# Created after all rows are inserted, which is faster than an index that grows with each row.
_INDEX = "CREATE UNIQUE INDEX places_by_task ON places (task)"
# A copy of all ids and digests, which is read in one step.
_TEXTS = "CREATE TABLE texts (task_ids BLOB, digests BLOB)"
_HEAD_NAME = "published.json"
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


@dataclass(frozen=True)
class NextTask:
    """One of the first tasks of an order, and why it has its place.

    Attributes:
        task: id of the task.
        reason: why the task has its place, for people.
    """

    task: int
    reason: str


@dataclass(frozen=True)
class HookFailure:
    """An ordering hook that failed, so that another query strategy made an order.

    Attributes:
        hook: name of the hook, as in the settings.
        problem: why it failed, for people.
        problem_code: error code of the failure.
    """

    hook: str
    problem: str
    problem_code: str


@dataclass(frozen=True)
class FurtherQuestion:
    """What an order knew of a question after the project's first; see the same fields of `Publication`."""

    model: int
    labelled_tasks: int
    label_set: LabelSet
    strategy: str
    labels_sha256: str
    hook_failure: HookFailure | None = None


@dataclass(frozen=True)
class Publication:
    """The head of an order that was written to Label Studio. Fields about labels are of the project's first question.

    Attributes:
        number: 1, 2, 3 …; never used twice in a project.
        model: number of the model version that made the order; 0 without a model version.
        queued: number of first tasks that were written to Label Studio.
        size: number of ordered tasks, N.
        settings_digest: digest of the labeling config and of the settings that shape an order.
        labelled_tasks: number of labelled tasks when the order was made.
        label_set: the labels of the pre-annotations.
        strategy: the query strategy that made the order.
        labels_sha256: digest of people's labels when the order was made.
        is_live: the order was made between two trainings, because of new labels.
        selected_at: time when the LLM chose the first tasks, in seconds since 1970; 0 if no LLM chose.
        next: the first tasks and their reasons, at most SHOWN_NEXT.
        hook_failure: the ordering hook in whose place `strategy` made the order; None if no hook failed.
        further: the project's further questions.
        copies: number of ordered texts that are the same as another one.
        table_sha256: checksum of the table of places; empty in an order of an earlier release.
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
    hook_failure: HookFailure | None = None
    further: tuple[FurtherQuestion, ...] = ()
    copies: int = 0
    table_sha256: str = ""

    @property
    def asked_strategy(self) -> str:
        """The query strategy that the settings asked for, which may have failed."""
        return self.hook_failure.hook if self.hook_failure else self.strategy

    @property
    def label_sets(self) -> tuple[LabelSet, ...]:
        """The labels of each question."""
        return (self.label_set, *(question.label_set for question in self.further))

    def of_question(self, place: int) -> "Publication":
        """The head as one question sees it; for a question that the order does not know, no model made it.

        An LLM's choice is the project's, and so is its time.
        """
        if not place:
            return self
        if place > len(self.further):
            return replace(self, model=-1)
        return replace(self, **vars(self.further[place - 1]))

    @property
    def name(self) -> str:
        """The order's model_version in Label Studio: `<model>.<number>`."""
        return f"{self.model}.{self.number}"


_HEAD = TypeAdapter[Publication | None](Publication | None)


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


class Publications:
    """The order in use of one project."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._head = Document[Publication | None](folder / _HEAD_NAME, _HEAD, None)

    def current(self) -> Publication | None:
        """Read the head of the order in use; None before the first order."""
        return self._head.read()

    def name(self) -> str:
        """Read the name of the order in use; empty before the first order."""
        head = self.current()
        return "" if head is None else head.name

    @contextmanager
    def open(self) -> Iterator[PublishedOrder | None]:
        """Open the order in use while the block runs; None before the first order.

        Raises:
            DamagedOrderError: the table is missing or damaged, as it turns out in the block; the order was set aside.
        """
        opened = self._open()
        if opened is None:
            yield None
            return
        head, table = opened
        with closing(table):
            try:
                yield PublishedOrder(head, table)
            except sqlite3.DatabaseError as error:
                raise self._set_aside(head, error) from error

    def write(self, publication: Publication, places: Places) -> Publication:
        """Write the table of an order, then its head, which makes it the order in use.

        Args:
            publication: the head; this method sets its `next` and the checksum of its table.
            places: all `publication.size` places.

        Returns:
            The head as it was written.
        """
        file = self._file(publication)
        with replacing(file) as temporary:
            _write_table(temporary, places)
            checksum = sha256_of(temporary)
        first = zip(places.task_ids_N[:SHOWN_NEXT].tolist(), places.reasons_N, strict=False)
        written = replace(publication, next=tuple(NextTask(*row) for row in first), table_sha256=checksum)
        self._head.write(written)
        for old in self._folder.glob("order-*"):
            if old != file and not old.name.endswith(BROKEN):
                discard(old)
        return written

    def lengthen(self, publication: Publication) -> None:
        """Record that more tasks of the order in use were written to Label Studio.

        Args:
            publication: the head of the order, with a larger `queued`.
        """
        self._head.write(publication)

    def _open(self) -> tuple[Publication, sqlite3.Connection] | None:
        for _ in range(_OPEN_TRIES):
            head = self.current()
            if head is None:
                return None
            try:
                _compare(self._file(head), head.table_sha256)
                return head, sqlite3.connect(f"{self._file(head).as_uri()}?mode=ro&immutable=1", uri=True)
            except (OSError, sqlite3.DatabaseError) as error:
                if isinstance(error, OSError) and is_shortage(error):
                    raise
                # A worker published a new order after the head was read, and deleted this table; try the new head.
                if self.current() == head:
                    raise self._set_aside(head, error) from error
        raise DamagedOrderError(f"the published order was replaced {_OPEN_TRIES} times while it was opened: try again")

    def _set_aside(self, head: Publication, error: Exception) -> DamagedOrderError:
        """Set table and head aside, unless another order is in use by now; return the error to raise.

        Raises:
            OSError: the system lacks open files or the like; nothing is set aside.
        """
        check_openable(self._file(head))
        if self.current() == head:
            set_aside(self._file(head), error)
            set_aside(self._folder / _HEAD_NAME, error)
        return DamagedOrderError(
            f"the published order {head.name} is damaged and was set aside ({error}): the next round publishes another"
        )

    def _file(self, publication: Publication) -> Path:
        return self._folder.absolute() / f"order-{publication.number}.sqlite"


def _compare(file: Path, checksum: str) -> None:
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


def _write_table(file: Path, places: Places) -> None:
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
