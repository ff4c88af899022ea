"""Common parts of all kinds of files of texts: the column with texts, and the columns with answers."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from backend.errors import TableError
from backend.web.answering import Answers
from model.export.answers import AnswerForm
from model.progress import Progress

# Number of texts that are read and classified at the same time; texts of like length share a batch.
BLOCK = 512
_NAMED_COLUMNS, _NAME_CHARACTERS = 10, 60
_KEYS = {AnswerForm.SEVERAL: ("labels", "probabilities")}
_KEYS_OF_ONE = ("label", "probability")

T = TypeVar("T")


@dataclass(frozen=True)
class Work:
    """How to classify a file of texts.

    Attributes:
        text_column: name of the column with texts.
        forms: the form of each question's answers, the first question first.
        answer: classifies texts by every question.
        on_progress: called with (done, total), in bytes or rows.
    """

    text_column: str
    forms: Mapping[str, AnswerForm]
    answer: Callable[[Sequence[str]], list[Answers]]
    on_progress: Progress

    def columns(self) -> dict[str, tuple[str, str]]:
        """Return question and key by column of answers; the columns of further questions begin with their name."""
        return {
            (f"{question}_{key}" if place else key): (question, key)
            for place, (question, form) in enumerate(self.forms.items())
            for key in _KEYS.get(form, _KEYS_OF_ONE)
        }

    def check_column(self, file: object, columns: Sequence[str]) -> None:
        """Check that exactly one column has the name of the column with texts.

        Args:
            file: for the message.
            columns: the columns that the file has.

        Raises:
            TableError: none has it, or several; the message names the columns of the file.
        """
        found = columns.count(self.text_column)
        if found != 1:
            named = ", ".join(repr(name[:_NAME_CHARACTERS]) for name in columns[:_NAMED_COLUMNS]) or "none"
            more = f" and {len(columns) - _NAMED_COLUMNS} more" if len(columns) > _NAMED_COLUMNS else ""
            raise TableError(
                f"{file} has {'no column' if not found else 'several columns'} {self.text_column!r}: "
                f"name the column with the texts with --text-column; there are {named}{more}"
            )


def kept_names(columns: Iterable[str], ours: Collection[str]) -> dict[str, str]:
    """Return the name of each column of the input in the output: `given_…` if an answer has the same name.

    Args:
        columns: of the input.
        ours: columns with answers.
    """
    names: dict[str, str] = {}
    given = list(columns)
    taken = {*ours, *given}
    for name in given:
        kept = name
        while kept in ours or (kept != name and kept in taken):
            kept = f"given_{kept}"
        names[name] = kept
        taken.add(kept)
    return names


def as_text(value: Any, where: str) -> str:
    """Return a value of the column with texts as a text; empty for a missing value.

    Args:
        value: the value.
        where: file and line or column, for the message.

    Raises:
        TableError: the value is a list or an object.
    """
    if value is None:
        return ""
    if isinstance(value, str | int | float):
        return str(value)
    raise TableError(f"{where}: a {type(value).__name__} stands in place of a text")


def blocks(rows: Iterable[T]) -> Iterator[list[T]]:
    """Yield rows in blocks of at most BLOCK."""
    left = iter(rows)
    while block := list(islice(left, BLOCK)):
        yield block
