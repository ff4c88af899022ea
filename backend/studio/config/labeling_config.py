"""A labeling config's XML as an object that kinds of questions read themselves from, and the text of a task."""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from label_studio_sdk._legacy.exceptions import LabelStudioXMLSyntaxErrorSentryIgnored
from label_studio_sdk.label_interface import LabelInterface
from lxml import etree

from backend.errors import UnsupportedConfigError
from backend.studio.config.refusals import refuse_what_cannot_be_read
from backend.studio.config.spelling import is_true, spelled_out
from backend.studio.markup import words_of
from model.tasks.label_names import tidy
from model.tasks.task import TextField

# Without angle brackets: Label Studio shows the message as HTML.
FIX = "add one over a Text, HyperText or Paragraphs tag in Settings, Labeling Interface"
# A thousand labels with a hint each. The slowest config of this length takes half a second.
MAX_CONFIG_CHARACTERS = 200_000
_PLAIN_VALUE = re.compile(r"^\$[^$]+$")


@dataclass(frozen=True)
class ParsedConfig:
    """A labeling config, parsed by Label Studio's own package.

    Attributes:
        interface: Label Studio's objects for the tags.
        tree: the XML tree.
    """

    interface: Any
    tree: Any

    @cached_property
    def texts(self) -> dict[str, Any]:
        """The text objects by name, in order."""
        return {tag.name: tag for tag in self.interface.objects if tag.tag in ("Text", "HyperText", "Paragraphs")}

    def controls(self) -> list[Any]:
        """The controls that ask about a whole object, in order."""
        return [control for control in self.interface.controls if _is_of_whole(control)]

    def asking(self) -> list[Any]:
        """The controls that ask about a whole object, in order; a Filter is about another control, and asks nothing."""
        objects = {tag.name for tag in self.interface.objects or ()}
        return [control for control in self.controls() if objects & set(control.to_name)]

    def is_over_text(self, control: Any) -> bool:
        """Whether a control refers to a text object."""
        return any(name in self.texts for name in control.to_name)

    def tag_of(self, control: Any) -> Any:
        """The XML tag of a control."""
        return self.tree.xpath("//*[name()=$tag][@name=$name]", tag=control.tag, name=control.name)[-1]

    def text_name(self, control: Any) -> str:
        """Name of the first text object that a control refers to; there has to be one."""
        return str(next(name for name in control.to_name if name in self.texts))

    def fields_of(self, control: Any) -> tuple[TextField, ...]:
        """The text fields that annotators see with a control; the control's own come first.

        Args:
            control: a control over a text.

        Raises:
            UnsupportedConfigError: no text comes from the task's data, or in a form that cannot be read.
        """
        names = dict.fromkeys(name for name in [*control.to_name, *self.texts] if name in self.texts)
        # Text in the config itself is the same for every task.
        fields = tuple(_field(self.texts[name]) for name in names if "$" in str(self.texts[name].value))
        if not fields:
            raise UnsupportedConfigError(f"no text of the labeling config comes from the task's data: {FIX}")
        return fields


def _is_of_whole(control: Any) -> bool:
    return not is_true(control.attr.get("perRegion", "")) and not is_true(control.attr.get("perItem", ""))


def parse_labeling_config(xml: str) -> ParsedConfig:
    """Parse a labeling config.

    Args:
        xml: the labeling config.

    Raises:
        UnsupportedConfigError: the XML is broken, or longer than MAX_CONFIG_CHARACTERS, or has what we cannot read.
    """
    if len(xml) > MAX_CONFIG_CHARACTERS:
        raise UnsupportedConfigError(
            f"the labeling config has {len(xml):,} characters, and at most {MAX_CONFIG_CHARACTERS:,} are read: "
            "write fewer or shorter labels in Settings, Labeling Interface"
        )
    try:
        interface = LabelInterface(spelled_out(xml))
    except (
        etree.XMLSyntaxError,
        LabelStudioXMLSyntaxErrorSentryIgnored,
        ValueError,
        AttributeError,
        KeyError,
    ) as error:
        raise UnsupportedConfigError(f"the labeling config cannot be read ({error}): {FIX}") from error
    refuse_what_cannot_be_read(interface._tree)
    return ParsedConfig(interface, interface._tree)


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
    return TextField(
        kind=tag.tag,
        key=str(tag.value)[1:],
        speaker_key=tag.attr.get("nameKey", "author"),
        said_key=tag.attr.get("textKey", "text"),
        encoding=tag.attr.get("encoding", ""),
    )


def without_markup(markup: str) -> str:
    """The words of an HTML text on one line, cut where it is long; empty without words."""
    return tidy(words_of(markup))
