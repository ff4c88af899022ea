"""The cache of a project's embeddings on disk, by encoder."""

import re
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from backend.store.embedding_files import DamagedRowsError, EmbeddingFiles, StoredRows
from model.errors import InvalidEmbeddingsError
from model.files.names import discard
from model.text_digests import text_digest, text_digests
from model.types import BoolArray, FloatArray, IntArray

# Rows of deleted texts stay on disk until they are more than this, and more than half of all rows.
SPARE_ROWS = 5_000
# One try is usual. A second follows if the encoder has a new D, or if another process pruned the files meanwhile.
_TRIES = 3
# New embeddings go to disk when this many have come, or when the oldest is this old: a killed process loses so much.
_SAVED_ROWS, _SAVED_EVERY_S = 8_192, 10.0

# The embeddings of M texts part by part: rows_K and embeddings_K_D of each part.
Parts = Generator[tuple[IntArray, FloatArray], None, None]
EmbedParts = Callable[[Sequence[str]], Parts]


class EmbeddingCache:
    """Embeddings of texts under one encoder. Each text is embedded once, however many orders it is part of.

    Embeddings are rounded to 16 bits, both when they are computed and when they are read, so that a query strategy
    decides the same in both cases.
    """

    def __init__(self, folder: Path, encoder: str) -> None:
        """Name the files; nothing is read yet.

        Args:
            folder: the project's folder of embeddings, which all encoders share.
            encoder: name of the encoder; an encoder with other weights needs another name.
        """
        self._folder = folder
        self._files = EmbeddingFiles(folder, _file_name(encoder))

    def embed(
        self,
        texts: Sequence[str],
        embed: EmbedParts,
        *,
        prune: bool = False,
    ) -> FloatArray:
        """Return the embeddings of N texts; compute only embeddings that are not on disk.

        Args:
            texts: N texts.
            embed: embeds M different missing texts part by part; called only if a text is missing. Parts are on disk
                before the last one comes. Without texts it yields one part of 0 x D.
            prune: drop embeddings of texts that are not given, if these are most of the embeddings on disk.

        Returns:
            embeddings_N_D in the order of `texts`, float32, rounded to 16 bits.

        Raises:
            InvalidEmbeddingsError: `embed` returned NaN, infinity or a number too large for 16 bits.
        """
        digests_N = text_digests(texts)
        try:
            stored, embeddings_N_D = self._embed(texts, digests_N, embed)
        except DamagedRowsError:
            self._files.drop_damaged()
            stored, embeddings_N_D = self._embed(texts, digests_N, embed)
        if prune and _is_mostly_unused(stored, digests_N):
            self._files.keep_only(digests_N)
        return embeddings_N_D

    def _embed(self, texts: Sequence[str], digests_N: IntArray, embed: EmbedParts) -> tuple[StoredRows, FloatArray]:
        stored, rows_N = self._complete(texts, digests_N, embed)
        return stored, stored.take(rows_N) if len(texts) else _no_embeddings(stored, embed)

    def _complete(self, texts: Sequence[str], digests_N: IntArray, embed: EmbedParts) -> tuple[StoredRows, IntArray]:
        """Embed the missing texts; return a snapshot that holds all texts, and their rows."""
        stored = self._files.read()
        for _ in range(_TRIES):
            rows_N = stored.rows_of(digests_N)
            missing_M = _first_of_each(digests_N, rows_N < 0)
            if not len(missing_M):
                return stored, rows_N
            stored = self._save(digests_N[missing_M], embed([texts[row] for row in missing_M.tolist()]))
        raise InvalidEmbeddingsError(
            f"embedded {len(texts)} texts {_TRIES} times, and some embeddings are still not in {self._folder}: "
            "the encoder must give all embeddings the same length, and the disk must keep the embeddings"
        )

    def _save(self, digests_M: IntArray, parts: Parts) -> StoredRows:
        """Write parts as they come, small ones together; an embedding that fails keeps its finished parts, too."""
        unsaved = _Unsaved(self._files, digests_M)
        with closing(parts):
            try:
                for rows_K, embeddings_K_D in parts:
                    unsaved.add(rows_K, embeddings_K_D)
            finally:
                unsaved.write()
        return self._files.read()


class _Unsaved:
    """Parts in memory that are not on disk yet: every write flushes the disk and writes all digests."""

    def __init__(self, files: EmbeddingFiles, digests_M: IntArray) -> None:
        self._files = files
        self._digests_M = digests_M
        self._parts: list[tuple[IntArray, FloatArray]] = []
        self._began_s = time.monotonic()

    def add(self, rows_K: IntArray, embeddings_K_D: FloatArray) -> None:
        self._parts.append((rows_K, embeddings_K_D))
        rows = sum(len(rows_K) for rows_K, _ in self._parts)
        if rows >= _SAVED_ROWS or time.monotonic() - self._began_s > _SAVED_EVERY_S:
            self.write()

    def write(self) -> None:
        parts, self._parts, self._began_s = self._parts, [], time.monotonic()
        if parts:
            rows_K = np.concatenate([rows_K for rows_K, _ in parts])
            self._files.add(self._digests_M[rows_K], np.concatenate([embeddings_K_D for _, embeddings_K_D in parts]))


def keep_encoders(folder: Path, encoders: Iterable[str]) -> None:
    """Delete the embeddings of all other encoders.

    Args:
        folder: the project's folder of embeddings.
        encoders: names of the encoders to keep.
    """
    names = {_file_name(encoder) for encoder in encoders}
    for file in folder.glob("*"):
        if file.name.lstrip(".").split(".")[0] not in names:
            discard(file)


def _file_name(encoder: str) -> str:
    """Build a file name from the end of the encoder's name, for people, and a digest of the whole name."""
    readable = re.sub(r"[^A-Za-z0-9]+", "-", encoder)[-40:].strip("-") or "bundled"
    return f"{readable}-{text_digest(encoder):016x}"


def _first_of_each(digests_N: IntArray, is_missing_N: BoolArray) -> IntArray:
    """Return the rows of missing texts in order; a text that occurs twice gives only its first row."""
    missing_M = np.flatnonzero(is_missing_N)
    return np.sort(missing_M[np.unique(digests_N[missing_M], return_index=True)[1]])


def _no_embeddings(stored: StoredRows, embed: EmbedParts) -> FloatArray:
    """Return 0 x D embeddings; D comes from the encoder if the files are empty."""
    if stored.dimensions:
        return np.zeros((0, stored.dimensions), dtype=np.float32)
    with closing(embed([])) as parts:
        return next(parts)[1]


def _is_mostly_unused(stored: StoredRows, digests_N: IntArray) -> bool:
    unused = len(stored.digests_M) - int(np.isin(stored.digests_M, digests_N).sum())
    return unused > SPARE_ROWS and unused > len(stored.digests_M) / 2
