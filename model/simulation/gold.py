"""Gold answers: JSON lines of a text and what people say of it, for one question or for several.

`{"text", "label"}` has one choice and `{"text", "labels"}` several. `{"text", "answers"}` has questions by name; a line
may leave questions out. This module needs no package but numpy, so that the environments of other packages can read
the same texts.
"""

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np

from model.errors import InvalidGoldError
from model.types import MOST_STARS, IntArray, LabelSet, Targets

_QUOTED_CHARACTERS = 60
_FORMS = (
    f"one choice is a string, several choices are a list of strings, stars are a whole number from 1 to {MOST_STARS}; "
    'a path of a taxonomy is one string, like "Payment / Refund"'
)
_ALIKE = "use one of them throughout"


class Form(StrEnum):
    """The form of the answers to a question."""

    CHOICE = "a string"
    CHOICES = "a list of strings"
    STARS = "a whole number"


@dataclass(frozen=True)
class GoldQuestion:
    """The gold answers to one question.

    Attributes:
        name: of the question; empty in files of `label` or `labels`.
        form: one choice, several choices, or stars.
        targets: the texts that answer the question; task ids are their rows among all texts.
    """

    name: str
    form: Form
    targets: Targets

    def some(self, rows_M: IntArray) -> "GoldQuestion":
        """The answers of M of the texts, in the order of `rows_M`; task ids are their places in `rows_M`."""
        answer_of = {row: answer for answer, row in enumerate(self.targets.task_ids)}
        found = [(place, answer_of[row]) for place, row in enumerate(rows_M.tolist()) if row in answer_of]
        targets = self.targets.some(np.array([answer for _, answer in found], dtype=np.int64))
        return replace(self, targets=replace(targets, task_ids=tuple(place for place, _ in found)))


@dataclass(frozen=True)
class Gold:
    """N texts with gold answers to the same questions; a text may leave questions out."""

    texts: tuple[str, ...]
    questions: tuple[GoldQuestion, ...]

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def names(self) -> tuple[str, ...]:
        """The questions, in order; one without a name in files of `label` or `labels`."""
        return tuple(question.name for question in self.questions)

    def some(self, rows_M: IntArray) -> "Gold":
        """M of the texts, in the order of `rows_M`."""
        texts = tuple(self.texts[row] for row in rows_M)
        return Gold(texts, tuple(question.some(rows_M) for question in self.questions))

    def only(self, places: Sequence[int]) -> "Gold":
        """Some of the questions, by their places, with the texts that answer one of them."""
        kept = Gold(self.texts, tuple(self.questions[place] for place in places))
        return kept.some(np.array(sorted({row for question in kept.questions for row in question.targets.task_ids})))


def one_question(targets: Targets) -> Gold:
    """Targets as the gold answers to a question without a name."""
    form = Form.CHOICES if targets.label_set.is_multilabel else Form.CHOICE
    return Gold(targets.texts, (GoldQuestion("", form, replace(targets, task_ids=tuple(range(len(targets))))),))


def read_gold(files: Sequence[Path]) -> tuple[Targets, ...]:
    """Read files of one question: lines with `label`, or with `labels`.

    Args:
        files: see `read_answers`.

    Returns:
        Targets of each file; task ids count from 0 in each.

    Raises:
        InvalidGoldError: a file or one of its lines cannot be read, or has `answers`; or there is one label alone.
    """
    found = read_answers(files)
    if any(found[0].names):
        raise InvalidGoldError(f"{_named(files)}: has `answers`, and this reads one question: `label` or `labels`")
    if lack := too_few([gold.questions[0] for gold in found]):
        raise InvalidGoldError(f"{_named(files)}: {lack}")
    return tuple(gold.questions[0].targets for gold in found)


def too_few(parts: Sequence[GoldQuestion]) -> str:
    """Say that a question has too few different answers to tell texts apart; empty if it has enough.

    Args:
        parts: the answers to the question in each of several files.
    """
    labels = parts[0].targets.label_set.labels
    is_given_C = np.any([part.targets.targets_N_C.any(axis=0) for part in parts], axis=0)
    given = [label for label, is_given in zip(labels, is_given_C, strict=True) if is_given]
    is_enough = len(given) >= (1 if parts[0].form is Form.CHOICES else 2)
    return "" if is_enough else f"needs at least 2 different labels, found {given}"


def read_answers(files: Sequence[Path]) -> tuple[Gold, ...]:
    """Read one or several files of texts that answer the same questions; .gz files are unpacked.

    Args:
        files: JSON lines; the classes of a question are those of all files: labels in alphabetical order, or stars from
            1 to the most.

    Returns:
        The texts of each file, with the same questions in the order in which the files name them.

    Raises:
        InvalidGoldError: a file or one of its lines cannot be read, or a question is answered in two forms; names file,
            line and question.
    """
    parts = [list(_lines(file)) for file in files]
    lines = [line for part in parts for line in part]
    forms = _forms(lines)
    label_sets = {name: _label_set(name, form, lines) for name, form in forms.items()}
    return tuple(
        Gold(
            tuple(line.text for line in part),
            tuple(GoldQuestion(name, form, _targets(part, name, label_sets[name])) for name, form in forms.items()),
        )
        for part in parts
    )


