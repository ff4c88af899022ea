"""The question of a Taxonomy control over a text, or of Choices with choices inside choices."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from model.errors import UnusableAnswerError
from model.links import Answers
from model.tasks.label_names import Meaning
from model.tasks.shares import form_of, given_values, quoted, read_shares
from model.tasks.task import Condition, Task, TextField
from model.types import AnnotatedText, Annotation, LabelSet, LabelTexts, ReadTargets, ResultItem

Path = tuple[str, ...]
# Between the names of a path, as Label Studio shows it.
SEPARATOR = " / "
# Texts may have several paths once SEVERAL_TEXTS texts and SEVERAL_SHARE of all got several: one slip is no rule.
SEVERAL_TEXTS, SEVERAL_SHARE = 2, 0.05


@dataclass(frozen=True)
class Taxonomy(Task):
    """Which paths does a text have?

    Every path that can be chosen is a class. Label Studio lets annotators choose several paths unless the config
    forbids it; most projects give each text one. So whether a text may have several is read from the answers.

    Attributes:
        control: name of the tag.
        to_name: name of the text object that the tag refers to.
        fields: all text fields that annotators see; the control's fields come first.
        label_set: a label for each path, its names joined by SEPARATOR.
        paths: the path of each label.
        kind: Label Studio's type of the answers, `taxonomy` or `choices`.
        may_have_several: whether the config lets annotators choose several paths.
        meaning: the meaning of the labels; equality ignores it.
        conditions: when the question is asked.
    """

    control: str
    to_name: str
    fields: tuple[TextField, ...]
    label_set: LabelSet
    paths: tuple[Path, ...]
    kind: str
    may_have_several: bool
    meaning: Meaning = field(default_factory=Meaning, compare=False)
    conditions: tuple[Condition, ...] = ()

    def as_answered(self, annotated: Iterable[AnnotatedText]) -> "Taxonomy":
        """With several paths a text if enough answers have several; see SEVERAL_TEXTS."""
        if not self.may_have_several:
            return self
        chosen = [
            max((len(_values(item, self.kind)) for item in self._items(annotation)), default=0)
            for text in annotated
            for annotation in text.annotations
            if not annotation.is_skipped and not annotation.is_applied
        ]
        several, given = sum(paths > 1 for paths in chosen), sum(paths > 0 for paths in chosen)
        has_several = several >= SEVERAL_TEXTS and several >= SEVERAL_SHARE * given
        return replace(self, label_set=LabelSet(self.label_set.labels, has_several))

    def with_labels(self, label_set: LabelSet) -> "Taxonomy | None":
        """The same paths, one or several a text."""
        is_possible = label_set.labels == self.label_set.labels and (
            self.may_have_several or not label_set.is_multilabel
        )
        return replace(self, label_set=label_set) if is_possible else None

    def targets(self, annotated: Iterable[AnnotatedText]) -> ReadTargets:
        """Shares of annotators; see `read_shares`."""
        return read_shares(annotated, self.label_set, self._chosen)

    def results(self, answers: Answers) -> Iterator[str]:
        """The likeliest path; where a text may have several, every path with a probability of at least 0.5."""
        proba_N_C = self.link.rows(answers)
        for proba_C, holds_C in zip(proba_N_C, self.link.decide(proba_N_C), strict=True):
            rows = np.flatnonzero(holds_C)
            score = round(float(proba_C[rows].min()), 6) if len(rows) else 0.0
            yield json.dumps([{**item, "score": score} for item in self._of_rows(rows.tolist())])

    def label_result(self, labels: Sequence[str]) -> str:
        """One item with the paths."""
        return json.dumps(self._of_rows([self.label_set.labels.index(label) for label in labels]))

    def label_texts(self, question: str, described: Mapping[str, str]) -> LabelTexts:
        """The words of each path: the project's, else the labeling config's, else its names."""
        return self.meaning.texts(self.label_set.labels, question, described)

    @property
    def asks(self) -> str:
        """The Header above the control."""
        return self.meaning.question

    @property
    def label_note(self) -> str:
        """How a path is written."""
        return (
            f"A label is a path through a tree, from the general to the particular, with {SEPARATOR!r} between names."
        )

    def labels_of_guess(self, guess: str) -> tuple[str, ...]:
        """The guess itself, where a text has exactly one path."""
        return (guess,) if guess in self.label_set.labels and not self.label_set.is_multilabel else ()

    def _items(self, annotation: Annotation) -> list[ResultItem]:
        return [item for item in annotation.result if item.control == self.control]

    def _chosen(self, annotation: Annotation) -> tuple[str, ...] | None:
        """The labels that an annotation gives, each once. Where the question was not asked, no label says nothing."""
        chosen = dict.fromkeys(path for item in self._items(annotation) for path in self._paths_of(item))
        # Label Studio's nested choices name a parent, too, once all choices inside the parent are chosen.
        within = {path[:depth] for path in chosen for depth in range(1, len(path))} if self.kind == "choices" else set()
        labels = tuple(SEPARATOR.join(path) for path in chosen if path not in within)
        return labels if labels or self.is_asked(given_values(annotation.result)) else None

    def _paths_of(self, item: ResultItem) -> list[Path]:
        if item.kind != self.kind:
            raise UnusableAnswerError(f"the answer is of the type {quoted(item.kind)}, not {self.kind!r}")
        given = item.value.get(self.kind)
        if not isinstance(given, list | str):
            raise UnusableAnswerError(f"the answer has {form_of(given)} in place of a list of paths")
        return [_path(value) for value in _values(item, self.kind)]

    def _of_rows(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        if not rows:
            return []
        value = {self.kind: [list(self.paths[row]) for row in rows]}
        return [{"from_name": self.control, "to_name": self.to_name, "type": self.kind, "value": value}]


def _values(item: ResultItem, kind: str) -> list[Any]:
    """The paths of an answer. A list of names alone is one path for a taxonomy, and for choices a path each."""
    given = item.value.get(kind)
    if isinstance(given, str):
        return [given]
    if not isinstance(given, list):
        return []
    is_one_path = kind == "taxonomy" and all(isinstance(name, str) for name in given)
    return [given] if is_one_path and given else given


def _path(value: Any) -> Path:
    """A path; a name alone is a path of one."""
    names = [value] if isinstance(value, str | int | float) and not isinstance(value, bool) else value
    if not isinstance(names, list) or not names:
        raise UnusableAnswerError(f"the answer has {form_of(value)} in place of a path")
    for name in names:
        if isinstance(name, bool) or not isinstance(name, str | int | float):
            raise UnusableAnswerError(f"the answer has {form_of(name)} in place of a name in a path")
    return tuple(map(str, names))
