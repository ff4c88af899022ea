"""The labels that an annotation chooses with a Choices control."""

from collections.abc import Sequence
from typing import Any

from model.errors import UnusableAnswerError
from model.tasks.shares import form_of, quoted
from model.types import Annotation, ResultItem


def chosen_labels(annotation: Annotation, control: str) -> tuple[str, ...]:
    """The labels that an annotation chooses with a control, each once, in the given order.

    Raises:
        UnusableAnswerError: an item of the control has another form than Label Studio's for choices.
    """
    items = (item for item in annotation.result if item.control == control)
    return tuple(dict.fromkeys(label for item in items for label in _labels(item)))


def _labels(item: ResultItem) -> Sequence[str]:
    if item.kind != "choices":
        raise UnusableAnswerError(f"the answer is of the type {quoted(item.kind)}, not 'choices'")
    given = item.value.get("choices")
    if isinstance(given, str):
        return (given,)
    if not isinstance(given, list):
        raise UnusableAnswerError(f"the answer has {form_of(given)} in place of a list of labels")
    return [_label(label) for label in given]


def _label(given: Any) -> str:
    """A label as text; numbers are labels too, as in a config whose labels are 1 to 5."""
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        raise UnusableAnswerError(f"the answer has {form_of(given)} in place of a label")
    return str(given)
