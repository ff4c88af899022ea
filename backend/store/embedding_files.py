"""Embeddings on disk, appended row by row. A killed process loses rows and never leaves a wrong row.

Each row has a checksum: a row that the disk lost or changed is found when it is read, and embedded again.
"""

import fcntl
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4
from zipfile import BadZipFile

import numpy as np

from model.errors import InvalidEmbeddingsError, ShortlistError
from model.files.damage import check_openable, is_shortage, set_aside
from model.files.names import discard
from model.files.writing import replacing
from model.types import FloatArray, IntArray

# Rows in one read or write: 12 MB with 384 dimensions.
_BLOCK = 16_384
_READ_TRIES = 3


class DamagedRowsError(ShortlistError):
    """Embeddings on disk differ from their checksums; `EmbeddingFiles.drop_damaged` deletes them."""


@dataclass(frozen=True)
class StoredRows:
    """A snapshot of M embeddings on disk; later writes do not change the snapshot.

    Attributes:
        file: name of the file of embeddings; empty without a file.
        dimensions: D.
        digests_M: digest of each row's text; uint64.
        sums_M: checksum of each row; uint64.
        mapped: the file, with M x D numbers of 16 bits; None without rows.
    """

    file: str = ""
    dimensions: int = 0
    digests_M: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.uint64))
    sums_M: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.uint64))
    mapped: mmap.mmap | None = None

    def rows_of(self, digests_N: IntArray) -> IntArray:
        """Find the rows of N texts.

        Args:
            digests_N: digests of the texts; uint64.

        Returns:
            rows_N; -1 for a text without an embedding.
        """
        rows_N = np.full(len(digests_N), -1, dtype=np.int64)
        if not len(self.digests_M):
            return rows_N
        by_digest_M, by_digest_N = np.argsort(self.digests_M), np.argsort(digests_N)
        # Sorted digests are searched in one pass over memory; unsorted, a million take seconds.
        rising_M, rising_N = self.digests_M[by_digest_M], digests_N[by_digest_N]
        place_N = np.minimum(np.searchsorted(rising_M, rising_N), len(rising_M) - 1)
        rows_N[by_digest_N] = np.where(rising_M[place_N] == rising_N, by_digest_M[place_N], -1)
        return rows_N

    def take(self, rows_N: IntArray) -> FloatArray:
        """Read the embeddings in N rows.

        Blocks are read in the file's order and freed one by one, so that memory holds the result only once.

        Args:
            rows_N: rows of the embeddings; none is -1.

        Returns:
            embeddings_N_D, float32.

        Raises:
            DamagedRowsError: a row differs from its checksum.
        """
        embeddings_N_D = np.empty((len(rows_N), self.dimensions), dtype=np.float32)
        for places in _blocks(np.argsort(rows_N, kind="stable")):
            embeddings_N_D[places] = self._rows(rows_N[places])
        return embeddings_N_D

    def blocks(self, rows_N: IntArray) -> Iterator[FloatArray]:
        """Yield the embeddings in N rows block by block, with 16 bits for each number.

        Raises:
            DamagedRowsError: a row differs from its checksum.
        """
        return (self._rows(rows) for rows in _blocks(rows_N))

    def whole_rows(self) -> IntArray:
        """Return the rows that agree with their checksums, in order."""
        all_M = np.arange(len(self.digests_M))
        is_whole = [_sums(self._unchecked(rows)) == self.sums_M[rows] for rows in _blocks(all_M)]
        return all_M[np.concatenate(is_whole)] if is_whole else all_M

    def _rows(self, rows_B: IntArray) -> FloatArray:
        rows_B_D = self._unchecked(rows_B)
        damaged = int((_sums(rows_B_D) != self.sums_M[rows_B]).sum()) if self.mapped is not None else 0
        if damaged:
            raise DamagedRowsError(f"{damaged} of {len(rows_B)} embeddings in {self.file} differ from their checksums")
        return rows_B_D

    def _unchecked(self, rows_B: IntArray) -> FloatArray:
        if self.mapped is None:
            return np.zeros((0, self.dimensions), dtype=np.float16)
        rows_B_D: FloatArray = np.frombuffer(self.mapped, dtype=np.float16).reshape(-1, self.dimensions)[rows_B]
        if hasattr(mmap, "MADV_DONTNEED"):
            # Without this, pages that were read count as memory of this process while the file is mapped.
            self.mapped.madvise(mmap.MADV_DONTNEED)
        return rows_B_D


