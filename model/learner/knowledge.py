"""What is known of a project besides its training: label names, labelled texts and pool, as one encoder sees them.

`Knowledge` places names and pool once; `teach` adds labelled texts and gives a `Teacher`, which has probabilities and
the anchor that a head is fitted around.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
from torch import nn

from model.learner.linear_head import Anchor, fit_head
from model.learner.prototypes import SHARPNESS, Evidence, Trust, choose_trust, directions, proba, prototypes, unit_rows
from model.types import BoolArray, FloatArray, LabelTexts

Embed = Callable[[Sequence[str]], FloatArray]
"""texts → embeddings_N_D."""

# Weight of the distance to the prototypes in a head's fit. From 0.1 to 1 accuracy hardly moved on nine sets.
ANCHOR_L2 = 0.3
# The spread of copies of one text: distances are left as they are.
NO_SPREAD = 1.0
# Where one class alone is known, its probability grows slowly with the number of its texts.
ONE_CLASS_L2 = 1.0
# So many unlabelled texts say what there is to know of a pool; more would only take longer.
MOST_POOL = 2_000
# Bisection halves the interval of a bias so often.
_HALVINGS = 40


@dataclass(frozen=True)
class Space:
    """How one encoder's embeddings become directions.

    Attributes:
        centre_D: mean of the unit embeddings: what all texts have in common tells no classes apart.
        length: root mean square length of embeddings.
        spread: root mean square distance of unit embeddings from the centre.
    """

    centre_D: FloatArray
    length: float
    spread: float

    def directions(self, rows_N_D: FloatArray) -> FloatArray:
        """Unit directions from the centre."""
        return directions(rows_N_D, self.centre_D)


def space_of(rows_N_D: FloatArray, weights_N: FloatArray | None = None) -> Space:
    """The space in which N >= 1 texts lie around the centre; a text counts as much as its weight."""
    unit_N_D = unit_rows(rows_N_D)
    centre_D = np.average(unit_N_D, axis=0, weights=weights_N).astype(np.float32)
    length = float(np.sqrt(np.square(rows_N_D).sum(axis=1).mean())) or 1.0
    spread = float(np.sqrt(np.square(unit_N_D - centre_D).sum(axis=1).mean()))
    return Space(centre_D, length, spread if spread > 1e-3 else NO_SPREAD)


@dataclass(frozen=True)
class Teacher:
    """What names, labelled texts and pool say together.

    Attributes:
        trust: how far names and pool counted.
        prototypes_C_D: a direction for each class, 0 for a class of which nothing is known.
    """

    trust: Trust
    space: Space
    prototypes_C_D: FloatArray
    bias_C: FloatArray

    def proba(self, embeddings_N_D: FloatArray) -> FloatArray:
        """Class probabilities as if a text had one label, proba_N_C."""
        return proba(self.space.directions(embeddings_N_D), self.prototypes_C_D)

    def fit(
        self,
        head: nn.Linear,
        embeddings_L_D: FloatArray,
        targets_L_C: FloatArray,
        weights_L: FloatArray | None = None,
        *,
        is_multilabel: bool,
    ) -> None:
        """Fit a head to L >= 0 labelled texts around the prototypes, in place."""
        if np.count_nonzero(self.prototypes_C_D.any(axis=1)) < 2 and not is_multilabel:
            # Nothing says how other classes look: the head becomes surer only slowly, as texts come.
            fit_head(head, embeddings_L_D, targets_L_C, ONE_CLASS_L2, is_multilabel=False, weights_N=weights_L)
            return
        weight_C_D = SHARPNESS * self.prototypes_C_D
        anchor = Anchor(weight_C_D, self.bias_C, self.space.centre_D, self.space.length, self.space.spread)
        fit_head(
            head,
            embeddings_L_D,
            targets_L_C,
            ANCHOR_L2,
            is_multilabel=is_multilabel,
            weights_N=weights_L,
            anchor=anchor,
        )


@dataclass(frozen=True)
class Knowledge:
    """Label names and pool as one encoder sees them.

    Attributes:
        names_R_C_D: embeddings of R readings of each label's name.
        is_said_R_C: which labels have that reading.
        pool_M_D: embeddings of unlabelled texts.
    """

    names_R_C_D: FloatArray
    is_said_R_C: BoolArray
    pool_M_D: FloatArray
    is_multilabel: bool

    @property
    def tells_apart(self) -> bool:
        """Whether names alone are prototypes of two classes, or of one where several labels may hold.

        Names may be there and say nothing: they are all alike, or the encoder knows none of their words.
        """
        if not self.is_said_R_C.any():
            return False
        nobody_0_D, nothing_0_C = self.pool_M_D[:0], np.zeros((0, self.is_said_R_C.shape[1]), dtype=np.float32)
        prototypes_C_D = self.teach(nobody_0_D, nothing_0_C, trust=Trust(names=True, pool=0.0)).prototypes_C_D
        return int(np.count_nonzero(prototypes_C_D.any(axis=1))) >= (1 if self.is_multilabel else 2)

    def teach(
        self,
        labelled_L_D: FloatArray,
        targets_L_C: FloatArray,
        weights_L: FloatArray | None = None,
        *,
        trust: Trust | None = None,
        space: Space | None = None,
    ) -> Teacher:
        """Put names, L >= 0 labelled texts and the pool together.

        Args:
            labelled_L_D: their embeddings.
            targets_L_C: their shares.
            weights_L: what each counts; None: 1.
            trust: how far names and pool count; None: chosen on these labels.
            space: None: around the pool, or else around the labelled texts, or else around the names.
        """
        space = space or self._space(labelled_L_D)
        weights_L_1 = np.ones((len(targets_L_C), 1)) if weights_L is None else weights_L[:, None]
        evidence = Evidence(
            self._names(space),
            space.directions(labelled_L_D),
            (targets_L_C * weights_L_1).astype(np.float32),
            space.directions(self.pool_M_D),
        )
        trust = trust or choose_trust(evidence)
        prototypes_C_D = prototypes(evidence, trust)
        return Teacher(trust, space, prototypes_C_D, self._bias(evidence, prototypes_C_D))

    def _space(self, labelled_L_D: FloatArray) -> Space:
        """Around the first of these that has different texts; copies of one text would put it where nothing is said."""
        names_M_D = self.names_R_C_D[self.is_said_R_C]
        spaces = (space_of(rows_N_D) for rows_N_D in (self.pool_M_D, labelled_L_D, names_M_D) if len(rows_N_D))
        nowhere = Space(np.zeros(self.pool_M_D.shape[1], dtype=np.float32), 1.0, 1.0)
        return next((space for space in spaces if space.spread != NO_SPREAD), nowhere)

    def _names(self, space: Space) -> FloatArray:
        """Directions of the names, names_C_D.

        Seen from their own mean, which is what all labels of a project have in common; a single name from the texts'.
        """
        total_C_D = np.zeros(self.names_R_C_D.shape[1:], dtype=np.float32)
        for names_C_D, is_said_C in zip(self.names_R_C_D, self.is_said_R_C, strict=True):
            said_M_D = unit_rows(names_C_D[is_said_C])
            centre_D = said_M_D.mean(axis=0) if len(said_M_D) > 1 else space.centre_D
            total_C_D[is_said_C] += directions(said_M_D, centre_D)
        return unit_rows(total_C_D)

    def _bias(self, evidence: Evidence, prototypes_C_D: FloatArray) -> FloatArray:
        """bias_C: a class without a prototype is as good as ruled out; with several labels a text, rightly frequent."""
        is_known_C = prototypes_C_D.any(axis=1)
        if not is_known_C.any():
            return np.zeros(len(prototypes_C_D))
        return np.where(is_known_C, self._common_bias(evidence, prototypes_C_D[is_known_C]), -SHARPNESS)

    def _common_bias(self, evidence: Evidence, prototypes_K_D: FloatArray) -> float:
        """With one choice 0; else the bias by which texts get as many labels on average as people gave, or one."""
        if not self.is_multilabel:
            return 0.0
        # A text with one label stands for what nobody has said yet.
        labels = (1.0 + evidence.targets_L_C.sum()) / (1.0 + len(evidence.targets_L_C))
        rows_N_D = next(rows for rows in (evidence.pool_M_D, evidence.labelled_L_D, evidence.names_C_D) if len(rows))
        logits_N_K = SHARPNESS * rows_N_D @ prototypes_K_D.T
        low, high = -2 * SHARPNESS, 2 * SHARPNESS
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            expected = float((1 / (1 + np.exp(-(logits_N_K + middle)))).sum(axis=1).mean())
            low, high = (low, middle) if expected > labels else (middle, high)
        return low


def know(
    label_texts: LabelTexts, classes: int, pool_M_D: FloatArray, embed: Embed, *, is_multilabel: bool
) -> Knowledge:
    """Let an encoder read the label names.

    Args:
        label_texts: what each of C labels means; empty: nobody says.
        classes: C.
        pool_M_D: its embeddings of unlabelled texts; may be 0 x D.
        embed: its embeddings of texts.
        is_multilabel: whether a text may have several labels.
    """
    readings = list(zip_longest(*(label_texts or ((),) * classes), fillvalue=""))
    # zip_longest turns labels' texts into readings' texts: (R, C).
    is_said_R_C = np.array([[bool(text) for text in reading] for reading in readings], dtype=bool)
    names_R_C_D = np.zeros((len(readings), classes, pool_M_D.shape[1]), dtype=np.float32)
    if readings:
        names_R_C_D[is_said_R_C] = embed([text for reading in readings for text in reading if text])
    return Knowledge(names_R_C_D, is_said_R_C.reshape(len(readings), classes), pool_M_D, is_multilabel)


def know_nothing(classes: int, dimensions: int, *, is_multilabel: bool) -> Knowledge:
    """The knowledge of those who know neither what labels mean nor unlabelled texts."""
    nobody_R_C_D = np.zeros((0, classes, dimensions), dtype=np.float32)
    return Knowledge(nobody_R_C_D, nobody_R_C_D[:, :, 0].astype(bool), nobody_R_C_D[0:0, 0], is_multilabel)
