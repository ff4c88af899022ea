"""The records that the learning works on, and the glossary of array axes.

Arrays end in their axes: N examples, C classes, D embedding dimensions, L labelled examples, B a batch to be labelled.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

LabelTexts = tuple[tuple[str, ...], ...]
"""For each label, in the order of axis C, the texts that say what it means; none for a label that says nothing."""
FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class LabelSet:
    """The classes of a project, in the order of axis C.

    Attributes:
        labels: class names as annotations carry them.
        is_multilabel: whether a text may have several labels (sigmoid) or exactly one (softmax).
    """

    labels: tuple[str, ...]
    is_multilabel: bool


@dataclass(frozen=True)
class Annotation:
    """What one person said of one text."""

    annotator: str
    labels: tuple[str, ...]
    is_ground_truth: bool = False
    is_skipped: bool = False
    updated_at: str = ""


@dataclass(frozen=True)
class AnnotatedText:
    """A text and what everybody said of it."""

    task_id: int
    text: str
    annotations: tuple[Annotation, ...]


@dataclass(frozen=True)
class PoolText:
    """A text that may still be labelled.

    Attributes:
        is_skipped: somebody looked at it and skipped it.
    """

    task_id: int
    text: str
    is_skipped: bool = False


@dataclass(frozen=True)
class Targets:
    """Training targets: shares of annotators in [0, 1].

    Attributes:
        task_ids: N task ids.
        texts: N texts.
        targets_N_C: shares; rows sum to 1 with one choice, each cell in [0, 1] with several.
    """

    task_ids: tuple[int, ...]
    texts: tuple[str, ...]
    targets_N_C: FloatArray
    label_set: LabelSet

    def __len__(self) -> int:
        return len(self.task_ids)

    def and_also(self, others: "Targets") -> "Targets":
        """These texts, then those of the same label set."""
        return Targets(
            self.task_ids + others.task_ids,
            self.texts + others.texts,
            np.concatenate([self.targets_N_C, others.targets_N_C]),
            self.label_set,
        )

    def some(self, rows_M: IntArray) -> "Targets":
        """M of the texts, in the order of `rows_M`."""
        return Targets(
            tuple(self.task_ids[row] for row in rows_M),
            tuple(self.texts[row] for row in rows_M),
            self.targets_N_C[rows_M],
            self.label_set,
        )


@dataclass(frozen=True)
class Background:
    """What everybody can see of a project before anybody labels.

    Attributes:
        label_texts: what the labels mean; empty: nobody says.
        pool: unlabelled texts, some of them where there are very many.
    """

    label_texts: LabelTexts = ()
    pool: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scored:
    """What a model says of N texts.

    Attributes:
        proba_N_C: class probabilities; rows sum to 1 with one choice.
        embeddings_N_D: the encoder's pooled output, the head's input.
    """

    proba_N_C: FloatArray
    embeddings_N_D: FloatArray
