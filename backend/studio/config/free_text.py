"""TextArea tag of a labeling config → free text: texts are put in order, and nothing is learned."""

from typing import Any

from backend.studio.config.labeling_config import ParsedConfig, without_markup
from backend.studio.config.meaning import question_above
from model.tasks.free_text.task import FreeText


def read_free_text(config: ParsedConfig, control: Any) -> FreeText:
    """Read a `TextArea` over a text.

    Args:
        config: the labeling config.
        control: the `TextArea`.

    Raises:
        UnsupportedConfigError: no text comes from the task's data, or in a form that cannot be read.
    """
    return FreeText(
        control=control.name,
        to_name=config.text_name(control),
        fields=config.fields_of(control),
        header=question_above(config.tag_of(control)),
        placeholder=without_markup(control.attr.get("placeholder", "")),
    )
