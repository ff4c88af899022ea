"""The texts that an LLM may be asked about."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from model.llm.asking.question import Question
from model.types import FloatArray, IntArray, Targets


@dataclass(frozen=True)
class Candidates:
    """N unlabelled texts, the question about them, and the labelled texts.

    Attributes:
        question: the question that annotators answer.
        texts: the N texts.
        embeddings_N_D: embeddings of the N texts, by any encoder.
        labelled: L texts with labels, from which examples and counts come.
        labelled_L_D: embeddings of the L texts.
    """

    question: Question
    texts: Sequence[str]
    embeddings_N_D: FloatArray
    labelled: Targets
    labelled_L_D: FloatArray

    def __len__(self) -> int:
        return len(self.texts)

    def some(self, rows_M: IntArray) -> "Candidates":
        """The M texts of `rows_M`, in that order."""
        texts = [self.texts[row] for row in rows_M.tolist()]
        return replace(self, texts=texts, embeddings_N_D=self.embeddings_N_D[rows_M])
