"""The answers for texts that a classifier had not seen, kept beside its weights: all measures are taken from them."""

import io
from dataclasses import dataclass, replace

import numpy as np

from model.links import link_of
from model.types import BoolArray, FloatArray, IntArray, LabelSet

HELD_OUT = "held_out.npz"


@dataclass(frozen=True, eq=False)
class HeldOutAnswers:
    """Answers for M labelled texts, each by a classifier that was trained in the same way without the text.

    Attributes:
        task_ids_M: the tasks.
        targets_M_C: shares of the people who gave each class, when the classifier was trained.
        proba_M_C: calibrated class probabilities.
        label_set: the classes of axis C.
        is_ordered: the classes are degrees in order, such as stars, and the answer is their median.
    """

    task_ids_M: IntArray
    targets_M_C: FloatArray
    proba_M_C: FloatArray
    label_set: LabelSet
    is_ordered: bool = False

    def __len__(self) -> int:
        return len(self.task_ids_M)

    def some(self, of_M: BoolArray) -> "HeldOutAnswers":
        """The answers for some of the texts."""
        return replace(
            self,
            task_ids_M=self.task_ids_M[of_M],
            targets_M_C=self.targets_M_C[of_M],
            proba_M_C=self.proba_M_C[of_M],
        )

    @property
    def given_M_C(self) -> BoolArray:
        """The classes that people gave each text."""
        return link_of(self.label_set).decide(self.targets_M_C)

    @property
    def predicted_M_C(self) -> BoolArray:
        """The classes that the classifier gave each text."""
        if not self.is_ordered:
            return link_of(self.label_set).decide(self.proba_M_C)
        half_M_1 = self.proba_M_C.sum(axis=1, keepdims=True) / 2
        medians_M = np.argmax(np.cumsum(self.proba_M_C, axis=1) >= half_M_1, axis=1)
        return np.asarray(np.eye(self.proba_M_C.shape[1], dtype=bool)[medians_M])

    def to_bytes(self) -> bytes:
        """The answers as a file of NumPy's; the same answers always give the same bytes."""
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            task_ids_M=self.task_ids_M.astype(np.int64),
            targets_M_C=self.targets_M_C.astype(np.float32),
            proba_M_C=self.proba_M_C.astype(np.float32),
        )
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes, label_set: LabelSet) -> "HeldOutAnswers":
        """Read what `to_bytes` wrote.

        Raises:
            ValueError, KeyError, OSError, EOFError, BadZipFile: the content is damaged.
        """
        with np.load(io.BytesIO(content), allow_pickle=False) as saved:
            return cls(saved["task_ids_M"], saved["targets_M_C"], saved["proba_M_C"], label_set)
