"""Set aside files and folders that are damaged, and tell damage from what the system lacks for a moment."""

import errno
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from model.files.names import discard

T = TypeVar("T")

# The end of the name of a file that was set aside.
BROKEN = ".broken"
# Errors by which the system lacks something for a moment, while the file itself is well.
_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EINTR, errno.ETIMEDOUT})
# What a parser raises for damaged content: a number too large to count with, or lists nested thousands deep, too.
DAMAGE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)

log = logging.getLogger(__name__)


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


def _one_word(reason: object) -> str:
    return "_".join(str(reason).split())
