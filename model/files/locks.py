"""Locks on files and folders. The kernel releases those of a killed process; some file systems know no locks."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from model.files.damage import is_shortage


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


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Lock a new file or folder; the kernel releases the lock of a killed process."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        # A file system may know no locks; nothing is swept there.
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


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
