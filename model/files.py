"""The one way to write a file or a folder, whole or not at all, and to set aside one that is damaged."""

import ctypes
import errno
import fcntl
import hashlib
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

T = TypeVar("T")

# The end of the name of a file that was set aside, and of one that is being written.
BROKEN, UNFINISHED = ".broken", ".tmp"
# Errors by which the system lacks something for a moment, while the file itself is well.
_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EINTR, errno.ETIMEDOUT})
# What a parser raises for damaged content: a number too large to count with, or lists nested thousands deep, too.
DAMAGE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
_PIECE_BYTES = 1 << 20
# Arguments of renameat2 (Linux) and renamex_np (macOS), which Python lacks.
_AT_FDCWD, _RENAME_EXCHANGE, _RENAME_SWAP = -100, 2, 2

log = logging.getLogger(__name__)


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
    beside = _unfinished(file)
    beside.touch(exist_ok=False)
    try:
        with _locked(beside):
            yield beside
            _to_disk(beside)
            _rename_over(beside, file)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    _to_disk(file.parent)


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
    beside = _unfinished(folder)
    beside.mkdir(parents=True)
    try:
        with _locked(beside):
            yield beside
            for path in (*beside.rglob("*"), beside):
                _to_disk(path)
            beside.rename(folder)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    _to_disk(folder.parent)


@contextmanager
def passing_folder(parent: Path) -> Iterator[Path]:
    """Give an empty folder that is deleted when the block ends; `sweep` deletes it if the process is killed.

    Args:
        parent: where to make it.
    """
    folder = _unfinished(parent / "passing")
    folder.mkdir(parents=True)
    try:
        with _locked(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def alone_with(folder: Path) -> Iterator[None]:
    """Have other processes that ask for the same folder wait while the block runs, if the file system knows locks.

    Args:
        folder: it must exist.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def move(path: Path, to: Path) -> None:
    """Rename a file or folder; the new name is on the disk when this returns.

    Raises:
        OSError: the disk refuses.
    """
    path.rename(to)
    for folder in {path.parent, to.parent}:
        _to_disk(folder)


def exchange(first: Path, second: Path) -> None:
    """Let two folders of one file system change their places, in one step where the system can.

    Where it cannot (Linux before 3.15, some network drives), a process that is killed between the two steps leaves
    the former `second` under the name `<second>.old`.

    Raises:
        OSError: the disk refuses; both are as they were.
    """
    if not _exchanged(first, second):
        old = second.with_name(f"{second.name}.old")
        second.rename(old)
        first.rename(second)
        old.rename(first)
    for folder in {first.parent, second.parent}:
        _to_disk(folder)


def _exchanged(first: Path, second: Path) -> bool:
    """Ask Linux, or macOS, to exchange two names; False if it cannot."""
    names = os.fsencode(first), os.fsencode(second)
    library = ctypes.CDLL(None, use_errno=True)
    if hasattr(library, "renameat2"):
        return bool(library.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0)
    if hasattr(library, "renamex_np"):
        return bool(library.renamex_np(*names, _RENAME_SWAP) == 0)
    return False


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


def read_or_set_aside(file: Path, parse: Callable[[bytes], T]) -> T | None:
    """Read a file; set it aside if it cannot be read, or if `parse` refuses its content.

    Args:
        file: the file.
        parse: turns the content into a value; raises one of `DAMAGE` if the content is damaged.

    Returns:
        The value; None if the file is missing or was set aside.

    Raises:
        OSError: the system lacks memory, open files or the like; the file may be well.
    """
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        if is_shortage(error):
            raise
        set_aside(file, error)
        return None
    try:
        return parse(content)
    except DAMAGE as error:
        with suppress(OSError):
            # Another process may have written a valid content since the read.
            if file.read_bytes() == content:
                set_aside(file, error)
        return None


def set_aside(path: Path, reason: object) -> None:
    """Rename a damaged file or folder to `<name>.broken`, in the place of an earlier one, with a warning in the log.

    Args:
        path: the file or folder; nothing happens if another process set it aside before.
        reason: for the log.
    """
    broken = path.with_name(f"{path.name}{BROKEN}")
    if not os.path.lexists(path):
        return
    try:
        discard(broken)
        path.rename(broken)
        os.utime(broken)
    except FileNotFoundError:
        return
    except OSError as error:
        log.error("event=not_set_aside file=%s reason=%s", path, _one_word(error))
        return
    log.warning("event=set_aside file=%s reason=%s", path, _one_word(reason))


def discard(path: Path) -> None:
    """Delete a file or a folder, if it is there. A folder loses its name first: no reader sees half of it.

    Raises:
        OSError: the disk refuses.
    """
    try:
        if path.is_dir() and not path.is_symlink():
            going = _unfinished(path)
            path.rename(going)
            shutil.rmtree(going, ignore_errors=True)
        else:
            path.unlink()
    except FileNotFoundError:
        return


def is_shortage(error: OSError) -> bool:
    """Whether the system lacked memory, open files or the like, so that the error says nothing of the file."""
    return error.errno in _SHORTAGES


def check_openable(file: Path, mode: str = "rb") -> bool:
    """Whether a file can be opened; to tell a damaged file from a lack of memory or open files.

    Raises:
        OSError: the system lacks memory, open files or the like; the file may be well.
    """
    try:
        file.open(mode).close()
    except OSError as error:
        if is_shortage(error):
            raise
        return False
    return True


def is_being_written(path: Path) -> bool:
    """Whether a process is writing a file or folder that `replacing` or `new_folder` gave it."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError as error:
        return is_shortage(error)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        # Locked, or on a file system without locks, where nobody knows.
        return True
    finally:
        os.close(descriptor)
    return False


def size_and_times(file: Path) -> tuple[int, int, int]:
    """Return a file's size and the times of its last changes, which differ after every change.

    Raises:
        OSError: the file is missing.
    """
    found = file.stat()
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


def sha256_of(file: Path) -> str:
    """Hash a file's content, piece by piece.

    Raises:
        OSError: the file is missing or unreadable.
    """
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while piece := opened.read(_PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def _unfinished(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid4().hex}{UNFINISHED}")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Lock a new file or folder; the kernel releases the lock of a killed process."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        # A file system may know no locks; nothing is swept there.
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _rename_over(new: Path, file: Path) -> None:
    try:
        new.replace(file)
    except IsADirectoryError as error:
        set_aside(file, error)
        new.replace(file)


def _one_word(reason: object) -> str:
    return "_".join(str(reason).split())


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
