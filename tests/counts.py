"""A made-up kind of question: what number does a text get, 1 to 3? Every threshold is a unit with yes and no."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backend.studio.config.kinds import Kind
from backend.studio.config.labeling_config import ParsedConfig
from model.errors import UnusableAnswerError
from model.links import MEAN, Answers, Link
from model.links.any_of import AnyOf
from model.tasks.task import Task, TextField
from model.tasks.votes import read_votes
from model.types import AnnotatedText, Annotation, FloatArray, LabelSet, ReadTargets, ResultItem, Targets


class MeanOfThresholds(AnyOf):
    """A text is as doubtful as its thresholds are on average."""

    def answers(self, proba_N_C: FloatArray) -> Answers:
        return replace(super().answers(proba_N_C), reduction=MEAN)


@dataclass(frozen=True)
class Count(Task):
    """A Number tag over a text; class c: the number is at least c + 2."""

    control: str
    to_name: str
    fields: tuple[TextField, ...]
    label_set: LabelSet

    @property
    def link(self) -> Link:
        return MeanOfThresholds()

    def targets(self, annotated: Iterable[AnnotatedText]) -> ReadTargets:
        votes = read_votes(annotated, self._number)
        thresholds_C = np.arange(len(self.label_set.labels)) + 2
        shares = [np.mean([number >= thresholds_C for number in given], axis=0) for _, given in votes.cast]
        targets_N_C = np.array(shares, dtype=np.float32).reshape(-1, len(thresholds_C))
        texts = tuple(text.text for text, _ in votes.cast)
        task_ids = tuple(text.task_id for text, _ in votes.cast)
        return ReadTargets(Targets(task_ids, texts, targets_N_C, self.label_set), votes.left_out)

    def _number(self, annotation: Annotation) -> int | None:
        said = [item.value.get("number") for item in annotation.result if item.control == self.control]
        if any(not isinstance(number, int) for number in said):
            raise UnusableAnswerError("the answer has no whole number")
        return said[0] if said else None

    def results(self, answers: Answers) -> Iterator[str]:
        for is_held_C in self.link.decide(self.link.rows(answers)):
            yield self._item(1 + int(is_held_C.sum()))

    def label_result(self, labels: Sequence[str]) -> str:
        return self._item(1 + len(labels))

    def _item(self, number: int) -> str:
        item = {"from_name": self.control, "to_name": self.to_name, "type": "number", "value": {"number": number}}
        return json.dumps([item])


def read_count(config: ParsedConfig, control: Any) -> Count:
    """Every Number tag over a text is a question."""
    labels = LabelSet(("2 or more", "3 or more"), True)
    return Count(control.name, config.text_name(control), config.fields_of(control), labels)


COUNT = Kind("count", "Number", read_count)


def count_config(*controls: str) -> str:
    """A labeling config that asks for a number, once for each control."""
    tags = "".join(f'<Number name="{control}" toName="text" max="3"/>' for control in controls)
    return f'<View><Text name="text" value="$text"/>{tags}</View>'


def counted(control: str, number: int) -> ResultItem:
    """What an annotator says with a Number tag."""
    return ResultItem(control, "number", {"number": number})
