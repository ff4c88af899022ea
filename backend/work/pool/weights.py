"""A classifier's files on their way to workers on other machines: through Redis, by digest, fetched once and kept."""

import hashlib
import uuid
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from redis import Redis

from backend.work.redis_access import redis_key
from model.errors import VersionError
from model.files.checksums import sha256_of, size_and_times
from model.files.names import discard
from model.files.writing import new_folder

# Redis keeps the files for an hour after they were last offered.
_KEPT_S = 3600
# Redis refuses values of 512 MB; a piece of a file is much smaller, and so is the memory that it takes.
_PIECE_BYTES = 8 << 20
# Folders that a worker keeps: a project's encoder before and after a training, and another project's.
_KEPT_FOLDERS = 4

# Fetched encoders that this process found whole, and size and times of each file then.
_whole: dict[Path, list[tuple[str, int, int, int]]] = {}


def offer_weights(redis: Redis, folder: Path) -> str:
    """Put a saved classifier's files into Redis, unless they are there.

    Args:
        redis: the Redis that all workers share.
        folder: what `save_classifier` wrote.

    Returns:
        The digest of the files, by which `fetch_weights` finds them.
    """
    digest = _digest(folder)
    key = redis_key("weights", digest)
    if not redis.expire(key, _KEPT_S):
        beside = redis_key("weights", f"{digest}.{uuid.uuid4().hex}")
        for file in _files(folder):
            for number, piece in enumerate(_pieces(folder / file)):
                redis.hset(beside, f"{number:06d} {file}", piece)
                redis.expire(beside, _KEPT_S)
        redis.rename(beside, key)
    return digest


def fetch_weights(redis: Redis, digest: str, folder: Path) -> Path:
    """Read a saved classifier's files from Redis, unless they are on disk.

    Args:
        redis: the Redis that all workers share.
        digest: what `offer_weights` returned.
        folder: where this worker keeps such files.

    Returns:
        The folder for `load_classifier`. Files that were damaged on disk are read anew.

    Raises:
        VersionError: Redis does not have the files, or they are damaged.
    """
    kept = folder / digest
    if not _is_whole(kept, digest):
        discard(kept)
        _fetch(redis, digest, kept)
    kept.touch()
    for old in sorted(folder.glob("[!.]*"), key=lambda path: path.stat().st_mtime)[:-_KEPT_FOLDERS]:
        discard(old)
    return kept


def _is_whole(folder: Path, digest: str) -> bool:
    """Whether a fetched encoder is on disk as it came; hashed again only if a file changed since."""
    try:
        seen = [(file, *size_and_times(folder / file)) for file in _files(folder)]
        if _whole.get(folder) != seen and _digest(folder) == digest:
            _whole[folder] = seen
    except OSError:
        return False
    return bool(seen) and _whole.get(folder) == seen


def _fetch(redis: Redis, digest: str, kept: Path) -> None:
    try:
        with new_folder(kept) as beside:
            _write(redis, redis_key("weights", digest), beside)
            if _digest(beside) != digest:
                raise VersionError(f"the encoder {digest} came damaged from Redis: is Redis's memory full?")
    except OSError:
        # Another worker on this machine may have been faster.
        if not _is_whole(kept, digest):
            raise


def _write(redis: Redis, key: str, folder: Path) -> None:
    fields: Any = redis.hkeys(key)
    if not fields:
        raise VersionError("Redis does not have the encoder of this part any more")
    for field in sorted(fields):
        name = PurePosixPath(field.decode().partition(" ")[2])
        if name.is_absolute() or ".." in name.parts:
            raise VersionError(f"an encoder from Redis has a file outside its folder: {name}")
        piece: Any = redis.hget(key, field)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with (folder / name).open("ab") as file:
            file.write(piece or b"")


def _digest(folder: Path) -> str:
    """Hash names and contents of all files of a folder."""
    digest = hashlib.sha256()
    for file in _files(folder):
        digest.update(f"{file} {sha256_of(folder / file)}\n".encode())
    return digest.hexdigest()


def _files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _pieces(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        yield opened.read(_PIECE_BYTES)
        while piece := opened.read(_PIECE_BYTES):
            yield piece
