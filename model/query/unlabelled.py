"""The features of the texts to choose from, and checks of these features."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial
from typing import Any, TypeVar

import numpy as np

from model.errors import InvalidEmbeddingsError, InvalidProbabilitiesError
from model.query.large_pools import parts
from model.query.uncertainty import least_sure_label, yes_no_view
from model.types import BoolArray, FloatArray, IntArray

_TOLERANCE = 1e-3

Computed = TypeVar("Computed")
Predict = Callable[[FloatArray], FloatArray]
"""embeddings_M_D → proba_M_C."""
Refit = Callable[[FloatArray, FloatArray], Predict]
"""embeddings_M_D and targets_M_C of further labelled texts → a head that was fitted with them too."""


class Need(str, Enum):
    """A feature that a strategy needs; all but embeddings, texts and picks need a classifier."""

    PROBA = "proba_N_C"
    MEMBERS = "proba_N_K_C"
    EMBEDDINGS = "embeddings_N_D"
    REFIT = "refit"
    PICKS = "picks_B"
    TEXTS = "texts"


# The features that neither an encoder nor a classifier computes.
GIVEN = frozenset({Need.PICKS, Need.TEXTS})


@dataclass(frozen=True)
class Unlabelled:
    """Features of the N texts to choose from; only the features that the strategy needs have to be there.

    Attributes:
        size: N.
        proba_N_C: class probabilities; rows sum to 1, except where a text may have several labels.
        embeddings_N_D: the encoder's pooled output.
        labelled_L_D: embeddings of L labelled texts; given together with embeddings_N_D.
        labelled_proba_L_C: class probabilities of the labelled texts; given together with proba_N_C and embeddings_N_D.
        proba_N_K_C: class probabilities by K members of a committee, the same members for every text.
        refit: fits a head with further labels.
        picks_B: rows that an LLM chose, first = ask first.
        is_multilabel: whether a text may have several labels.
        texts: the texts themselves.
    """

    size: int
    proba_N_C: FloatArray | None = None
    embeddings_N_D: FloatArray | None = None
    labelled_L_D: FloatArray | None = None
    labelled_proba_L_C: FloatArray | None = None
    proba_N_K_C: FloatArray | None = None
    refit: Refit | None = None
    picks_B: IntArray | None = None
    is_multilabel: bool = False
    texts: tuple[str, ...] | None = None

    def some(self, rows_M: IntArray) -> "Unlabelled":
        """M of the texts, in the order of `rows_M`."""
        chosen: dict[str, Any] = {name: part[rows_M] for name, part in self.parts().items() if part is not None}
        if self.picks_B is not None:
            place_N = np.full(self.size, -1)
            place_N[rows_M] = np.arange(len(rows_M))
            chosen["picks_B"] = place_N[self.picks_B][place_N[self.picks_B] >= 0]
        if self.texts is not None:
            chosen["texts"] = tuple(self.texts[row] for row in rows_M.tolist())
        return replace(self, size=len(rows_M), **chosen)

    def parts(self) -> dict[str, FloatArray | None]:
        """The arrays that have one row a text, by name."""
        return {
            "proba_N_C": self.proba_N_C,
            "proba_N_K_C": self.proba_N_K_C,
            "embeddings_N_D": self.embeddings_N_D,
        }

    @property
    def proba(self) -> FloatArray:
        """Class probabilities as distributions; with several labels, of each text's least sure label."""
        proba_N_C = required(self.proba_N_C)
        return yes_no_view(proba_N_C) if self.is_multilabel else proba_N_C

    @property
    def members(self) -> FloatArray:
        """Members' class probabilities as distributions; with several labels, of the label least sure on average."""
        proba_N_K_C = required(self.proba_N_K_C)
        if not self.is_multilabel:
            return proba_N_K_C
        label_N_1_1 = least_sure_label(proba_N_K_C.mean(axis=1))[:, None, None]
        yes_N_K_1 = np.take_along_axis(proba_N_K_C, label_N_1_1, axis=2)
        return np.concatenate([1.0 - yes_N_K_1, yes_N_K_1], axis=2)

    @property
    def embeddings(self) -> FloatArray:
        """embeddings_N_D; raises ValueError where they were not computed."""
        return required(self.embeddings_N_D)

    @property
    def labelled(self) -> FloatArray:
        """labelled_L_D; 0 x D where it is not given."""
        return self.embeddings[:0] if self.labelled_L_D is None else self.labelled_L_D


def required(value: Computed | None) -> Computed:
    """The feature itself; raises ValueError where it was not computed."""
    if value is None:
        raise ValueError("the strategy's needs were not computed")
    return value


def check_proba(proba: FloatArray, is_multilabel: bool = False) -> None:
    """Check that rows are distributions, or with several labels that cells are probabilities.

    Args:
        proba: proba_N_C or proba_N_K_C.
        is_multilabel: whether probabilities are independent, and need not sum to 1.

    Raises:
        InvalidProbabilitiesError: names the first bad row.
    """
    row = _first_bad(proba, partial(_is_bad_proba, is_multilabel=is_multilabel))
    if row is not None:
        raise InvalidProbabilitiesError(
            f"row {row} of the class probabilities is {np.array2string(proba[row], precision=4, threshold=8)}: "
            f"it must be finite, in [0, 1]{'' if is_multilabel else ', and sum to 1'}"
        )


def check_embeddings(embeddings_N_D: FloatArray) -> None:
    """Check that embeddings are finite; distances to NaN mean nothing.

    Raises:
        InvalidEmbeddingsError: names the first bad row.
    """
    row = _first_bad(embeddings_N_D, lambda part_M_D: ~np.isfinite(part_M_D))
    if row is not None:
        raise InvalidEmbeddingsError(f"row {row} of the embeddings is not finite")


def _is_bad_proba(proba: FloatArray, *, is_multilabel: bool) -> BoolArray:
    bad: BoolArray = ~np.isfinite(proba) | (proba < 0) | (proba > 1 + _TOLERANCE)
    if not is_multilabel:
        bad |= ~np.isclose(proba.sum(axis=-1, keepdims=True), 1.0, atol=_TOLERANCE)
    return bad


def _first_bad(values_N: FloatArray, is_bad: Callable[[FloatArray], BoolArray]) -> int | None:
    """Find the first row with a bad value, one part of the rows at a time; None if there is none."""
    for part in parts(len(values_N)):
        bad_M = is_bad(values_N[part])
        if bad_M.any():
            bad_rows_M = bad_M.any(axis=tuple(range(1, bad_M.ndim)))
            return int(part.start) + int(bad_rows_M.argmax())
    return None
