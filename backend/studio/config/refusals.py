"""Labeling configs that are refused, because their questions cannot be read: each with its mend."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from backend.errors import UnsupportedConfigError
from backend.studio.config.spelling import is_true

_QUESTIONS = ("Choices", "Rating", "Taxonomy")
_TEXTS = ("Text", "HyperText", "Paragraphs")


def refuse_what_cannot_be_read(tree: Any) -> None:
    """Refuse repeated tags, labels from a task's data, controls of one name, and controls without an object.

    Args:
        tree: the XML tree of the labeling config.

    Raises:
        UnsupportedConfigError: names the tag and the mend.
    """
    for fault in _faults(tree):
        raise UnsupportedConfigError(fault)


def _faults(tree: Any) -> Iterator[str]:
    names = Counter(tag.get("name") for tag in tree.iter("*") if tag.get("name"))
    questions = list(_questions(tree))
    for tag in (*questions, *tree.iter(*_TEXTS)):
        if tag.xpath("ancestor::Repeater") or any("{{" in value for value in tag.attrib.values()):
            yield (
                f"{_shown(tag)} is repeated for the entries of a task's data (Repeater or {{{{…}}}}); make a task of "
                "each entry, so that each gets an answer of its own"
            )
        if names[tag.get("name")] > 1:
            yield f"{names[tag.get('name')]} tags have the name {tag.get('name')!r}; give each a name of its own"
    for tag in questions:
        if not tag.get("toName"):
            yield f'{_shown(tag)} has no toName; write the name of the text that it asks about, like toName="text"'
        if "$" in tag.get("value", "") or any(choice.get("value", "").startswith("$") for choice in tag.iter("Choice")):
            yield (
                f"{_shown(tag)} takes labels from each task's data; labels must be the same for all tasks, so write "
                "them as Choice tags in the config"
            )


def _questions(tree: Any) -> Iterator[Any]:
    """The tags that ask about a whole text, and those that do not say what they ask about."""
    texts = {tag.get("name") for tag in tree.iter(*_TEXTS)}
    for tag in tree.iter(*_QUESTIONS):
        about = [name.strip() for name in tag.get("toName", "").split(",")]
        is_of_part = any(is_true(tag.get(attribute, "")) for attribute in ("perRegion", "perItem"))
        if not is_of_part and (about == [""] or any(name in texts for name in about)):
            yield tag


def _shown(tag: Any) -> str:
    return f"{tag.tag} {tag.get('name')!r}"
