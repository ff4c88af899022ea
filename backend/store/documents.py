"""Typed records in files: a document is a JSON file with one record, a journal has one record in each line.

Each record has a checksum; one of an earlier release, without a checksum, is read all the same.
"""

from contextlib import suppress
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from model.files.damage import DAMAGE, read_or_set_aside
from model.files.names import discard
from model.files.writing import append_line, write_whole
from model.seals import read_sealed, sealed

T = TypeVar("T")


class Document(Generic[T]):
    """One record in a JSON file. Every process may read and write the file at any time, because writes replace it."""

    def __init__(self, file: Path, adapter: TypeAdapter[T], default: T) -> None:
        """Name the file; nothing is read yet.

        Args:
            file: the JSON file.
            adapter: validates and converts the record.
            default: the record while the file does not exist.
        """
        self._file = file
        self._adapter = adapter
        self._default = default

    def read(self) -> T:
        """Read the record; return the default if the file is missing, unreadable or invalid.

        An unreadable or invalid file is renamed to `<name>.broken`, with a warning in the log.
        """
        found = read_or_set_aside(self._file, self._parsed)
        return self._default if found is None else found

    def exists(self) -> bool:
        """Whether a record was written and not removed; one that may not be looked at was."""
        try:
            return self._file.exists()
        except OSError:
            # Another user's folder, for instance: whoever reads or writes the record says so.
            return True

    def write(self, record: T) -> None:
        """Replace the record."""
        write_whole(self._file, sealed(self._adapter.dump_json(record)))

    def remove(self) -> None:
        """Delete the file; the record is the default again."""
        discard(self._file)

    def _parsed(self, content: bytes) -> T:
        try:
            return self._adapter.validate_python(read_sealed(content))
        except ValidationError as error:
            # Without the input, which may hold texts: the message goes to the log.
            raise ValueError(error.errors(include_url=False, include_input=False)[0]["msg"]) from error


class Journal(Generic[T]):
    """Records in one file, one in each line, oldest first. Reading skips an invalid line."""

    def __init__(self, file: Path, adapter: TypeAdapter[T]) -> None:
        self._file = file
        self._adapter = adapter

    def read(self) -> list[T]:
        """Read all records, oldest first. A file without any valid line is renamed to `<name>.broken`."""
        return read_or_set_aside(self._file, self._parsed) or []

    def append(self, record: T) -> None:
        """Append a record."""
        append_line(self._file, sealed(self._adapter.dump_json(record)).decode())

    def _parsed(self, content: bytes) -> list[T]:
        lines = [line for line in content.splitlines() if line]
        records: list[T] = []
        for line in lines:
            # Half a line, a damaged one, or one of another release; pydantic's error is a ValueError too.
            with suppress(*DAMAGE):
                records.append(self._adapter.validate_python(read_sealed(line)))
        if lines and not records:
            raise ValueError("no line holds a record")
        return records
