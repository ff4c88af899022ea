"""The texts nearest to examples, by words and by meaning."""

from collections.abc import Sequence

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from model.types import FloatArray, IntArray

# Cormack, Clarke and Büttcher (2009) found 60 good for every collection.
_RANK_OFFSET = 60
# Words may have one letter.
_WORD = r"(?u)\b\w+\b"


def nearest(
    examples: Sequence[str], texts: Sequence[str], examples_E_D: FloatArray, embeddings_N_D: FloatArray
) -> IntArray:
    """Put N texts in the order of their nearness to examples: rows_N, nearest first.

    Two rankings are fused by their reciprocal ranks (Cormack, Clarke and Büttcher, SIGIR 2009, equation 1): by cosine
    of TF-IDF vectors of words, and by cosine of embeddings. With several examples their mean vector counts. A text that
    shares no word with the examples has no rank by words.

    Args:
        examples: E texts to look for, at least one.
        texts: N texts.
        examples_E_D: embeddings of the examples.
        embeddings_N_D: embeddings of the texts, by the same encoder.
    """
    by_meaning_N = _unit(embeddings_N_D) @ _unit(examples_E_D).mean(axis=0)
    scores_N = _reciprocal_ranks(by_meaning_N)
    by_words_N = _word_scores(examples, texts)
    scores_N += np.where(by_words_N > 0, _reciprocal_ranks(by_words_N), 0.0)
    rows_N: IntArray = np.lexsort((-by_meaning_N, -scores_N))
    return rows_N


def _word_scores(examples: Sequence[str], texts: Sequence[str]) -> FloatArray:
    """Mean cosine of each text's TF-IDF vector and the examples'; 0 without a common word."""
    vectorizer = TfidfVectorizer(sublinear_tf=True, token_pattern=_WORD)
    try:
        vectors = vectorizer.fit_transform([*texts, *examples])
    except ValueError:
        # No text contains a word.
        return np.zeros(len(texts))
    wanted = np.asarray(vectors[len(texts) :].mean(axis=0)).ravel()
    return np.asarray(vectors[: len(texts)] @ wanted)


def _reciprocal_ranks(scores_N: FloatArray) -> FloatArray:
    """Return one over the rank of each score; the highest score has rank 1."""
    ranks_N = np.empty(len(scores_N))
    ranks_N[np.argsort(-scores_N, kind="stable")] = np.arange(1, len(scores_N) + 1)
    reciprocal_N: FloatArray = 1.0 / (_RANK_OFFSET + ranks_N)
    return reciprocal_N


def _unit(rows_N_D: FloatArray) -> FloatArray:
    unit_N_D: FloatArray = rows_N_D / np.maximum(np.linalg.norm(rows_N_D, axis=1, keepdims=True), 1e-12)
    return unit_N_D
