"""What is remembered of a project's texts on disk: their embeddings, by encoder."""

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from backend.store.embedding_files import EmbeddingFiles, KeptRows
from model.errors import InvalidEmbeddingsError
from model.text_digests import text_digest, text_digests
from model.types import BoolArray, FloatArray, IntArray

# So many rows of texts that are gone may stay; beyond, no more than there are rows of others.
SPARE_ROWS = 5_000
# One is the rule. A second follows where an encoder has got another D, or somebody else made room meanwhile.
_TRIES = 3


class EmbeddingCache:
    """Embeddings of texts under one encoder, kept so that a text is embedded once however often it is ordered.

    They are kept in 16 bits, and given so rounded whether they were just computed or read: what is decided by them does
    not depend on which.
    """

    def __init__(self, folder: Path, encoder: str) -> None:
        """Look into a folder.

        Args:
            folder: of a project; encoders share it.
            encoder: its name; a version of it that says other things has another one.
        """
        self._folder = folder
        self._files = EmbeddingFiles(folder, _file_name(encoder))

    def embed(
        self,
        texts: Sequence[str],
        embed: Callable[[Sequence[str]], FloatArray],
        *,
        are_all: bool = False,
    ) -> FloatArray:
        """Embeddings of N texts, computing only those not on disk.

        Args:
            texts: N texts.
            embed: computes embeddings_M_D of the M different ones that are missing; not called if none are.
            are_all: whether no other text will be asked for again: where most of what is on disk is of others, it goes.

        Returns:
            embeddings_N_D in the order of `texts`, float32, rounded to 16 bits.

        Raises:
            InvalidEmbeddingsError: `embed` gave what is no number, or does not fit into 16 bits.
        """
        digests_N = text_digests(texts)
        kept, rows_N = self._complete(texts, digests_N, embed)
        embeddings_N_D = kept.take(rows_N) if len(texts) else _of_no_text(kept, embed)
        if are_all and _is_mostly_of_others(kept, digests_N):
            self._files.keep_only(digests_N)
        return embeddings_N_D

    def _complete(
        self, texts: Sequence[str], digests_N: IntArray, embed: Callable[[Sequence[str]], FloatArray]
    ) -> tuple[KeptRows, IntArray]:
        """What is on disk, once it has all of the texts; and where it has them."""
        kept = self._files.read()
        for _ in range(_TRIES):
            rows_N = kept.rows_of(digests_N)
            missing_M = _first_of_each(digests_N, rows_N < 0)
            if not len(missing_M):
                return kept, rows_N
            # Nothing holds on to what was computed: at a million texts it is as large as the answer.
            kept = self._files.add(digests_N[missing_M], embed([texts[row] for row in missing_M.tolist()]))
        raise InvalidEmbeddingsError(
            f"asked for the embeddings of {len(texts)} texts {_TRIES} times, and some are still not in {self._folder}: "
            "the encoder must give every text one of the same length, and the disk must keep it"
        )


def keep_encoders(folder: Path, encoders: Iterable[str]) -> None:
    """Remove the embeddings of all other encoders from a folder."""
    names = {_file_name(encoder) for encoder in encoders}
    for file in folder.glob("*"):
        if file.name.lstrip(".").split(".")[0] not in names:
            file.unlink(missing_ok=True)


def _file_name(encoder: str) -> str:
    """For people the end of its name, and for us all of it."""
    readable = re.sub(r"[^A-Za-z0-9]+", "-", encoder)[-40:].strip("-") or "bundled"
    return f"{readable}-{text_digest(encoder):016x}"


def _first_of_each(digests_N: IntArray, is_missing_N: BoolArray) -> IntArray:
    """Rows of the texts that are missing, in their order; of a text that occurs twice the first."""
    missing_M = np.flatnonzero(is_missing_N)
    return np.sort(missing_M[np.unique(digests_N[missing_M], return_index=True)[1]])


def _of_no_text(kept: KeptRows, embed: Callable[[Sequence[str]], FloatArray]) -> FloatArray:
    """0 x D; the encoder has to say D, where nothing was ever kept."""
    return np.zeros((0, kept.dimensions or embed([]).shape[1]), dtype=np.float32)


def _is_mostly_of_others(kept: KeptRows, digests_N: IntArray) -> bool:
    others = len(kept.digests_M) - int(np.isin(kept.digests_M, digests_N).sum())
    return others > SPARE_ROWS and others > len(kept.digests_M) / 2
