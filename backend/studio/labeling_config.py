"""Labeling config XML → the classification: control, text fields, labels, one label or several for a text."""

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from label_studio_sdk._legacy.exceptions import LabelStudioXMLSyntaxErrorSentryIgnored
from label_studio_sdk.label_interface import LabelInterface

from backend.errors import UnsupportedConfigError
from model.tasks.label_names import has_words, label_texts, label_words, tidy
from model.types import LabelSet, LabelTexts

# Without angle brackets: Label Studio shows the message as HTML.
_FIX = "add a Choices tag over a Text, HyperText or Paragraphs tag in Settings, Labeling Interface"
_PLAIN_VALUE = re.compile(r"^\$[^$]+$")
_TAG = re.compile(r"<(?:script|style)\b.*?</(?:script|style)>|<[^>]*>", re.IGNORECASE | re.DOTALL)
# Label Studio replaces such a variable by a field of the task's data.
_VARIABLE = re.compile(r"\$\w")
# An alias without such a word, like "c1", is a code.
_WORD = re.compile(r"[^\W\d_]{3}")


@dataclass(frozen=True)
class TextField:
    """One field of a task's data that holds text.

    Attributes:
        kind: Text, HyperText or Paragraphs.
        key: key of the field in the task's data.
        speaker_key: key of a line's speaker, in Paragraphs.
        said_key: key of a line's text, in Paragraphs.
    """

    kind: str
    key: str
    speaker_key: str = "author"
    said_key: str = "text"


@dataclass(frozen=True)
class Meaning:
    """The meaning of labels, as the labeling config gives it besides their names.

    Attributes:
        said: description by label, for labels that the config describes.
        question: text of the Header above the control; empty without a Header.
    """

    said: Mapping[str, str] = field(default_factory=dict)
    question: str = ""


@dataclass(frozen=True)
class Classification:
    """The question that a labeling config asks: which labels does a text have?

    Attributes:
        control: name of the Choices tag.
        to_name: name of the text object that the Choices tag refers to.
        fields: all text fields that annotators see; the control's fields come first.
        label_set: the labels, and whether a text may have several.
        meaning: the meaning of the labels; equality of classifications ignores it.
    """

    control: str
    to_name: str
    fields: tuple[TextField, ...]
    label_set: LabelSet
    meaning: Meaning = field(default_factory=Meaning, compare=False)


def read_labeling_config(xml: str) -> Classification:
    """Read the first question about a text that a labeling config asks.

    The backend learns the first `Choices` over a text. It reads all text objects, because annotators see all of them,
    except text objects that only another `Choices` refers to.

    Args:
        xml: the labeling config.

    Raises:
        UnsupportedConfigError: there is no `Choices` over a text, it has fewer than two labels or takes labels from the
            data, or the XML is broken.
    """
    try:
        interface = LabelInterface(xml)
    except (LabelStudioXMLSyntaxErrorSentryIgnored, ValueError, AttributeError, KeyError) as error:
        raise UnsupportedConfigError(f"the labeling config cannot be read ({error}): {_FIX}") from error
    objects = {tag.name: tag for tag in interface.objects if tag.tag in ("Text", "HyperText", "Paragraphs")}
    choices = [tag for tag in interface.controls if tag.tag == "Choices" and tag.attr.get("perRegion") != "true"]
    over_text = [tag for tag in choices if any(name in objects for name in tag.to_name)]
    if not over_text:
        raise UnsupportedConfigError(f"the labeling config has no Choices over a text: {_FIX}")
    control = over_text[0]
    if interface._tree.xpath("//Choices[@name=$name]//Choice//Choice", name=control.name):
        raise UnsupportedConfigError(
            f"Choices {control.name!r} has choices inside choices; a classifier needs one flat list of labels"
        )
    labels = tuple(control.labels)
    if len(labels) < 2:
        raise UnsupportedConfigError(
            f"Choices {control.name!r} has {len(labels)} labels written in the config; two or more Choice tags are "
            "needed (labels that come from each task's data cannot be learned)"
        )
    elsewhere = {name for tag in choices if tag is not control for name in tag.to_name} - set(control.to_name)
    names = [*control.to_name, *(name for name in objects if name not in control.to_name)]
    shown = [objects[name] for name in names if name in objects and name not in elsewhere]
    # Text in the config itself is the same for every task.
    fields = tuple(_field(tag) for tag in shown if "$" in str(tag.value))
    if not fields:
        raise UnsupportedConfigError(f"no text of the labeling config comes from the task's data: {_FIX}")
    to_name = next(name for name in control.to_name if name in objects)
    label_set = LabelSet(labels, control.attr.get("choice") == "multiple")
    return Classification(control.name, to_name, fields, label_set, _meaning(interface._tree, control.name))


