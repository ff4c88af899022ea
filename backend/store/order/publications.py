"""The order in use of a project: a head with a summary, and a table with one row for each place.

An order whose table is damaged is set aside: then there is none, and the next round makes one.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from pydantic import TypeAdapter

from backend.errors import DamagedOrderError
from backend.store.documents import Document
from backend.store.order.head import NextTask, Publication
from backend.store.order.table import Places, PublishedOrder, compare_table, write_table
from model.files.checksums import sha256_of
from model.files.damage import BROKEN, check_openable, is_shortage, set_aside
from model.files.names import discard
from model.files.writing import replacing

# Number of first tasks that the head names with their reasons. Status shows them to people.
SHOWN_NEXT = 10
_OPEN_TRIES = 3
_HEAD_NAME = "published.json"
_HEAD = TypeAdapter[Publication | None](Publication | None)


class Publications:
    """The order in use of one project."""

    def __init__(self, folder: Path) -> None:
        # SQLite opens a table by its URI, which holds an absolute path.
        self._folder = folder.absolute()
        self._head = Document[Publication | None](self._folder / _HEAD_NAME, _HEAD, None)

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
            write_table(temporary, places)
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
                compare_table(self._file(head), head.table_sha256)
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
        return self._folder / f"order-{publication.number}.sqlite"
