"""Every kind of question that a project can ask, and how each reads itself from a labeling config."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from backend.errors import UnsupportedConfigError
from backend.studio.choices import read_choices
from backend.studio.labeling_config import FIX, ParsedConfig, parse_labeling_config, without_markup
from model.tasks.task import Task
from model.types import LabelTexts


@dataclass(frozen=True)
class Kind:
    """A kind of question.

    Attributes:
        name: of its folder in `model/tasks/`.
        read: reads the kind's questions from a labeling config; none if the config asks no such question. Raises
            UnsupportedConfigError if it asks one that cannot be learned.
    """

    name: str
    read: Callable[[ParsedConfig], Sequence[Task]]


KINDS: list[Kind] = [Kind("classification", read_choices)]


def read_tasks(xml: str) -> tuple[Task, ...]:
    """Read the questions of a labeling config, at least one: those of the first kind that finds any.

    Args:
        xml: the labeling config.

    Raises:
        UnsupportedConfigError: the config asks nothing that can be learned, or its XML is broken.
    """
    config = parse_labeling_config(xml)
    asked = (tuple(kind.read(config)) for kind in KINDS)
    found = next((tasks for tasks in asked if tasks), ())
    if not found:
        raise UnsupportedConfigError(f"the labeling config has no Choices over a text: {FIX}")
    return found


def labels_of(tasks: Sequence[Task]) -> tuple[str, ...]:
    """The labels of all questions, each once."""
    return tuple(dict.fromkeys(label for task in tasks for label in task.label_set.labels))


def read_label_texts(task: Task, description: str, own: Mapping[str, str], *, is_on: bool) -> LabelTexts:
    """Collect the texts that say what each label means.

    Args:
        task: the question, with the label descriptions of the labeling config.
        description: the project's description; replaces a missing Header as the question.
        own: the project's label descriptions, by label; they override the labeling config.
        is_on: False if the project's setting NAMES is off.

    Returns:
        For each of C labels, in order, a tuple of zero to two texts.
    """
    if not is_on:
        return ((),) * len(task.label_set.labels)
    return task.label_texts(without_markup(description), own)
