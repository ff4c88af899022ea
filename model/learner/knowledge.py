"""Knowledge of the classes without training BERT: label names, labelled texts and pool as one encoder sees them.

`Knowledge` places names and pool once; `teach` adds labelled texts and gives a `Teacher`, which has probabilities and
the anchor that a head is fitted around.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
from torch import nn

from model.learner.linear_head import Anchor, fit_head, zero_anchor
from model.learner.prototypes import SHARPNESS, Evidence, Trust, choose_trust, directions, proba, prototypes, unit_rows
from model.links import ONE_OF, Link, link_of
from model.types import BoolArray, FloatArray, LabelledEmbeddings, LabelSet, LabelTexts

Embed = Callable[[Sequence[str]], FloatArray]
"""texts → embeddings_N_D."""

# Weight of the distance to the prototypes in a head's fit. From 0.1 to 1 accuracy hardly moved on nine data sets.
ANCHOR_L2 = 0.3
# The spread of copies of one text: distances are left as they are.
NO_SPREAD = 1.0
# The penalty where one class alone is known: its probability then grows slowly with the number of its texts.
ONE_CLASS_L2 = 1.0
# Upper limit on pool texts that teach: further texts took time and taught nothing more.
MOST_POOL = 2_000


@dataclass(frozen=True)
class Space:
    """Turns one encoder's embeddings into directions.

    Attributes:
        centre_D: mean of the unit embeddings; the part that all texts share tells no classes apart.
        length: root mean square length of embeddings.
        spread: root mean square distance of unit embeddings from the centre.
    """

    centre_D: FloatArray
    length: float
    spread: float

    def directions(self, rows_N_D: FloatArray) -> FloatArray:
        """Unit directions of N embeddings as seen from the centre, directions_N_D."""
        return directions(rows_N_D, self.centre_D)


def space_of(rows_N_D: FloatArray, weights_N: FloatArray | None = None) -> Space:
    """Centre, length and spread of N >= 1 embeddings; `weights_N` weighs texts in the centre."""
    unit_N_D = unit_rows(rows_N_D)
    centre_D = np.average(unit_N_D, axis=0, weights=weights_N).astype(np.float32)
    length = float(np.sqrt(np.square(rows_N_D).sum(axis=1).mean())) or 1.0
    spread = float(np.sqrt(np.square(unit_N_D - centre_D).sum(axis=1).mean()))
    return Space(centre_D, length, spread if spread > 1e-3 else NO_SPREAD)


@dataclass(frozen=True)
class Teacher:
    """Class prototypes from names, labelled texts and pool together.

    Attributes:
        trust: how far names and pool counted.
        space: the space of the prototypes.
        prototypes_C_D: a unit direction for each class; 0 for a class without a name or text.
        bias_C: the bias of each class in a head around the prototypes.
        link: the meaning of the head's numbers.
    """

    trust: Trust
    space: Space
    prototypes_C_D: FloatArray
    bias_C: FloatArray
    link: Link

    def proba(self, embeddings_N_D: FloatArray) -> FloatArray:
        """Class probabilities proba_N_C, as if each text had exactly one label."""
        return proba(self.space.directions(embeddings_N_D), self.prototypes_C_D)

    def fit(self, head: nn.Linear, labelled: LabelledEmbeddings) -> None:
        """Fit a head in place to L >= 0 labelled texts, around the prototypes."""
        if not self.link.has_rivals(int(np.count_nonzero(self.prototypes_C_D.any(axis=1)))):
            # Nothing is known of any second class: the head becomes surer only slowly, as texts come.
            fit_head(head, labelled, zero_anchor(labelled.embeddings_L_D, len(head.weight), ONE_CLASS_L2), self.link)
            return
        weight_C_D = SHARPNESS * self.prototypes_C_D
        space = self.space
        anchor = Anchor(weight_C_D, self.bias_C, space.centre_D, space.length, space.spread, ANCHOR_L2)
        fit_head(head, labelled, anchor, self.link)


@dataclass(frozen=True)
class Knowledge:
    """Label names and pool as one encoder sees them.

    Attributes:
        names_R_C_D: embeddings of R readings of each label's name.
        has_reading_R_C: whether a label has that reading.
        pool_M_D: embeddings of unlabelled texts.
        link: the meaning of a head's numbers.
    """

    names_R_C_D: FloatArray
    has_reading_R_C: BoolArray
    pool_M_D: FloatArray
    link: Link

    @property
    def tells_apart(self) -> bool:
        """Whether names alone give prototypes of enough classes to tell texts apart.

        Names give no prototypes where they are all alike, or where the encoder knows none of their words.
        """
        if not self.has_reading_R_C.any():
            return False
        no_targets_0_C = np.zeros((0, self.has_reading_R_C.shape[1]), dtype=np.float32)
        no_labels = LabelledEmbeddings(self.pool_M_D[:0], no_targets_0_C)
        prototypes_C_D = self.teach(no_labels, trust=Trust(names=True, pool=0.0)).prototypes_C_D
        return int(np.count_nonzero(prototypes_C_D.any(axis=1))) >= self.link.least_classes

    def teach(self, labelled: LabelledEmbeddings, *, trust: Trust | None = None, space: Space | None = None) -> Teacher:
        """Make prototypes of names, L >= 0 labelled texts and the pool.

        Args:
            labelled: texts whose labels count, by their weights.
            trust: how far names and pool count; None: chosen on these labels.
            space: None: around the pool, or else around the labelled texts, or else around the names.
        """
        space = space or self._space(labelled.embeddings_L_D)
        weights_L_1 = np.ones((len(labelled), 1)) if labelled.weights_L is None else labelled.weights_L[:, None]
        evidence = Evidence(
            self._name_directions(space),
            space.directions(labelled.embeddings_L_D),
            (labelled.targets_L_C * weights_L_1).astype(np.float32),
            space.directions(self.pool_M_D),
        )
        trust = trust or choose_trust(evidence)
        prototypes_C_D = prototypes(evidence, trust)
        return Teacher(trust, space, prototypes_C_D, self._bias(evidence, prototypes_C_D), self.link)

    def _space(self, labelled_L_D: FloatArray) -> Space:
        """The space of the pool, the labelled texts or the names: the first of these that has different texts."""
        names_M_D = self.names_R_C_D[self.has_reading_R_C]
        spaces = (space_of(rows_N_D) for rows_N_D in (self.pool_M_D, labelled_L_D, names_M_D) if len(rows_N_D))
        # Copies of one text would put the centre on that text, from which it has no direction.
        nowhere = Space(np.zeros(self.pool_M_D.shape[1], dtype=np.float32), 1.0, 1.0)
        return next((space for space in spaces if space.spread != NO_SPREAD), nowhere)

    def _name_directions(self, space: Space) -> FloatArray:
        """Directions of the names, names_C_D.

        Several names are seen from their own mean, which is the part that all labels of a project share; a single name
        is seen from the centre of the texts.
        """
        total_C_D = np.zeros(self.names_R_C_D.shape[1:], dtype=np.float32)
        for names_C_D, has_reading_C in zip(self.names_R_C_D, self.has_reading_R_C, strict=True):
            names_M_D = unit_rows(names_C_D[has_reading_C])
            centre_D = names_M_D.mean(axis=0) if len(names_M_D) > 1 else space.centre_D
            total_C_D[has_reading_C] += directions(names_M_D, centre_D)
        return unit_rows(total_C_D)

    def _bias(self, evidence: Evidence, prototypes_C_D: FloatArray) -> FloatArray:
        """Biases of a head around the prototypes, bias_C; a class without a prototype is as good as ruled out."""
        has_prototype_C = prototypes_C_D.any(axis=1)
        if not has_prototype_C.any():
            return np.zeros(len(prototypes_C_D))
        return np.where(has_prototype_C, self._common_bias(evidence, prototypes_C_D[has_prototype_C]), -SHARPNESS)

    def _common_bias(self, evidence: Evidence, prototypes_K_D: FloatArray) -> float:
        """The bias of all K classes that have a prototype: a text is expected to get as many labels as people gave."""
        # One text with one label is counted beside people's, so that the mean is 1 before anybody labels.
        labels = (1.0 + evidence.targets_L_C.sum()) / (1.0 + len(evidence.targets_L_C))
        rows_N_D = next(rows for rows in (evidence.pool_M_D, evidence.labelled_L_D, evidence.names_C_D) if len(rows))
        return self.link.common_bias(lambda: SHARPNESS * rows_N_D @ prototypes_K_D.T, float(labels), 2 * SHARPNESS)


def know(label_texts: LabelTexts, label_set: LabelSet, pool_M_D: FloatArray, embed: Embed) -> Knowledge:
    """Embed the label names, and put them beside the pool.

    Args:
        label_texts: texts with the meaning of each of C labels; empty where labels have none.
        label_set: the C classes.
        pool_M_D: the encoder's embeddings of unlabelled texts; may be 0 x D.
        embed: the encoder; called at most once.
    """
    classes = len(label_set.labels)
    # From the texts of each label to the labels of each reading: (C, R) becomes (R, C).
    readings = list(zip_longest(*(label_texts or ((),) * classes), fillvalue=""))
    has_reading_R_C = np.array([[bool(text) for text in reading] for reading in readings], dtype=bool)
    names_R_C_D = np.zeros((len(readings), classes, pool_M_D.shape[1]), dtype=np.float32)
    if readings:
        names_R_C_D[has_reading_R_C] = embed([text for reading in readings for text in reading if text])
    return Knowledge(names_R_C_D, has_reading_R_C.reshape(len(readings), classes), pool_M_D, link_of(label_set))


def know_nothing(classes: int, dimensions: int, link: Link = ONE_OF) -> Knowledge:
    """Knowledge without label names and without a pool."""
    names_0_C_D = np.zeros((0, classes, dimensions), dtype=np.float32)
    return Knowledge(names_0_C_D, names_0_C_D[:, :, 0].astype(bool), names_0_C_D[0:0, 0], link)
