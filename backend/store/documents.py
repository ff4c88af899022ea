"""Typed documents: one JSON file that holds one record, and a journal that holds one record a line."""

import logging
from contextlib import suppress
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from model.files import append_line, write_whole

T = TypeVar("T")

log = logging.getLogger(__name__)


class Document(Generic[T]):
    """One record in one JSON file. Every process may read and write it at any time: it is replaced whole."""

    def __init__(self, file: Path, adapter: TypeAdapter[T], default: T) -> None:
        """Name the file; nothing is read yet.

        Args:
            file: where the record is.
            adapter: checks and converts the record.
            default: the record of a file that is not there.
        """
        self._file = file
        self._adapter = adapter
        self._default = default

    def read(self) -> T:
        """Read the record.

        A file that does not hold such a record is set aside as `<name>.broken`, with a warning in the log.
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
        """Forget the record."""
        self._file.unlink(missing_ok=True)

    def _set_aside(self, content: bytes, error: ValidationError) -> None:
        with suppress(FileNotFoundError):
            # Another process may have written a good record meanwhile.
            if self._file.read_bytes() == content:
                self._file.replace(self._file.with_name(f"{self._file.name}.broken"))
                reason = error.errors(include_url=False, include_input=False)[0]["msg"].replace(" ", "_")
                log.warning("event=document_set_aside file=%s reason=%s", self._file, reason)


class Journal(Generic[T]):
    """Records in one file, a line each, oldest first. A line that holds no such record is passed over."""

    def __init__(self, file: Path, adapter: TypeAdapter[T]) -> None:
        self._file = file
        self._adapter = adapter

    def read(self) -> list[T]:
        """Read every record."""
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
        """Add a record."""
        append_line(self._file, self._adapter.dump_json(record).decode())
