"""Choices tag of a labeling config → classification: its labels, one or several for a text, and what they mean."""

import re
from typing import Any

from backend.errors import UnsupportedConfigError
from backend.studio.labeling_config import ParsedConfig, without_markup
from model.tasks.classification.label_names import label_words, tidy
from model.tasks.classification.task import Classification, Meaning
from model.types import LabelSet

# Label Studio replaces such a variable by a field of the task's data.
_VARIABLE = re.compile(r"\$\w")
# An alias without such a word, like "c1", is a code.
_WORD = re.compile(r"[^\W\d_]{3}")


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
    return Classification(control.name, to_name, fields, label_set, _meaning(config.tree, control.name))


def _meaning(tree: Any, control: str) -> Meaning:
    # If two Choices have the same name, the last is the control.
    choices = tree.xpath("//Choices[@name=$name]", name=control)[-1]
    texts = ((choice.get("alias") or choice.get("value"), _description(choice)) for choice in choices.iter("Choice"))
    return Meaning({label: text for label, text in texts if label and text}, _question(choices))


def _description(choice: Any) -> str:
    """Describe a Choice by its value, alias and hint; empty if it has only a value."""
    if not (choice.get("alias") or choice.get("hint")):
        return ""
    name, hint = _name(choice), tidy(choice.get("hint") or "")
    return f"{name}: {hint}" if name and hint else name or hint


def _name(choice: Any) -> str:
    """Return the words of a Choice's value, and of its alias if the alias adds words."""
    value, alias = label_words(choice.get("value") or ""), label_words(choice.get("alias") or "")
    if not value or not _WORD.search(alias) or alias.casefold() in value.casefold():
        return value or alias
    return f"{value}, {alias}"


def _question(choices: Any) -> str:
    """Return the nearest Header above a control, in its own View or an enclosing View; empty without such a Header.

    A Header with a variable does not count. A Header above another control belongs to that control.
    """
    above = choices.xpath("ancestor-or-self::*/preceding-sibling::*")
    for tag in reversed(above):
        if tag.get("toName") not in (None, choices.get("name")):
            return ""
        text = tag.get("value") or tag.text or ""
        if tag.tag == "Header" and not _VARIABLE.search(text) and (question := without_markup(text)):
            return question
    return ""
