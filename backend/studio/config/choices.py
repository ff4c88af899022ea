"""Choices tag of a labeling config → classification: its labels, one or several for a text, and their meaning."""

from typing import Any

from backend.errors import UnsupportedConfigError
from backend.studio.config.labeling_config import ParsedConfig
from backend.studio.config.meaning import described_label, question_above
from backend.studio.config.spelling import is_true
from backend.studio.config.taxonomy import read_tree
from model.tasks.classification.task import Classification
from model.tasks.label_names import Meaning
from model.tasks.task import Task
from model.types import LabelSet


def read_choices(config: ParsedConfig, control: Any) -> Task:
    """Read a `Choices` over a text. With allowNested its answers are paths, so that it asks for a taxonomy.

    Args:
        config: the labeling config.
        control: the `Choices`.

    Raises:
        UnsupportedConfigError: the `Choices` has fewer than two labels or takes labels from the data.
    """
    may_have_several = control.attr.get("choice") == "multiple"
    if is_true(control.attr.get("allowNested", "")):
        return read_tree(config, control, may_have_several=may_have_several)
    tag = config.tag_of(control)
    # Without allowNested Label Studio does not show choices inside choices.
    choices = {label: choice for choice in tag.xpath(".//Choice[not(ancestor::Choice)]") if (label := _label(choice))}
    if len(choices) < 2:
        raise UnsupportedConfigError(
            f"Choices {control.name!r} has {len(choices)} labels written in the config; two or more Choice tags are "
            "needed (labels that come from each task's data cannot be learned)"
        )
    said = {label: text for label, choice in choices.items() if (text := described_label(choice))}
    return Classification(
        control=control.name,
        to_name=config.text_name(control),
        fields=config.fields_of(control),
        label_set=LabelSet(tuple(choices), may_have_several),
        meaning=Meaning(said, question_above(tag)),
    )


def _label(choice: Any) -> str:
    return str(choice.get("alias") or choice.get("value") or "")
