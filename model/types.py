"""The records that the learning works on, and the glossary of array axes.

Arrays end in their axes: N examples, K members of a committee, C classes, D embedding dimensions, L labelled examples,
B a batch to be labelled, M a part of another axis.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

LabelTexts = tuple[tuple[str, ...], ...]
"""For each label, in the order of axis C, texts with its meaning; an empty tuple for a label without words."""
MOST_STARS = 100
"""Most stars of a rating: people cannot tell more apart."""
FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class LabelSet:
    """The classes of a project, in the order of axis C.

    Attributes:
        labels: class names as annotations carry them.
        is_multilabel: whether a text may have several labels; `model.links.link_of` has all that follows from it.
    """

    labels: tuple[str, ...]
    is_multilabel: bool = False

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> "LabelSet":
        """The label set of a JSON object that `dataclasses.asdict` wrote."""
        return cls(**{**raw, "labels": tuple(raw["labels"])})


@dataclass(frozen=True)
class ResultItem:
    """One person's answer to one text with one control: a result item of Label Studio.

    Attributes:
        control: name of the control in the labeling config.
        kind: Label Studio's type of the item, such as "choices".
        value: the answer, in the form that its kind has.
    """

    control: str
    kind: str
    value: Mapping[str, Any]


@dataclass(frozen=True)
class Annotation:
    """One person's annotation of one text.

    Attributes:
        annotator: identifies the person.
        result: the answers to all questions of the project; may be empty.
        is_ground_truth: whether the annotation is marked as ground truth.
        is_skipped: whether the person skipped the text.
        updated_at: ISO time of the last change; later times compare greater.
        is_applied: whether this backend gave the annotation, and nobody changed it; it is no person's answer.
    """

    annotator: str
    result: tuple[ResultItem, ...] = ()
    is_ground_truth: bool = False
    is_skipped: bool = False
    updated_at: str = ""
    is_applied: bool = False


@dataclass(frozen=True)
class AnnotatedText:
    """A text and all its annotations."""

    task_id: int
    text: str
    annotations: tuple[Annotation, ...]


@dataclass(frozen=True)
class PoolText:
    """A text that may still be labelled.

    Attributes:
        is_skipped: whether somebody looked at the text and skipped it.
    """

    task_id: int
    text: str
    is_skipped: bool = False


@dataclass(frozen=True)
class Targets:
    """Labelled texts; each label has the share of annotators who chose it, in [0, 1].

    Attributes:
        task_ids: N task ids.
        texts: N texts.
        targets_N_C: shares; with one choice rows sum to 1, with several labels each cell is in [0, 1].
        label_set: the classes of axis C.
    """

    task_ids: tuple[int, ...]
    texts: tuple[str, ...]
    targets_N_C: FloatArray
    label_set: LabelSet

    def __len__(self) -> int:
        return len(self.task_ids)

    def and_also(self, others: "Targets") -> "Targets":
        """These texts, followed by other texts of the same label set."""
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
class LeftOut:
    """An answer from which nothing can be learned.

    Attributes:
        task_id: the task that the answer belongs to.
        reason: completes "left out, because …".
    """

    task_id: int
    reason: str


@dataclass(frozen=True)
class ReadTargets:
    """Annotations turned into targets.

    Attributes:
        targets: the labelled texts.
        left_out: answers that the targets do not hold; a task whose other answers count may be among them.
    """

    targets: Targets
    left_out: tuple[LeftOut, ...] = ()


@dataclass(frozen=True)
class Background:
    """A project's label names and pool, known before anybody labels.

    Attributes:
        label_texts: texts with each label's meaning; empty where labels have none.
        pool: unlabelled texts; a sample of a very large pool.
    """

    label_texts: LabelTexts = ()
    pool: tuple[str, ...] = ()


@dataclass(frozen=True)
class TrainingData:
    """The data from which a classifier learns.

    Attributes:
        targets: texts that people labelled; at least two.
        weak: texts of the same label set that an LLM labelled; None: no such texts. Nothing is measured on them.
        weak_weight: weight of each weak text beside a weight of 1 for each text of `targets`.
        background: label names and unlabelled texts.
    """

    targets: Targets
    weak: Targets | None = None
    weak_weight: float = 0.0
    background: Background = Background()


@dataclass(frozen=True)
class LabelledEmbeddings:
    """L labelled texts as an encoder sees them.

    Attributes:
        embeddings_L_D: the head's input.
        targets_L_C: shares in [0, 1].
        weights_L: weight of each text in losses and means; None: 1 for all.
    """

    embeddings_L_D: FloatArray
    targets_L_C: FloatArray
    weights_L: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.targets_L_C)


@dataclass(frozen=True)
class Scored:
    """A classifier's output for N texts.

    Attributes:
        proba_N_C: class probabilities; with one choice rows sum to 1.
        embeddings_N_D: the encoder's pooled output, which is the head's input.
    """

    proba_N_C: FloatArray
    embeddings_N_D: FloatArray


class Recipe(StrEnum):
    """The names of the recipes for training a classifier; `model/learner/recipes.py` has the recipes."""

    AUTO = "auto"
    """One of the other recipes, by the labels at hand (`choose_recipe`)."""
    HEAD = "head"
    """A linear head on the frozen encoder."""
    LP_FT = "lp-ft"
    """The linear head first, then the encoder with it (Kumar et al., ICLR 2022)."""
    FULL = "full"
    """Head and encoder at once, the head from random weights, all layers (Devlin et al., 2019)."""
    CONTRASTIVE = "contrastive"
    """The encoder on pairs of texts, then the linear head (SetFit; Tunstall et al., 2022)."""
