"""What tells whether a file changed: the checksum of its content, or, cheaper, its size and times."""

import hashlib
from pathlib import Path

_PIECE_BYTES = 1 << 20


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
