"""Labeling config XML → what to classify: control, text fields, labels, one or many."""

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

# Label Studio shows it as HTML, in which tags would vanish.
_FIX = "add a Choices tag over a Text, HyperText or Paragraphs tag in Settings, Labeling Interface"
_PLAIN_VALUE = re.compile(r"^\$[^$]+$")
_TAG = re.compile(r"<(?:script|style)\b.*?</(?:script|style)>|<[^>]*>", re.IGNORECASE | re.DOTALL)
# Label Studio fills these in from each task's data.
_VARIABLE = re.compile(r"\$\w")
# An alias such as "c1" is a code.
_WORD = re.compile(r"[^\W\d_]{3}")


@dataclass(frozen=True)
class TextField:
    """One field of a task's data that holds text.

    Attributes:
        kind: Text, HyperText or Paragraphs.
        key: the data key.
        speaker_key, said_key: for Paragraphs, the keys of one line.
    """

    kind: str
    key: str
    speaker_key: str = "author"
    said_key: str = "text"


@dataclass(frozen=True)
class Meaning:
    """What a labeling config says of its labels besides their names.

    Attributes:
        said: text by label, for labels of which the config says more.
        question: the Header above the control; empty without one.
    """

    said: Mapping[str, str] = field(default_factory=dict)
    question: str = ""


@dataclass(frozen=True)
class Classification:
    """What a labeling config asks people: which labels a text has.

    Attributes:
        control: name of the Choices tag; to_name: the object it is about.
        fields: every text field that annotators see, those of the control first.
        meaning: what the labels mean; no part of the question's identity.
    """

    control: str
    to_name: str
    fields: tuple[TextField, ...]
    label_set: LabelSet
    meaning: Meaning = field(default_factory=Meaning, compare=False)


def read_labeling_config(xml: str) -> Classification:
    """Find the question that a labeling config asks.

    The first `Choices` over text is the one that is learned. All text objects of the config are read, since people see
    them all, but for those that belong to another `Choices` alone.

    Raises:
        UnsupportedConfigError: no such `Choices`, fewer than two labels, labels from the data, or broken XML.
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
    # Text written in the config itself is the same for every task.
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
    # Of two tags with one name the last is the control.
    choices = tree.xpath("//Choices[@name=$name]", name=control)[-1]
    said = ((choice.get("alias") or choice.get("value"), _said(choice)) for choice in choices.iter("Choice"))
    return Meaning({label: text for label, text in said if label and text}, _question(choices))


def _said(choice: Any) -> str:
    """What a Choice tells people besides the label in annotations: value, alias and hint; empty if nothing."""
    if not (choice.get("alias") or choice.get("hint")):
        return ""
    called, hint = _called(choice), tidy(choice.get("hint") or "")
    return f"{called}: {hint}" if called and hint else called or hint


def _called(choice: Any) -> str:
    """The words of a Choice's value, and of its alias where they are other words."""
    value, alias = label_words(choice.get("value") or ""), label_words(choice.get("alias") or "")
    if not value or not _WORD.search(alias) or alias.casefold() in value.casefold():
        return value or alias
    return f"{value}, {alias}"


def _question(choices: Any) -> str:
    """The nearest Header above a control, in its own View or in one around it; empty if there is none.

    A Header that takes words from a task's data is passed over; one above another control is that control's.
    """
    above = choices.xpath("ancestor-or-self::*/preceding-sibling::*")
    for tag in reversed(above):
        if tag.get("toName") not in (None, choices.get("name")):
            return ""
        said = tag.get("value") or tag.text or ""
        if tag.tag == "Header" and not _VARIABLE.search(said) and (question := _without_markup(said)):
            return question
    return ""


def _without_markup(markup: str) -> str:
    return tidy(html.unescape(_TAG.sub(" ", markup)))


def read_label_texts(
    classification: Classification, description: str, own: Mapping[str, str], *, is_on: bool
) -> LabelTexts:
    """The texts that say what each label of a project means.

    Args:
        classification: the question, and what the labeling config says of its labels.
        description: the project's description; the question of a config without a Header.
        own: descriptions by label that somebody wrote for the classifier; they win over the config.
        is_on: whether the project lets names count.

    Returns:
        C times no text, one or two, in the order of the labels.
    """
    labels = classification.label_set.labels
    if not is_on:
        return ((),) * len(labels)
    said = {**classification.meaning.said, **{label: text for label, text in own.items() if has_words(text)}}
    return label_texts(labels, said, classification.meaning.question or _without_markup(description))


def read_text(classification: Classification, data: Mapping[str, Any]) -> str:
    """What an annotator reads of a task: its text fields, joined by blank lines; empty if there is nothing to read."""
    parts = (_read_field(text_field, _look_up(data, text_field.key)) for text_field in classification.fields)
    joined = "\n\n".join(part for part in parts if part)
    # Half a surrogate pair is no text to a tokenizer.
    return joined.encode("utf-8", "replace").decode("utf-8")


def _look_up(data: Mapping[str, Any], key: str) -> Any:
    """A field of a task's data; `a.b` is the key itself, or else b inside a, as Label Studio reads it."""
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