def _field(tag: Any) -> TextField:
    if tag.attr.get("valueType") == "url":
        raise UnsupportedConfigError(
            f"{tag.tag} {tag.name!r} takes its text from a URL: import the text itself into the task's data"
        )
    if not _PLAIN_VALUE.match(str(tag.value or "")):
        raise UnsupportedConfigError(
            f"{tag.tag} {tag.name!r} has value={tag.value!r}; it must name one field of the task's data, "
            'like value="$text"'
        )
    return TextField(tag.tag, str(tag.value)[1:], tag.attr.get("nameKey", "author"), tag.attr.get("textKey", "text"))


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
        if tag.tag == "Header" and not _VARIABLE.search(text) and (question := _without_markup(text)):
            return question
    return ""


def _without_markup(markup: str) -> str:
    return tidy(html.unescape(_TAG.sub(" ", markup)))


def read_label_texts(
    classification: Classification, description: str, own: Mapping[str, str], *, is_on: bool
) -> LabelTexts:
    """Collect the texts that say what each label means.

    Args:
        classification: the classification, with the label descriptions of the labeling config.
        description: the project's description; replaces a missing Header as the question.
        own: the project's label descriptions, by label; they override the labeling config.
        is_on: False if the project's setting NAMES is off.

    Returns:
        For each of C labels, in order, a tuple of zero to two texts.
    """
    labels = classification.label_set.labels
    if not is_on:
        return ((),) * len(labels)
    described = {**classification.meaning.said, **{label: text for label, text in own.items() if has_words(text)}}
    return label_texts(labels, described, classification.meaning.question or _without_markup(description))


def read_text(classification: Classification, data: Mapping[str, Any]) -> str:
    """Return the text that annotators see in a task: its text fields, joined by blank lines.

    Args:
        classification: names the text fields.
        data: the task's data.

    Returns:
        The text; empty if all fields are empty or missing.
    """
    parts = (_read_field(text_field, _look_up(data, text_field.key)) for text_field in classification.fields)
    joined = "\n\n".join(part for part in parts if part)
    # A tokenizer fails on half a surrogate pair.
    return joined.encode("utf-8", "replace").decode("utf-8")


def _look_up(data: Mapping[str, Any], key: str) -> Any:
    """Find a field in a task's data, as Label Studio does: the key `a.b`, or else the key `b` inside `a`."""
    if key in data or "." not in key:
        return data.get(key)
    head, rest = key.split(".", 1)
    inside = data.get(head)
    return _look_up(inside, rest) if isinstance(inside, Mapping) else None


def _read_field(text_field: TextField, value: Any) -> str:
    if value is None:
        return ""
    if text_field.kind == "Paragraphs":
        return _read_paragraphs(text_field, value)
    text = str(value) if isinstance(value, str | int | float) else ""
    return (html.unescape(_TAG.sub(" ", text)) if text_field.kind == "HyperText" else text).strip()


def _read_paragraphs(text_field: TextField, value: Any) -> str:
    if isinstance(value, str):
        return value.strip()
    if not isinstance(value, Sequence):
        return ""
    lines = (line for line in value if isinstance(line, Mapping))
    spoken = (f"{line.get(text_field.speaker_key) or ''}: {line.get(text_field.said_key) or ''}" for line in lines)
    return "\n".join(line.strip().removeprefix(": ") for line in spoken).strip()
