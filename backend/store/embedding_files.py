"""Embeddings on disk, row by row as they came: a killed process leaves fewer of them, and never wrong ones."""

import fcntl
import logging
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4
from zipfile import BadZipFile

import numpy as np

from model.errors import InvalidEmbeddingsError
from model.types import FloatArray, IntArray

# Rows at once, when they are read or written: 12 MB of 384 dimensions.
_BLOCK = 16_384
_READ_TRIES = 3

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class KeptRows:
    """M embeddings as one look found them; what is written afterwards changes nothing here.

    Attributes:
        file: name of the file that has them; empty while there is none.
        dimensions: D.
        digests_M: which text each row is of.
        mapped: M x D numbers of 16 bits; None where there are none.
    """

    file: str = ""
    dimensions: int = 0
    digests_M: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.uint64))
    mapped: mmap.mmap | None = None

    def rows_of(self, digests_N: IntArray) -> IntArray:
        """Where the embeddings of N texts are: rows_N, -1 where there is none."""
        rows_N = np.full(len(digests_N), -1, dtype=np.int64)
        if not len(self.digests_M):
            return rows_N
        by_digest_M, by_digest_N = np.argsort(self.digests_M), np.argsort(digests_N)
        # Both rise, so that each is gone through once: looked for in any order, a million takes seconds.
        rising_M, rising_N = self.digests_M[by_digest_M], digests_N[by_digest_N]
        place_N = np.minimum(np.searchsorted(rising_M, rising_N), len(rising_M) - 1)
        rows_N[by_digest_N] = np.where(rising_M[place_N] == rising_N, by_digest_M[place_N], -1)
        return rows_N

    def take(self, rows_N: IntArray) -> FloatArray:
        """Those rows: embeddings_N_D, float32.

        Read in the file's order and let go of block by block: beside the answer no second one is ever in memory.
        """
        embeddings_N_D = np.empty((len(rows_N), self.dimensions), dtype=np.float32)
        for places in _blocks(np.argsort(rows_N, kind="stable")):
            embeddings_N_D[places] = self._rows(rows_N[places])
        return embeddings_N_D

    def blocks(self, rows_N: IntArray) -> Iterator[FloatArray]:
        """Those rows as they are on disk, some at a time."""
        return (self._rows(rows) for rows in _blocks(rows_N))

    def _rows(self, rows_B: IntArray) -> FloatArray:
        if self.mapped is None:
            return np.zeros((0, self.dimensions), dtype=np.float16)
        rows_B_D: FloatArray = np.frombuffer(self.mapped, dtype=np.float16).reshape(-1, self.dimensions)[rows_B]
        if hasattr(mmap, "MADV_DONTNEED"):
            # Pages that were read would count as ours for as long as the file is mapped.
            self.mapped.madvise(mmap.MADV_DONTNEED)
        return rows_B_D


class EmbeddingFiles:
    """One encoder's embeddings in a folder: `<name>.digests.npz`, and the file of embeddings that it names.

    Rows are appended first and flushed to disk; then the digests' file is replaced whole, and its length says how many
    rows count. Whatever else is in the file of embeddings was left by a killed process and is written over. Any number
    of processes may read while one writes; those that want to write wait for each other.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._index = folder / f"{name}.digests.npz"

    def read(self) -> KeptRows:
        """What is there; nothing, where it cannot be read: it is begun anew then."""
        for _ in range(_READ_TRIES):
            try:
                return self._read()
            except FileNotFoundError:
                # Between the two reads the rows were written to another file; the next look finds that one.
                continue
            except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
                log.warning("event=embeddings_unreadable file=%s reason=%s", self._index, error)
                return KeptRows()
        return KeptRows()

    def add(self, digests_N: IntArray, embeddings_N_D: FloatArray) -> KeptRows:
        """Append the rows that are not there yet; with another D than what is there, they take its place.

        Returns:
            What is there then.

        Raises:
            InvalidEmbeddingsError: a number is NaN, infinite, or too large for 16 bits; nothing was added.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._alone():
            kept = self.read()
            if kept.dimensions != embeddings_N_D.shape[1]:
                kept = KeptRows(dimensions=embeddings_N_D.shape[1])
            new_M = np.flatnonzero(kept.rows_of(digests_N) < 0)
            return self._append(kept, digests_N[new_M], (embeddings_N_D[rows] for rows in _blocks(new_M)))

    def keep_only(self, digests_N: IntArray) -> None:
        """Write anew with those rows alone."""
        with self._alone():
            kept = self.read()
            rows_M = np.flatnonzero(np.isin(kept.digests_M, digests_N))
            self._append(KeptRows(dimensions=kept.dimensions), kept.digests_M[rows_M], kept.blocks(rows_M))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Wait until nobody else writes; the kernel ends the turn of a killed process."""
        with (self._folder / f"{self._name}.lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _read(self) -> KeptRows:
        if not self._index.exists():
            return KeptRows()
        with np.load(self._index) as saved:
            file, dimensions, digests_M = str(saved["rows"]), int(saved["dimensions"]), saved["digests_M"]
        with (self._folder / file).open("rb") as rows:
            size_bytes = len(digests_M) * dimensions * np.float16().nbytes
            mapped = mmap.mmap(rows.fileno(), size_bytes, access=mmap.ACCESS_READ) if size_bytes else None
        return KeptRows(file, dimensions, digests_M, mapped)

    def _append(self, kept: KeptRows, digests_M: IntArray, blocks: Iterator[FloatArray]) -> KeptRows:
        """Write M rows behind those kept; where none are, into a file of their own."""
        file = kept.file or f"{self._name}.{uuid4().hex}.f16"
        with (self._folder / file).open("r+b" if kept.file else "xb") as rows:
            rows.truncate(len(kept.digests_M) * kept.dimensions * np.float16().nbytes)
            rows.seek(0, os.SEEK_END)
            for block_B_D in blocks:
                rows.write(_in_16_bits(block_B_D).tobytes())
            rows.flush()
            os.fsync(rows.fileno())
        self._point(file, kept.dimensions, np.concatenate([kept.digests_M, digests_M]))
        return self._read()

    def _point(self, file: str, dimensions: int, digests_M: IntArray) -> None:
        beside = self._folder / f".{self._index.name}.tmp"
        with beside.open("wb") as index:
            np.savez(index, rows=file, dimensions=dimensions, digests_M=digests_M)
            index.flush()
            os.fsync(index.fileno())
        beside.replace(self._index)
        for old in self._folder.glob(f"{self._name}.*.f16"):
            if old.name != file:
                old.unlink(missing_ok=True)


def _blocks(rows_N: IntArray) -> Iterator[IntArray]:
    return (rows_N[start : start + _BLOCK] for start in range(0, len(rows_N), _BLOCK))


def _in_16_bits(embeddings_N_D: FloatArray) -> FloatArray:
    with np.errstate(over="ignore"):
        halves_N_D = embeddings_N_D.astype(np.float16)
    if not np.isfinite(halves_N_D).all():
        raise InvalidEmbeddingsError(
            f"the encoder gave an embedding with numbers up to {np.abs(embeddings_N_D).max()}: they must be finite and "
            f"below {np.finfo(np.float16).max:,.0f}; choose another encoder"
        )
    return halves_N_D
