"""Every kind of question that a project can ask, and how each reads itself from a labeling config."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from backend.errors import UnsupportedConfigError
from backend.studio.config.choices import read_choices
from backend.studio.config.conditions import read_conditions
from backend.studio.config.free_text import read_free_text
from backend.studio.config.labeling_config import FIX, ParsedConfig, parse_labeling_config, without_markup
from backend.studio.config.rating import read_rating
from backend.studio.config.spelling import is_true
from backend.studio.config.taxonomy import read_taxonomy
from model.tasks.shares import quoted
from model.tasks.task import Task
from model.types import LabelTexts

# A person answers no more about one text. Each question costs a training.
MOST_QUESTIONS = 20


@dataclass(frozen=True)
class Kind:
    """A kind of question.

    Attributes:
        name: of its folder in `model/tasks/`.
        tag: the control that asks it.
        read: reads the question of one control over a text. Raises UnsupportedConfigError if it cannot be learned.
    """

    name: str
    tag: str
    read: Callable[[ParsedConfig, Any], Task]


KINDS: list[Kind] = [
    Kind("classification", "Choices", read_choices),
    Kind("rating", "Rating", read_rating),
    Kind("taxonomy", "Taxonomy", read_taxonomy),
]

# Where a config asks nothing that a classifier learns, the first control of these kinds has the texts put in order.
ORDERED_ONLY: list[Kind] = [Kind("free_text", "TextArea", read_free_text)]


def read_tasks(xml: str) -> tuple[Task, ...]:
    """Read the questions of a labeling config, in its order, at least one.

    Args:
        xml: the labeling config.

    Raises:
        UnsupportedConfigError: the config asks nothing that can be learned, a question that cannot be learned or more
            than MOST_QUESTIONS; or its XML is broken.
    """
    config = parse_labeling_config(xml)
    kind_of = {kind.tag: kind for kind in (*KINDS, *ORDERED_ONLY)}
    over_text = [control for control in config.controls() if control.tag in kind_of and config.is_over_text(control)]
    ordered_only = {kind.tag for kind in ORDERED_ONLY}
    learned = [control for control in over_text if control.tag not in ordered_only]
    asked = learned or over_text[:1]
    if not asked:
        *tags, last = kind_of
        raise UnsupportedConfigError(f"the labeling config has no {', '.join(tags)} or {last} over a text: {FIX}")
    if len(asked) > MOST_QUESTIONS:
        raise UnsupportedConfigError(
            f"the labeling config asks {len(asked)} questions about a text, and at most {MOST_QUESTIONS} are learned: "
            "make a second project of some"
        )
    names = {control.name for control in asked}
    return tuple(_read(kind_of[control.tag], config, control, names) for control in asked)


def _read(kind: Kind, config: ParsedConfig, control: Any, names: Collection[str]) -> Task:
    """Read a question, and when it is asked, as far as that depends on the other questions, by their names."""
    task = kind.read(config, control)
    conditions = tuple(condition for condition in read_conditions(config, control) if condition.control in names)
    return replace(task, conditions=conditions) if conditions else task  # type: ignore[type-var]


def labels_of(tasks: Sequence[Task]) -> tuple[str, ...]:
    """The labels of all questions, each once."""
    return tuple(dict.fromkeys(label for task in tasks for label in task.label_set.labels))


def left_open(xml: str, control: str) -> tuple[str, ...]:
    """The controls that an answer to one question leaves without an answer, by name, in the order of the config.

    Among them are those that nothing is learned of, like spans. A TextArea may stay empty unless it is required.

    Args:
        xml: the labeling config.
        control: control of the question that is answered.

    Raises:
        UnsupportedConfigError: the XML cannot be read.
    """
    others = (other for other in parse_labeling_config(xml).asking() if other.name != control)
    return tuple(other.name for other in others if not _may_stay_empty(other))


def _may_stay_empty(control: Any) -> bool:
    return bool(control.tag == "TextArea" and not is_true(control.attr.get("required", "")))


def check_asked_for(tasks: Sequence[Task], names: Sequence[str]) -> None:
    """Check that `ask_for` names questions that the labeling config asks.

    Raises:
        UnsupportedConfigError: names each that it does not ask, and the questions that it asks.
    """
    asked = [task.control for task in tasks]
    unknown = [name for name in names if name not in asked]
    if unknown:
        raise UnsupportedConfigError(
            f"ask_for names {', '.join(map(quoted, unknown))}, and the labeling config asks "
            f"{', '.join(map(quoted, asked))}: name controls of the config, written exactly like this"
        )


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
