"""Choices tag of a labeling config → classification: its labels, one or several for a text, and what they mean."""

from typing import Any

from backend.errors import UnsupportedConfigError
from backend.studio.config.labeling_config import ParsedConfig
from backend.studio.config.meaning import read_meaning
from model.tasks.classification.task import Classification
from model.types import LabelSet


def read_choices(config: ParsedConfig, control: Any) -> Classification:
    """Read a `Choices` over a text.

    Args:
        config: the labeling config.
        control: the `Choices`.

    Raises:
        UnsupportedConfigError: the `Choices` has fewer than two labels or takes labels from the data.
    """
    if config.tree.xpath("//Choices[@name=$name]//Choice//Choice", name=control.name):
        raise UnsupportedConfigError(
            f"Choices {control.name!r} has choices inside choices; a classifier needs one flat list of labels"
        )
    labels = tuple(control.labels)
    if len(labels) < 2:
        raise UnsupportedConfigError(
            f"Choices {control.name!r} has {len(labels)} labels written in the config; two or more Choice tags are "
            "needed (labels that come from each task's data cannot be learned)"
        )
    fields, to_name = config.fields_of(control), config.text_name(control)
    label_set = LabelSet(labels, control.attr.get("choice") == "multiple")
    return Classification(control.name, to_name, fields, label_set, read_meaning(config.tree, control.name))
