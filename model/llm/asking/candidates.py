"""What an LLM may be asked about."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from model.llm.asking.question import Question
from model.types import FloatArray, IntArray, Targets


@dataclass(frozen=True)
class Candidates:
    """N unlabelled texts, the question that people will be asked about them, and what has labels already.

    Attributes:
        question: what people are asked.
        texts: N of them.
        embeddings_N_D: theirs, by any encoder.
        labelled: L texts with labels: examples, and counts.
        labelled_L_D: embeddings of those.
    """

    question: Question
    texts: Sequence[str]
    embeddings_N_D: FloatArray
    labelled: Targets
    labelled_L_D: FloatArray

    def __len__(self) -> int:
        return len(self.texts)

    def some(self, rows_M: IntArray) -> "Candidates":
        """M of the texts, in the order of `rows_M`."""
        texts = [self.texts[row] for row in rows_M.tolist()]
        return replace(self, texts=texts, embeddings_N_D=self.embeddings_N_D[rows_M])
