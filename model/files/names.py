"""Give files and folders other names, or delete them: on the disk, and so that no reader sees half of one."""

import ctypes
import os
import shutil
from pathlib import Path
from uuid import uuid4

# The end of the name of a file or folder that is being written or deleted.
UNFINISHED = ".tmp"
# Arguments of renameat2 (Linux) and renamex_np (macOS), which Python lacks.
_AT_FDCWD, _RENAME_EXCHANGE, _RENAME_SWAP = -100, 2, 2


def unfinished(path: Path) -> Path:
    """Return a new name beside a path, for a file or folder that is being written or deleted."""
    return path.with_name(f".{path.name}.{uuid4().hex}{UNFINISHED}")


def move(path: Path, to: Path) -> None:
    """Rename a file or folder; the new name is on the disk when this returns.

    Raises:
        OSError: the disk refuses.
    """
    path.rename(to)
    for folder in {path.parent, to.parent}:
        to_disk(folder)


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
        to_disk(folder)


def _exchanged(first: Path, second: Path) -> bool:
    """Ask Linux, or macOS, to exchange two names; False if it cannot."""
    names = os.fsencode(first), os.fsencode(second)
    library = ctypes.CDLL(None, use_errno=True)
    if hasattr(library, "renameat2"):
        return bool(library.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0)
    if hasattr(library, "renamex_np"):
        return bool(library.renamex_np(*names, _RENAME_SWAP) == 0)
    return False


def discard(path: Path) -> None:
    """Delete a file or a folder, if it is there. A folder loses its name first: no reader sees half of it.

    Raises:
        OSError: the disk refuses.
    """
    try:
        if path.is_dir() and not path.is_symlink():
            going = unfinished(path)
            path.rename(going)
            shutil.rmtree(going, ignore_errors=True)
        else:
            path.unlink()
    except FileNotFoundError:
        return


def to_disk(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
