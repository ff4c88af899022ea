"""The question of a Rating control over a text."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from model.errors import UnusableAnswerError
from model.learner.evaluation import Evaluation, evaluate_ordered, median_classes
from model.links import Answers
from model.tasks.label_names import Meaning
from model.tasks.shares import form_of, quoted, read_shares
from model.tasks.task import Condition, Task, TextField
from model.types import (
    AnnotatedText,
    Annotation,
    BoolArray,
    FloatArray,
    LabelSet,
    ReadTargets,
    ResultItem,
    Targets,
)


@dataclass(frozen=True)
class Rating(Task):
    """How many stars does a text get?

    A classifier learns the stars as classes. Its answer is the median of their probabilities, which is least far from
    people's on average; the likeliest class would only be right most often.

    Attributes:
        control: name of the Rating tag.
        to_name: name of the text object that the Rating tag refers to.
        fields: all text fields that annotators see; the control's fields come first.
        label_set: the stars, "1" to the most, in order.
        meaning: the Header above the control; equality ignores it.
        conditions: when the question is asked.
    """

    control: str
    to_name: str
    fields: tuple[TextField, ...]
    label_set: LabelSet
    meaning: Meaning = field(default_factory=Meaning, compare=False)
    conditions: tuple[Condition, ...] = ()
    is_ordered: ClassVar[bool] = True

    def targets(self, annotated: Iterable[AnnotatedText]) -> ReadTargets:
        """Shares of annotators; see `read_shares`."""
        return read_shares(annotated, self.label_set, self._stars)

    def results(self, answers: Answers) -> Iterator[str]:
        """The median of the stars, with its own probability."""
        proba_N_C = self.link.rows(answers)
        medians_N = median_classes(proba_N_C)
        for chosen, proba_C in zip(medians_N.tolist(), proba_N_C, strict=True):
            yield json.dumps([{**self._item(chosen + 1), "score": round(float(proba_C[chosen]), 6)}])

    def label_result(self, labels: Sequence[str]) -> str:
        """One item with the stars."""
        return json.dumps([self._item(int(label)) for label in labels[:1]])

    def gold_answers(self, targets: Targets) -> Iterator[int]:
        """The stars that most annotators gave."""
        yield from (targets.targets_N_C.argmax(axis=1) + 1).tolist()

    def measure(self, proba_N_C: FloatArray, targets_N_C: FloatArray) -> Evaluation:
        """Measure the median, which annotators see."""
        return evaluate_ordered(proba_N_C, targets_N_C)

    @property
    def asks(self) -> str:
        """The Header above the control."""
        return self.meaning.question

    @property
    def label_note(self) -> str:
        """The scale."""
        return f"A label is a number of stars: 1 is the least, {len(self.label_set.labels)} the most."

    def labels_of_guess(self, guess: str) -> tuple[str, ...]:
        """The guess itself."""
        return (guess,) if guess in self.label_set.labels else ()

    def decided(self, values_N_C: FloatArray) -> BoolArray:
        """The median of the stars."""
        decided_N_C: BoolArray = np.eye(values_N_C.shape[1], dtype=bool)[median_classes(values_N_C)]
        return decided_N_C

    def _stars(self, annotation: Annotation) -> tuple[str, ...]:
        items = [item for item in annotation.result if item.control == self.control]
        return tuple(self._stars_of(item) for item in items[:1])

    def _stars_of(self, item: ResultItem) -> str:
        if item.kind != "rating":
            raise UnusableAnswerError(f"the answer is of the type {quoted(item.kind)}, not 'rating'")
        stars = _whole(item.value.get("rating"))
        most = len(self.label_set.labels)
        if not 1 <= stars <= most:
            given = quoted(str(item.value.get("rating"))).strip("'")
            raise UnusableAnswerError(f"the answer is {given} stars, and the labeling config has 1 to {most}")
        return str(stars)

    def _item(self, stars: int) -> dict[str, Any]:
        return {"from_name": self.control, "to_name": self.to_name, "type": "rating", "value": {"rating": stars}}


def _whole(value: Any) -> int:
    """A whole number, which may be written as text."""
    try:
        number = int(value) if isinstance(value, str) else value
    except ValueError:
        number = value
    is_whole = isinstance(number, int) or (isinstance(number, float) and number.is_integer())
    if isinstance(number, bool) or not is_whole:
        raise UnusableAnswerError(f"the answer has {form_of(value)} in place of a number of stars")
    return int(number)
