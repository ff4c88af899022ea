"""The question of a TextArea control over a text, whose answers no classifier gives."""

import json
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
        header: the Header above the control; may be empty. Equality ignores it.
        placeholder: what stands in the empty field; may be empty. Equality ignores it.
    """

    control: str
    to_name: str
    fields: tuple[TextField, ...]
    label_set: LabelSet = field(default_factory=lambda: LabelSet(()))
    conditions: tuple[Condition, ...] = ()
    header: str = field(default="", compare=False)
    placeholder: str = field(default="", compare=False)
    is_learned: ClassVar[bool] = False

    def targets(self, annotated: Iterable[AnnotatedText]) -> ReadTargets:
        """The texts that somebody wrote about: targets_N_C with C = 0."""
        votes = read_votes(annotated, self._words)
        task_ids = tuple(text.task_id for text, _ in votes.cast)
        texts = tuple(text.text for text, _ in votes.cast)
        none_N_0 = np.zeros((len(texts), 0), dtype=np.float32)
        return ReadTargets(Targets(task_ids, texts, none_N_0, self.label_set), votes.left_out)

    def written(self, annotated: Iterable[AnnotatedText]) -> dict[int, tuple[str, ...]]:
        """Each person's words about a text, their lines joined, by task id."""
        return {text.task_id: words for text, words in read_votes(annotated, self._words).cast}

    @property
    def asks(self) -> str:
        """The Header above the field, and what stands in it while it is empty."""
        if self.header and self.placeholder:
            return f"{self.header} ({self.placeholder})"
        return self.header or self.placeholder

    def results(self, answers: Answers) -> Iterator[str]:
        """No answer."""
        return repeat("[]", answers.size)

    def label_result(self, labels: Sequence[str]) -> str:
        """One item with an LLM's draft; its lines are one entry of the field."""
        value = {"text": list(labels)}
        return json.dumps(
            [{"from_name": self.control, "to_name": self.to_name, "type": "textarea", "value": value}],
            ensure_ascii=False,
        )

    def _words(self, annotation: Annotation) -> str | None:
        """The words that the annotation has of the control; None if it has none."""
        items = [item for item in annotation.result if item.control == self.control]
        words = "\n".join(line for item in items for line in _lines(item)).strip()
        return words or None


def _lines(item: ResultItem) -> list[str]:
    if item.kind != "textarea":
        raise UnusableAnswerError(f"the answer is of the type {quoted(item.kind)}, not 'textarea'")
    given = item.value.get("text")
    lines = [given] if isinstance(given, str) else given
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise UnusableAnswerError(f"the answer has {form_of(given)} in place of lines of text")
    return lines