@dataclass(frozen=True)
class _Line:
    """One line of a file.

    Attributes:
        where: file and number of the line.
        answers: form and labels by name of the question; the name is empty for `label` and `labels`.
    """

    where: str
    text: str
    answers: Mapping[str, tuple[Form, tuple[str, ...]]]


def _forms(lines: Sequence[_Line]) -> dict[str, Form]:
    """The form of each question's answers, in the order in which the lines name questions."""
    first: dict[str, tuple[Form, str]] = {}
    for line in lines:
        for name, (form, _) in line.answers.items():
            if first and ("" in first) != (name == ""):
                raise InvalidGoldError(f"{line.where}: some lines have `answers`, others have not: {_ALIKE}")
            known, where = first.setdefault(name, (form, line.where))
            if known is not form:
                differs = f"the answer to {_quoted(name)} is {form.value}, and {known.value} in {where}"
                raise InvalidGoldError(
                    f"{line.where}: {differs if name else 'some lines have `label`, others `labels`'}: {_ALIKE}"
                )
    return {name: form for name, (form, _) in first.items()}


def _label_set(name: str, form: Form, lines: Sequence[_Line]) -> LabelSet:
    given = {label for line in lines if name in line.answers for label in line.answers[name][1]}
    if form is Form.STARS:
        return LabelSet(tuple(str(stars) for stars in range(1, max(map(int, given)) + 1)))
    return LabelSet(tuple(sorted(given)), form is Form.CHOICES)


def _targets(lines: Sequence[_Line], name: str, label_set: LabelSet) -> Targets:
    place = {label: position for position, label in enumerate(label_set.labels)}
    answering = [row for row, line in enumerate(lines) if name in line.answers]
    targets_N_C = np.zeros((len(answering), len(place)), dtype=np.float32)
    for answer, row in enumerate(answering):
        targets_N_C[answer, [place[label] for label in lines[row].answers[name][1]]] = 1.0
    return Targets(tuple(answering), tuple(lines[row].text for row in answering), targets_N_C, label_set)


def _lines(file: Path) -> Iterator[_Line]:
    """Yield every line that is not blank."""
    found = False
    for number, line in enumerate(_read(file), start=1):
        if line.strip():
            found = True
            yield _line(f"{file}, line {number}", line)
    if not found:
        raise InvalidGoldError(f"{file} has no lines")


def _read(file: Path) -> Iterator[str]:
    try:
        with gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else file.open(encoding="utf-8") as lines:
            yield from lines
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise InvalidGoldError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _line(where: str, line: str) -> _Line:
    try:
        raw: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InvalidGoldError(f"{where} is not JSON ({error})") from error
    text = raw.get("text") if isinstance(raw, dict) else None
    if not isinstance(text, str) or not text.strip():
        raise InvalidGoldError(f'{where}: needs a "text" with words in it')
    if "answers" not in raw:
        return _Line(where, text, {"": _labels(where, raw)})
    if "label" in raw or "labels" in raw:
        raise InvalidGoldError(f"{where}: has `answers` beside `label` or `labels`: use one of them")
    return _Line(where, text, _answers(where, raw["answers"]))


def _labels(where: str, raw: Mapping[str, Any]) -> tuple[Form, tuple[str, ...]]:
    labels = raw["labels"] if "labels" in raw else [raw.get("label")]
    if not _are_labels(labels):
        raise InvalidGoldError(
            f'{where}: needs a "label" that is a string, "labels", a list of them, or "answers", one for each question'
        )
    return (Form.CHOICES if "labels" in raw else Form.CHOICE), tuple(labels)


def _answers(where: str, given: Any) -> dict[str, tuple[Form, tuple[str, ...]]]:
    """The answers of a line; null is no answer."""
    said = {name: value for name, value in given.items() if value is not None} if isinstance(given, dict) else {}
    if not said:
        raise InvalidGoldError(f'{where}: "answers" has no question and answer, like {{"topic": "refund"}}')
    if "" in said:
        raise InvalidGoldError(f'{where}: "answers" has a question without a name')
    return {name: _answer(where, name, value) for name, value in said.items()}


def _answer(where: str, name: str, value: Any) -> tuple[Form, tuple[str, ...]]:
    if isinstance(value, str) and value:
        return Form.CHOICE, (value,)
    if _are_labels(value):
        return Form.CHOICES, tuple(value)
    if _is_whole(value) and 1 <= value <= MOST_STARS:
        return Form.STARS, (str(int(value)),)
    raise InvalidGoldError(f"{where}: {_quoted(value)} is no answer to {_quoted(name)}: {_FORMS}")


def _are_labels(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(label, str) and label for label in value)


def _is_whole(value: Any) -> bool:
    """Whether JSON has a whole number, which some programs write as 3.0."""
    return not isinstance(value, bool) and (isinstance(value, int) or (isinstance(value, float) and value.is_integer()))


def _quoted(value: Any) -> str:
    """A value of the file for a sentence, cut where it is long."""
    shown = json.dumps(value, ensure_ascii=False)
    return shown if len(shown) <= _QUOTED_CHARACTERS else f"{shown[:_QUOTED_CHARACTERS]}…"


def _named(files: Sequence[Path]) -> str:
    return ", ".join(map(str, files))
