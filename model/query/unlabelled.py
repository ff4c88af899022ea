"""The features of the texts to choose from, and checks of these features."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, TypeVar

import numpy as np

from model.errors import InvalidEmbeddingsError, InvalidProbabilitiesError
from model.links import ONE_OF, Link
from model.query.large_pools import parts
from model.types import BoolArray, FloatArray, IntArray

Computed = TypeVar("Computed")
Predict = Callable[[FloatArray], FloatArray]
"""embeddings_M_D → proba_M_C."""
Refit = Callable[[FloatArray, FloatArray], Predict]
"""embeddings_M_D and targets_M_C of further labelled texts → a head that was fitted with them too."""


class Need(StrEnum):
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
        proba_N_C: class probabilities, as `link` says.
        embeddings_N_D: the encoder's pooled output.
        labelled_L_D: embeddings of L labelled texts; given together with embeddings_N_D.
        labelled_proba_L_C: class probabilities of the labelled texts; given together with proba_N_C and embeddings_N_D.
        proba_N_K_C: class probabilities by K members of a committee, the same members for every text.
        refit: fits a head with further labels.
        picks_B: rows that an LLM chose, first = ask first.
        link: the meaning of a row of probabilities: its units, and how unit scores make the score of a text.
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
    link: Link = ONE_OF
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

    def scores(self, score: Callable[[FloatArray], FloatArray]) -> FloatArray:
        """Score every unit, and reduce unit scores to text scores: scores_N.

        Args:
            score: proba_U_C → scores_U; the score of a unit depends on no other unit.
        """
        proba_N_C = required(self.proba_N_C)
        # Part by part: a text may have dozens of units.
        answers = (self.link.answers(proba_N_C[part]) for part in parts(len(proba_N_C)))
        scores = [some.reduce(score(some.proba_U_C)) for some in answers]
        return np.concatenate(scores) if scores else np.zeros(0)

    @property
    def proba(self) -> FloatArray:
        """Class probabilities of the least sure unit of each text, where a scorer takes one distribution a text."""
        return self.link.standing(required(self.proba_N_C))

    @property
    def members(self) -> FloatArray:
        """Members' class probabilities of the unit that is least sure on average, N x K distributions."""
        return self.link.standing_members(required(self.proba_N_K_C))

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


def check_proba(proba: FloatArray, link: Link = ONE_OF) -> None:
    """Check that rows have the form that a link gives them.

    Args:
        proba: proba_N_C or proba_N_K_C.
        link: the meaning of a row.

    Raises:
        InvalidProbabilitiesError: names the first bad row.
    """
    row = _first_bad(proba, link.is_bad)
    if row is not None:
        raise InvalidProbabilitiesError(
            f"row {row} of the class probabilities is {np.array2string(proba[row], precision=4, threshold=8)}: "
            f"it must be {link.fault}"
        )


def check_embeddings(embeddings_N_D: FloatArray) -> None:
    """Check that embeddings are finite; distances to NaN mean nothing.

    Raises:
        InvalidEmbeddingsError: names the first bad row.
    """
    row = _first_bad(embeddings_N_D, lambda part_M_D: ~np.isfinite(part_M_D))
    if row is not None:
        raise InvalidEmbeddingsError(f"row {row} of the embeddings is not finite")


def _first_bad(values_N: FloatArray, is_bad: Callable[[FloatArray], BoolArray]) -> int | None:
    """Find the first row with a bad value, one part of the rows at a time; None if there is none."""
    for part in parts(len(values_N)):
        bad_M = is_bad(values_N[part])
        if bad_M.any():
            bad_rows_M = bad_M.any(axis=tuple(range(1, bad_M.ndim)))
            return int(part.start) + int(bad_rows_M.argmax())
    return None
