"""The question of a TextArea control over a text, whose answers no classifier gives."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import ClassVar

import numpy as np

from model.errors import UnusableAnswerError
from model.links import Answers
from model.tasks.shares import form_of, quoted
from model.tasks.task import Condition, Task, TextField
from model.tasks.votes import read_votes
from model.types import AnnotatedText, Annotation, LabelSet, ReadTargets, ResultItem, Targets


@dataclass(frozen=True)
class FreeText(Task):
    """What do people write about a text?

    A text that somebody wrote about counts as done, so that the order covers what is left.

    Attributes:
        control: name of the TextArea tag.
        to_name: name of the text object that the tag refers to.
        fields: all text fields that annotators see; the control's fields come first.
        label_set: no classes.
        conditions: when the question is asked.
    """

    control: str
    to_name: str
    fields: tuple[TextField, ...]
    label_set: LabelSet = field(default_factory=lambda: LabelSet(()))
    conditions: tuple[Condition, ...] = ()
    is_learned: ClassVar[bool] = False

    def targets(self, annotated: Iterable[AnnotatedText]) -> ReadTargets:
        """The texts that somebody wrote about: targets_N_C with C = 0."""
        votes = read_votes(annotated, self._written)
        task_ids = tuple(text.task_id for text, _ in votes.cast)
        texts = tuple(text.text for text, _ in votes.cast)
        none_N_0 = np.zeros((len(texts), 0), dtype=np.float32)
        return ReadTargets(Targets(task_ids, texts, none_N_0, self.label_set), votes.left_out)

    def results(self, answers: Answers) -> Iterator[str]:
        """No answer."""
        return repeat("[]", answers.size)

    def label_result(self, labels: Sequence[str]) -> str:
        """No answer."""
        return "[]"

    def _written(self, annotation: Annotation) -> bool | None:
        """True if the annotation has words of the control; None if it has not."""
        items = [item for item in annotation.result if item.control == self.control]
        # All items are looked at, so that an odd one is told.
        written = [_has_words(item) for item in items]
        return True if any(written) else None


def _has_words(item: ResultItem) -> bool:
    if item.kind != "textarea":
        raise UnusableAnswerError(f"the answer is of the type {quoted(item.kind)}, not 'textarea'")
    given = item.value.get("text")
    lines = [given] if isinstance(given, str) else given
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise UnusableAnswerError(f"the answer has {form_of(given)} in place of lines of text")
    return any(line.strip() for line in lines)
