"""The text of a task, as annotators see it: its fields, each read in the way of its tag."""

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any

from backend.studio.markup import words_of
from model.encoder.encoder import MAX_CHARACTERS
from model.tasks.task import Task, TextField

# A step of a path such as `messages[0].content`.
_STEP = re.compile(r"[^.[\]]+")
_DIGITS = 10


def read_text(tasks: Sequence[Task], data: Mapping[str, Any], mark: str = "") -> str:
    """Return the text that annotators see in a task: the text fields of all questions, joined by blank lines.

    Of a longer text only the beginning is kept, without a mark: an encoder reads no more, and would learn from a mark.

    Args:
        tasks: name the text fields.
        data: the task's data.
        mark: what to put after a text that is cut, where people read it.

    Returns:
        The text, at most MAX_CHARACTERS of it and the mark; empty if all fields are empty or missing.
    """
    fields = dict.fromkeys(text_field for task in tasks for text_field in task.fields)
    parts = (_read_field(text_field, _look_up(data, text_field.key)) for text_field in fields)
    joined = "\n\n".join(part for part in parts if part)
    kept = joined[:MAX_CHARACTERS] + (mark if len(joined) > MAX_CHARACTERS else "")
    # A tokenizer fails on half a surrogate pair.
    return kept.encode("utf-8", "replace").decode("utf-8")


def _look_up(data: Mapping[str, Any], key: str) -> Any:
    """Find a field in a task's data, as Label Studio does: the key `a.b[0]`, or else entry 0 of `b` inside `a`."""
    if key in data:
        return data[key]
    inside: Any = data
    for step in _STEP.findall(key):
        if isinstance(inside, Mapping):
            inside = inside.get(step)
        elif isinstance(inside, list) and step.isdecimal() and len(step) < _DIGITS:
            inside = inside[int(step)] if int(step) < len(inside) else None
        else:
            return None
    return inside


def _read_field(text_field: TextField, value: Any) -> str:
    if value is None:
        return ""
    if text_field.kind == "Paragraphs":
        return _read_paragraphs(text_field, value)
    text = _decoded(_as_shown(value), text_field.encoding)
    return words_of(text) if text_field.kind == "HyperText" else text.strip()


def _as_shown(value: Any) -> str:
    """A value as Label Studio shows it in a Text: the entries of a list with commas between them."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ",".join(map(_as_shown, value))
    return str(value) if isinstance(value, str | int | float) else ""


def _decoded(text: str, encoding: str) -> str:
    """A text that stands in a field as base64; empty if it is none, as Label Studio then shows an error."""
    if encoding not in ("base64", "base64unicode"):
        return text
    try:
        content = base64.b64decode("".join(text.split()), validate=True)
        # Browsers take base64 for Latin-1, unless told.
        return content.decode("utf-8" if encoding == "base64unicode" else "latin-1")
    except ValueError:
        return ""


def _read_paragraphs(text_field: TextField, value: Any) -> str:
    if isinstance(value, str):
        return value.strip()
    if not isinstance(value, Sequence):
        return ""
    lines = (line for line in value if isinstance(line, Mapping))
    spoken = (f"{line.get(text_field.speaker_key) or ''}: {line.get(text_field.said_key) or ''}" for line in lines)
    return "\n".join(line.strip().removeprefix(": ") for line in spoken).strip()
