"""A made-up kind of question: how many stars does a text get? Every threshold of stars is a unit with yes and no."""

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
class Rating(Task):
    """A Rating tag over a text; class c: the text has at least c + 2 stars."""

    control: str
    to_name: str
    fields: tuple[TextField, ...]
    label_set: LabelSet

    @property
    def link(self) -> Link:
        return MeanOfThresholds()

    def targets(self, annotated: Iterable[AnnotatedText]) -> ReadTargets:
        votes = read_votes(annotated, self._stars)
        thresholds_C = np.arange(len(self.label_set.labels)) + 2
        shares = [np.mean([stars >= thresholds_C for stars in given], axis=0) for _, given in votes.cast]
        targets_N_C = np.array(shares, dtype=np.float32).reshape(-1, len(thresholds_C))
        texts = tuple(text.text for text, _ in votes.cast)
        task_ids = tuple(text.task_id for text, _ in votes.cast)
        return ReadTargets(Targets(task_ids, texts, targets_N_C, self.label_set), votes.left_out)

    def _stars(self, annotation: Annotation) -> int | None:
        said = [item.value.get("rating") for item in annotation.result if item.control == self.control]
        if any(not isinstance(stars, int) for stars in said):
            raise UnusableAnswerError("the answer has no number of stars")
        return said[0] if said else None

    def results(self, answers: Answers) -> Iterator[str]:
        for is_held_C in self.link.decide(self.link.rows(answers)):
            yield self._item(1 + int(is_held_C.sum()))

    def label_result(self, labels: Sequence[str]) -> str:
        return self._item(1 + len(labels))

    def gold_lines(self, targets: Targets) -> Iterator[str]:
        return iter(())

    def _item(self, stars: int) -> str:
        item = {"from_name": self.control, "to_name": self.to_name, "type": "rating", "value": {"rating": stars}}
        return json.dumps([item])


def read_rating(config: ParsedConfig, control: Any) -> Rating:
    """Every Rating tag over a text is a question."""
    labels = LabelSet(("2 stars", "3 stars"), True)
    return Rating(control.name, config.text_name(control), config.fields_of(control), labels)


RATING = Kind("rating", "Rating", read_rating)


def rating_config(*controls: str) -> str:
    """A labeling config that asks for stars, once for each control."""
    tags = "".join(f'<Rating name="{control}" toName="text" maxRating="3"/>' for control in controls)
    return f'<View><Text name="text" value="$text"/>{tags}</View>'


def stars(control: str, number: int) -> ResultItem:
    """What an annotator says with a Rating tag."""
    return ResultItem(control, "rating", {"rating": number})
