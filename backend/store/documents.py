"""Typed records in files: a document is a JSON file with one record, a journal has one record in each line."""

import logging
from contextlib import suppress
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from model.files import append_line, write_whole

T = TypeVar("T")

log = logging.getLogger(__name__)


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
        """Read the record; return the default if the file is missing or invalid.

        An invalid file is renamed to `<name>.broken`, with a warning in the log.
        """
        try:
            content = self._file.read_bytes()
        except FileNotFoundError:
            return self._default
        try:
            return self._adapter.validate_json(content)
        except ValidationError as error:
            self._set_aside(content, error)
            return self._default

    def write(self, record: T) -> None:
        """Replace the record."""
        write_whole(self._file, self._adapter.dump_json(record))

    def remove(self) -> None:
        """Delete the file; the record is the default again."""
        self._file.unlink(missing_ok=True)

    def _set_aside(self, content: bytes, error: ValidationError) -> None:
        with suppress(FileNotFoundError):
            # Another process may have written a valid record since the read.
            if self._file.read_bytes() == content:
                self._file.replace(self._file.with_name(f"{self._file.name}.broken"))
                reason = error.errors(include_url=False, include_input=False)[0]["msg"].replace(" ", "_")
                log.warning("event=document_set_aside file=%s reason=%s", self._file, reason)


class Journal(Generic[T]):
    """Records in one file, one in each line, oldest first. Reading skips an invalid line."""

    def __init__(self, file: Path, adapter: TypeAdapter[T]) -> None:
        self._file = file
        self._adapter = adapter

    def read(self) -> list[T]:
        """Read all records, oldest first."""
        try:
            lines = self._file.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        records = []
        for line in lines:
            with suppress(ValidationError):
                records.append(self._adapter.validate_json(line))
        return records

    def append(self, record: T) -> None:
        """Append a record."""
        append_line(self._file, self._adapter.dump_json(record).decode())