class EmbeddingFiles:
    """The embeddings of one encoder: `<name>.digests.npz`, and the file of embeddings that it names.

    A write appends rows to the file of embeddings, flushes them to disk, and then replaces the file of digests. The
    number of digests says how many rows are valid. Further rows are left from a killed process; the next write
    overwrites them. Any number of processes may read during a write. Writers wait for each other.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._index = folder / f"{name}.digests.npz"

    def read(self) -> StoredRows:
        """Read a snapshot; it is empty if a file is missing or broken, and the next write then starts new files.

        A broken file is renamed to `<name>.broken`.

        Raises:
            OSError: the system lacks memory, open files or the like; the files may be well.
        """
        for _ in range(_READ_TRIES):
            try:
                return self._read()
            except FileNotFoundError:
                # A writer replaced the file of embeddings after the digests were read; the next try finds the new one.
                continue
            except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
                if isinstance(error, OSError) and is_shortage(error):
                    raise
                set_aside(self._index, error)
                return StoredRows()
        return StoredRows()

    def add(self, digests_N: IntArray, embeddings_N_D: FloatArray) -> StoredRows:
        """Append the embeddings of texts that have none. Embeddings with another D replace all rows.

        Args:
            digests_N: digests of N texts; uint64.
            embeddings_N_D: their embeddings.

        Returns:
            A snapshot after the write.

        Raises:
            InvalidEmbeddingsError: a number is NaN, infinite, or too large for 16 bits; nothing was added.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._write_lock():
            stored = self.read()
            if stored.dimensions != embeddings_N_D.shape[1]:
                stored = StoredRows(dimensions=embeddings_N_D.shape[1])
            new_M = np.flatnonzero(stored.rows_of(digests_N) < 0)
            return self._append(stored, digests_N[new_M], (embeddings_N_D[rows] for rows in _blocks(new_M)))

    def keep_only(self, digests_N: IntArray) -> None:
        """Delete the embeddings of all texts except N texts.

        Args:
            digests_N: digests of the texts to keep; uint64.
        """
        with self._write_lock():
            stored = self.read()
            rows_M = np.flatnonzero(np.isin(stored.digests_M, digests_N))
            self._append(StoredRows(dimensions=stored.dimensions), stored.digests_M[rows_M], stored.blocks(rows_M))

    def drop_damaged(self) -> None:
        """Delete the embeddings that differ from their checksums; the old file is renamed to `<name>.broken`."""
        with self._write_lock():
            stored = self.read()
            rows_M = stored.whole_rows()
            if len(rows_M) < len(stored.digests_M):
                reason = f"{len(stored.digests_M) - len(rows_M)} embeddings are damaged"
                kept = StoredRows(dimensions=stored.dimensions)
                self._append(kept, stored.digests_M[rows_M], stored.blocks(rows_M), broken=reason)

    @contextmanager
    def _write_lock(self) -> Iterator[None]:
        """Hold the lock for writers; the kernel releases the lock of a killed process."""
        file = self._folder / f"{self._name}.lock"
        if not check_openable(file, "ab"):
            set_aside(file, "cannot be opened")
        with file.open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _read(self) -> StoredRows:
        if not self._index.exists():
            return StoredRows()
        # NumPy leaves a file open that it cannot read.
        with self._index.open("rb") as index, np.load(index) as saved:
            file, dimensions = str(saved["rows"]), int(saved["dimensions"])
            digests_M, sums_M = saved["digests_M"], saved["sums_M"]
        if len(digests_M) != len(sums_M):
            raise ValueError("not every row has a checksum")
        with (self._folder / file).open("rb") as rows:
            size_bytes = len(digests_M) * dimensions * np.float16().nbytes
            mapped = mmap.mmap(rows.fileno(), size_bytes, access=mmap.ACCESS_READ) if size_bytes else None
        return StoredRows(file, dimensions, digests_M, sums_M, mapped)

    def _append(
        self, stored: StoredRows, digests_M: IntArray, blocks: Iterator[FloatArray], broken: str = ""
    ) -> StoredRows:
        """Append M rows to the file of a snapshot; without a file, create one.

        Args:
            stored: the snapshot.
            digests_M: digests of the M texts; uint64.
            blocks: their embeddings.
            broken: why the files before the new one are set aside; empty to delete them.
        """
        sums = [stored.sums_M]
        file = stored.file or f"{self._name}.{uuid4().hex}.f16"
        with (self._folder / file).open("r+b" if stored.file else "xb") as rows:
            rows.truncate(len(stored.digests_M) * stored.dimensions * np.float16().nbytes)
            rows.seek(0, os.SEEK_END)
            for block_B_D in blocks:
                halves_B_D = _in_16_bits(block_B_D)
                sums.append(_sums(halves_B_D))
                rows.write(halves_B_D.tobytes())
            rows.flush()
            os.fsync(rows.fileno())
        all_M = np.concatenate([stored.digests_M, digests_M])
        with replacing(self._index) as beside, beside.open("wb") as index:
            np.savez(index, rows=file, dimensions=stored.dimensions, digests_M=all_M, sums_M=np.concatenate(sums))
        self._remove_others(file, broken)
        return self._read()

    def _remove_others(self, file: str, broken: str) -> None:
        for old in self._folder.glob(f"{self._name}.*.f16"):
            if old.name != file and broken:
                set_aside(old, broken)
            elif old.name != file:
                discard(old)


def _blocks(rows_N: IntArray) -> Iterator[IntArray]:
    return (rows_N[start : start + _BLOCK] for start in range(0, len(rows_N), _BLOCK))


def _sums(halves_B_D: FloatArray) -> IntArray:
    """Add up the bits of each row, as B checksums: a row that was zeroed, cut or changed has another sum."""
    sums_B: IntArray = np.ascontiguousarray(halves_B_D).view(np.uint16).sum(axis=1, dtype=np.uint64)
    return sums_B


def _in_16_bits(embeddings_N_D: FloatArray) -> FloatArray:
    with np.errstate(over="ignore"):
        halves_N_D = embeddings_N_D.astype(np.float16)
    if not np.isfinite(halves_N_D).all():
        raise InvalidEmbeddingsError(
            f"the encoder gave an embedding with numbers up to {np.abs(embeddings_N_D).max()}: they must be finite and "
            f"below {np.finfo(np.float16).max:,.0f}; choose another encoder"
        )
    return halves_N_D
