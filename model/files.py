"""The one way to write a file: whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


@contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """Give a path to write to; when the block ends well, that file takes the place of `file`.

    The path is a new name in the same folder, so that two processes never write to one. The new file is on the disk
    before it gets its name, and its name is on the disk when the block has ended. If the block fails, the new file is
    removed and `file` stays as it was.

    Args:
        file: the file to replace; its folder is made if it is missing.

    Yields:
        The path to write to; an empty file is there already.

    Raises:
        OSError: the disk refuses, for instance because it is full.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f".{file.name}.{uuid4().hex}.tmp")
    beside.touch(exist_ok=False)
    try:
        yield beside
        _to_disk(beside)
        beside.replace(file)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    _to_disk(file.parent)


def write_whole(file: Path, content: bytes) -> None:
    """Write a file so that every reader sees the old content or the new, and no mixture.

    Args:
        file: the file to write or replace.
        content: all that the file is to hold.

    Raises:
        OSError: the disk refuses; the file is as it was.
    """
    with replacing(file) as beside:
        beside.write_bytes(content)


def append_line(file: Path, line: str) -> None:
    """Append a line to a file.

    A line break comes before the line too: half a line that a killed process left stays a line of its own.

    Args:
        file: the file; it is made if it is missing.
        line: without a line break.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("ab") as opened:
        opened.write(f"\n{line}\n".encode())
        opened.flush()
        os.fsync(opened.fileno())


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
