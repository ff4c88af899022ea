"""What is remembered of a project's texts on disk: their embeddings under the untrained encoder."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from model.types import FloatArray, IntArray


def text_digest(text: str) -> int:
    """64 bits that stand for a text; a changed text has others."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


class EmbeddingCache:
    """Embeddings by text, in one file, so that a pool is embedded once however often it is ordered.

    The file is replaced whole: a reader or a killed process never sees half of it.
    """

    def __init__(self, file: Path, encoder: str) -> None:
        self._file = file
        self._encoder = encoder

    def embed(self, texts: Sequence[str], embed: Callable[[Sequence[str]], FloatArray]) -> FloatArray:
        """Embeddings of N texts, computing only those not on disk.

        Args:
            texts: N texts.
            embed: computes embeddings_M_D of the M that are missing.

        Returns:
            embeddings_N_D in the order of `texts`. Where some were missing, the file then holds exactly these texts.
        """
        digests_N = np.array([text_digest(text) for text in texts], dtype=np.uint64)
        known = self._read()
        missing = [row for row, digest in enumerate(digests_N) if int(digest) not in known]
        if missing:
            computed_M_D = embed([texts[row] for row in missing])
            known.update({int(digests_N[row]): computed_M_D[i] for i, row in enumerate(missing)})
        if not len(texts):
            return embed([])
        embeddings_N_D = np.stack([known[int(digest)] for digest in digests_N])
        if missing:
            self._write(digests_N, embeddings_N_D)
        return embeddings_N_D

    def _read(self) -> dict[int, FloatArray]:
        if not self._file.exists():
            return {}
        with np.load(self._file) as saved:
            if str(saved["encoder"]) != self._encoder:
                return {}
            return dict(zip(saved["digests_N"].tolist(), saved["embeddings_N_D"], strict=True))

    def _write(self, digests_N: IntArray, embeddings_N_D: FloatArray) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        beside = self._file.with_name(f".{self._file.name}.tmp.npz")
        np.savez(beside, encoder=self._encoder, digests_N=digests_N, embeddings_N_D=embeddings_N_D)
        beside.replace(self._file)
