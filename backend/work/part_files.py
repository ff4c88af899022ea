"""Parts of a pool on disk: texts that wait for their embeddings, and embeddings as they come."""

import hashlib
import json
import shutil
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

from backend.work.sources import Source
from model.encoder.bert import MAX_CHUNKS, MAX_TOKENS
from model.text_digests import text_digest
from model.types import BoolArray, FloatArray, IntArray

# A few seconds' work: what a killed worker takes along, and what a round that wants a worker waits for.
PART_TEXTS = 500
# Of long texts fewer make a part, so that all parts take alike.
PART_CHARACTERS = 50_000
# Nothing past it is read, however long a text is.
_READ_CHARACTERS = 4 * MAX_CHUNKS * MAX_TOKENS


@dataclass(frozen=True)
class Part:
    """Some of M texts.

    Attributes:
        name: made of the source and the texts, so that the same part is known again.
        rows_K: which of the texts.
    """

    name: str
    rows_K: IntArray


def cut(source: Source, texts: Sequence[str], rows: IntArray) -> list[Part]:
    """Cut some of M texts into parts of like effort; within each, texts are of like length, so that little is padding.

    The longest come first: the parts that are left last are then the short ones, and nobody waits long for another.

    Args:
        source: what will embed them.
        texts: M texts.
        rows: which of them.
    """
    lengths_N = np.array([min(len(texts[row]), _READ_CHARACTERS) for row in rows], dtype=np.int64)
    order_N = np.argsort(-lengths_N, kind="stable")
    return [_part(source, texts, rows[order_N[begin:end]]) for begin, end in _slices(lengths_N[order_N])]


def _slices(lengths_N: IntArray) -> Iterator[tuple[int, int]]:
    """Where parts begin and end: none has more texts or characters than a part may, unless one text alone does."""
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
    """A project's parts. Every file is written whole, and those of one part say the same whoever writes them."""

    def __init__(self, project: Path) -> None:
        self._path = project / "parts"

    def write_texts(self, part: str, source: Source, texts: Sequence[str]) -> None:
        """Leave a part's texts for whoever takes it."""
        self._path.mkdir(parents=True, exist_ok=True)
        task = json.dumps({"source": asdict(source), "texts": list(texts)}).encode("ascii")
        self._write(self._texts(part), lambda file: file.write(task))

    def read_texts(self, part: str) -> tuple[Source, list[str]]:
        """A part's texts, and what is to embed them.

        Raises:
            FileNotFoundError: nobody wants them any more.
        """
        task = json.loads(self._texts(part).read_bytes())
        return Source(**task["source"]), task["texts"]

    def write_embeddings(self, part: str, embeddings_K_D: FloatArray) -> None:
        """Leave what a part's texts became.

        Raises:
            FileNotFoundError: nobody wants them any more.
        """
        self._write(self._embeddings(part), lambda file: np.save(file, embeddings_K_D))

    def read_embeddings(self, part: str) -> FloatArray | None:
        """What a part's texts became; None if they have not yet."""
        try:
            embeddings_K_D: FloatArray = np.load(self._embeddings(part))
        except FileNotFoundError:
            return None
        return embeddings_K_D

    def done(self, source: Source) -> Iterator[str]:
        """Parts that are done, whoever cut them; those of other sources go."""
        for file in self._path.glob("*.npy"):
            if file.name.startswith(_prefix(source)):
                yield file.stem
            else:
                file.unlink(missing_ok=True)
                self._texts(file.stem).unlink(missing_ok=True)

    def drop(self) -> None:
        """Forget all parts."""
        shutil.rmtree(self._path, ignore_errors=True)

    def _texts(self, part: str) -> Path:
        return self._path / f"{part}.json"

    def _embeddings(self, part: str) -> Path:
        return self._path / f"{part}.npy"

    def _write(self, file: Path, write: "_Write") -> None:
        beside = file.with_name(f".{uuid.uuid4().hex}.tmp")
        with beside.open("wb") as opened:
            write(opened)
        beside.replace(file)


class _Write(Protocol):
    def __call__(self, file: BinaryIO, /) -> object:
        """Fill an opened file."""


class Gathered:
    """Embeddings of M texts as they come, part by part."""

    def __init__(self, size: int) -> None:
        self._is_there_M: BoolArray = np.zeros(size, dtype=np.bool_)
        self._embeddings_M_D: FloatArray = np.zeros((size, 0), dtype=np.float32)

    @property
    def embeddings_M_D(self) -> FloatArray:
        """All of them; zeros where some have not come."""
        return self._embeddings_M_D

    @property
    def done(self) -> int:
        """How many came."""
        return int(self._is_there_M.sum())

    @property
    def size(self) -> int:
        """How many there are, M."""
        return len(self._is_there_M)

    def missing(self) -> IntArray:
        """Rows of those that have not come."""
        return np.flatnonzero(~self._is_there_M)

    def add(self, rows_K: IntArray, embeddings_K_D: FloatArray) -> None:
        """Some came."""
        if not self._embeddings_M_D.shape[1]:
            self._embeddings_M_D = np.zeros((self.size, embeddings_K_D.shape[1]), dtype=np.float32)
        self._embeddings_M_D[rows_K] = embeddings_K_D
        self._is_there_M[rows_K] = True


def found_again(files: PartFolder, source: Source, texts: Sequence[str]) -> Gathered:
    """What is done of M texts already, by what they say: a round before this one was killed, or told to stop."""
    gathered = Gathered(len(texts))
    parts = list(files.done(source))
    rows_of: dict[int, list[int]] = {}
    for row, text in enumerate(texts if parts else ()):
        rows_of.setdefault(text_digest(text), []).append(row)
    for part in parts:
        embeddings_K_D = files.read_embeddings(part)
        if embeddings_K_D is not None:
            digests_K = map(text_digest, files.read_texts(part)[1])
            wanted = [(row, place) for place, digest in enumerate(digests_K) for row in rows_of.get(digest, ())]
            rows, places = np.array(wanted, dtype=np.int64).reshape(-1, 2).T
            gathered.add(rows, embeddings_K_D[places])
    return gathered
