"""visibleWhen of a labeling config → when a question is asked."""

from collections.abc import Iterator
from typing import Any

from backend.studio.config.labeling_config import ParsedConfig
from model.tasks.task import Condition

# The other values of visibleWhen are about regions; a question about a whole text is asked all the same.
_GIVEN, _NOT_GIVEN = "choice-selected", "choice-unselected"


def read_conditions(config: ParsedConfig, control: Any) -> tuple[Condition, ...]:
    """Read the conditions of a control and of the Views around it.

    Args:
        config: the labeling config.
        control: the control.
    """
    tag = config.tag_of(control)
    around = [tag, *tag.xpath("ancestor::*[@visibleWhen]")]
    return tuple(condition for each in around for condition in _condition(config, each))


def _condition(config: ParsedConfig, tag: Any) -> Iterator[Condition]:
    when, control = tag.get("visibleWhen"), tag.get("whenTagName")
    if when not in (_GIVEN, _NOT_GIVEN) or not control:
        return
    named = [value.strip() for value in tag.get("whenChoiceValue", "").split(",") if value.strip()]
    alias_of = {
        choice.get("value"): choice.get("alias")
        for choice in config.tree.xpath("//*[@name=$name]//Choice[@alias]", name=control)
    }
    # Annotations carry a choice by its alias.
    yield Condition(control, tuple(alias_of.get(value) or value for value in named), when == _GIVEN)
