"""Files of the parts of a pool: a part's texts, and its embeddings when a worker has computed them."""

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

from backend.work.sources import Source
from model.encoder.bert import MAX_CHUNKS, MAX_TOKENS
from model.files import replacing
from model.text_digests import text_digest
from model.types import BoolArray, FloatArray, IntArray

# Most texts in a part: a few seconds of work. A killed worker loses this much, and a waiting round waits this long.
PART_TEXTS = 500
# Most characters in a part, so that parts of long texts take no longer than other parts.
PART_CHARACTERS = 50_000
# The encoder reads no further into a text.
_READ_CHARACTERS = 4 * MAX_CHUNKS * MAX_TOKENS


@dataclass(frozen=True)
class Part:
    """A part: K of M texts.

    Attributes:
        name: digest of the source and the texts; the same texts always get the same name.
        rows_K: rows of the part's texts among the M texts.
    """

    name: str
    rows_K: IntArray


def cut_into_parts(source: Source, texts: Sequence[str], rows: IntArray) -> list[Part]:
    """Cut texts into parts of similar effort; texts of similar length share a part, which saves padding.

    The part with the longest texts comes first. The parts that are taken last are short, so that no worker waits long
    for another worker.

    Args:
        source: the encoder that will embed the texts.
        texts: M texts.
        rows: rows of the texts to cut into parts.

    Returns:
        The parts; together they hold each of `rows` once.
    """
    lengths_N = np.array([min(len(texts[row]), _READ_CHARACTERS) for row in rows], dtype=np.int64)
    order_N = np.argsort(-lengths_N, kind="stable")
    return [_part(source, texts, rows[order_N[begin:end]]) for begin, end in _slices(lengths_N[order_N])]


def _slices(lengths_N: IntArray) -> Iterator[tuple[int, int]]:
    """Yield begin and end of each part: at most PART_TEXTS and PART_CHARACTERS, but at least one text."""
    ends_N = np.cumsum(lengths_N)
    begin = 0
    while begin < len(lengths_N):
        before = ends_N[begin] - lengths_N[begin]
        fitting = int(np.searchsorted(ends_N, before + PART_CHARACTERS, side="right"))
        end = max(begin + 1, min(fitting, begin + PART_TEXTS))
        yield begin, end
        begin = end


def _part(source: Source, texts: Sequence[str], rows_K: IntArray) -> Part:
    digests_K = np.array([text_digest(texts[row]) for row in rows_K], dtype=np.uint64)
    content = hashlib.blake2b(digests_K.tobytes(), digest_size=8).hexdigest()
    return Part(f"{_prefix(source)}-{content}", rows_K)


def _prefix(source: Source) -> str:
    return hashlib.blake2b(source.name.encode(), digest_size=4).hexdigest()


