"""Write files and folders, whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from model.files.damage import is_shortage, set_aside
from model.files.locks import locked
from model.files.names import to_disk, unfinished


@contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """Give a path to write to; when the block ends well, that file takes the place of `file`.

    The path is a new name in the same folder, so that two processes never write to one. The new file is on the disk
    before it gets its name, and its name is on the disk when the block has ended. If the block fails, the new file is
    removed and `file` stays as it was. A lock tells `sweep` that the new file is being written.

    Args:
        file: the file to replace; its folder is made if it is missing.

    Yields:
        The path to write to; an empty file is there already.

    Raises:
        OSError: the disk refuses, for instance because it is full.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = unfinished(file)
    beside.touch(exist_ok=False)
    try:
        with locked(beside):
            yield beside
            to_disk(beside)
            _rename_over(beside, file)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    to_disk(file.parent)


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Give a folder to fill; when the block ends well, it gets the name `folder`. Otherwise as `replacing`.

    Args:
        folder: must not exist.

    Yields:
        The empty folder to fill.

    Raises:
        OSError: the disk refuses, or `folder` exists.
    """
    beside = unfinished(folder)
    beside.mkdir(parents=True)
    try:
        with locked(beside):
            yield beside
            for path in (*beside.rglob("*"), beside):
                to_disk(path)
            beside.rename(folder)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    to_disk(folder.parent)


@contextmanager
def passing_folder(parent: Path) -> Iterator[Path]:
    """Give an empty folder that is deleted when the block ends; `sweep` deletes it if the process is killed.

    Args:
        parent: where to make it.
    """
    folder = unfinished(parent / "passing")
    folder.mkdir(parents=True)
    try:
        with locked(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_whole(file: Path, content: bytes) -> None:
    """Write a file so that every reader sees the old content or the new, and no mixture.

    Args:
        file: the file to write or replace.
        content: the whole new content.

    Raises:
        OSError: the disk refuses; the file is as it was.
    """
    with replacing(file) as beside:
        beside.write_bytes(content)


def append_line(file: Path, line: str) -> None:
    """Append a line to a file; a file that cannot be opened is set aside.

    A line break comes before the line too, so that half a line of a killed process stays a line of its own.

    Args:
        file: the file; it is made if it is missing.
        line: without a line break.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        opened = file.open("ab")
    except OSError as error:
        if is_shortage(error):
            raise
        set_aside(file, error)
        opened = file.open("ab")
    with opened:
        opened.write(f"\n{line}\n".encode())
        opened.flush()
        os.fsync(opened.fileno())


def _rename_over(new: Path, file: Path) -> None:
    try:
        new.replace(file)
    except IsADirectoryError as error:
        set_aside(file, error)
        new.replace(file)
