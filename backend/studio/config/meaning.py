"""The meaning of labels in a labeling config: hints and aliases of a control's choices, and the question above it."""

import re
from typing import Any

from backend.studio.config.labeling_config import without_markup
from model.tasks.label_names import label_words, tidy

# Label Studio replaces such a variable by a field of the task's data.
_VARIABLE = re.compile(r"\$\w")
# An alias without such a word, like "c1", is a code.
_WORD = re.compile(r"[^\W\d_]{3}")


def described_label(choice: Any) -> str:
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


def question_above(control: Any) -> str:
    """Return the nearest Header above a control, in its own View or an enclosing View; empty without such a Header.

    A Header with a variable does not count. A Header above another control belongs to that control.
    """
    above = control.xpath("ancestor-or-self::*/preceding-sibling::*")
    for tag in reversed(above):
        if tag.get("toName") not in (None, control.get("name")):
            return ""
        text = tag.get("value") or tag.text or ""
        if tag.tag == "Header" and not _VARIABLE.search(text) and (question := without_markup(text)):
            return question
    return ""