class PartFolder:
    """The folder of a project's parts. Every file is replaced whole. Two workers write the same content for a part."""

    def __init__(self, project: Path) -> None:
        self._path = project / "parts"

    def write_texts(self, part: str, source: Source, texts: Sequence[str]) -> None:
        """Write the texts of a part, for every worker to read.

        Args:
            part: name of the part.
            source: the encoder that is to embed the texts.
            texts: the K texts of the part.
        """
        self._path.mkdir(parents=True, exist_ok=True)
        task = json.dumps({"source": asdict(source), "texts": list(texts)}).encode("ascii")
        self._write(self._texts(part), lambda file: file.write(task))

    def read_texts(self, part: str) -> tuple[Source, list[str]]:
        """Read the encoder and the texts of a part.

        Args:
            part: name of the part.

        Raises:
            FileNotFoundError: the round dropped the part.
        """
        task = json.loads(self._texts(part).read_bytes())
        return Source(**task["source"]), task["texts"]

    def write_embeddings(self, part: str, embeddings_K_D: FloatArray) -> None:
        """Write the embeddings of a part.

        Args:
            part: name of the part.
            embeddings_K_D: embeddings in the order of the part's texts.

        Raises:
            FileNotFoundError: the round dropped the part.
        """
        self._write(self._embeddings(part), lambda file: np.save(file, embeddings_K_D))

    def read_embeddings(self, part: str) -> FloatArray | None:
        """Read the embeddings of a part, embeddings_K_D; None before a worker has computed them."""
        try:
            embeddings_K_D: FloatArray = np.load(self._embeddings(part))
        except FileNotFoundError:
            return None
        return embeddings_K_D

    def finished_parts(self, source: Source) -> Iterator[str]:
        """Yield the names of all parts with embeddings, and delete the parts of other sources.

        Args:
            source: the encoder in use.
        """
        for file in self._path.glob("*.npy"):
            if file.name.startswith(_prefix(source)):
                yield file.stem
            else:
                file.unlink(missing_ok=True)
                self._texts(file.stem).unlink(missing_ok=True)

    def drop(self) -> None:
        """Delete all parts."""
        shutil.rmtree(self._path, ignore_errors=True)

    def _texts(self, part: str) -> Path:
        return self._path / f"{part}.json"

    def _embeddings(self, part: str) -> Path:
        return self._path / f"{part}.npy"

    def _write(self, file: Path, write: "_Write") -> None:
        if not file.parent.exists():
            raise FileNotFoundError(f"{file.parent}: the round dropped its parts")
        with replacing(file) as beside, beside.open("wb") as opened:
            write(opened)


class _Write(Protocol):
    def __call__(self, file: BinaryIO, /) -> object:
        """Write the content into an open file."""


class PartialEmbeddings:
    """Embeddings of M texts, some of them still missing."""

    def __init__(self, size: int) -> None:
        """Start with no embedding.

        Args:
            size: number of texts, M.
        """
        self._is_there_M: BoolArray = np.zeros(size, dtype=np.bool_)
        self._embeddings_M_D: FloatArray = np.zeros((size, 0), dtype=np.float32)

    @property
    def embeddings_M_D(self) -> FloatArray:
        """The embeddings, float32; zeros in rows that are missing."""
        return self._embeddings_M_D

    @property
    def done(self) -> int:
        """Number of texts with an embedding."""
        return int(self._is_there_M.sum())

    @property
    def size(self) -> int:
        """Number of texts, M."""
        return len(self._is_there_M)

    def missing(self) -> IntArray:
        """Rows of the texts without an embedding."""
        return np.flatnonzero(~self._is_there_M)

    def add(self, rows_K: IntArray, embeddings_K_D: FloatArray) -> None:
        """Add the embeddings of K texts.

        Args:
            rows_K: rows of the texts.
            embeddings_K_D: their embeddings.
        """
        if not self._embeddings_M_D.shape[1]:
            self._embeddings_M_D = np.zeros((self.size, embeddings_K_D.shape[1]), dtype=np.float32)
        self._embeddings_M_D[rows_K] = embeddings_K_D
        self._is_there_M[rows_K] = True


def read_finished_parts(files: PartFolder, source: Source, texts: Sequence[str]) -> PartialEmbeddings:
    """Read the embeddings that an earlier round, which was killed or stopped, left for the same texts.

    Args:
        files: the project's parts.
        source: the encoder in use.
        texts: M texts; a digest of the text finds its embedding.
    """
    found = PartialEmbeddings(len(texts))
    parts = list(files.finished_parts(source))
    rows_of: dict[int, list[int]] = {}
    for row, text in enumerate(texts if parts else ()):
        rows_of.setdefault(text_digest(text), []).append(row)
    for part in parts:
        embeddings_K_D = files.read_embeddings(part)
        if embeddings_K_D is not None:
            digests_K = map(text_digest, files.read_texts(part)[1])
            wanted = [(row, place) for place, digest in enumerate(digests_K) for row in rows_of.get(digest, ())]
            rows, places = np.array(wanted, dtype=np.int64).reshape(-1, 2).T
            found.add(rows, embeddings_K_D[places])
    return found
