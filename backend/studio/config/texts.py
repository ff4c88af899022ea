"""The text of a task, as annotators see it: its fields, each read in the way of its tag."""

from collections.abc import Mapping, Sequence
from typing import Any

from backend.studio.markup import words_of
from model.encoder.encoder import MAX_CHARACTERS
from model.tasks.task import Task, TextField


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
    """Find a field in a task's data, as Label Studio does: the key `a.b`, or else the key `b` inside `a`."""
    inside: Any = data
    while isinstance(inside, Mapping) and key not in inside and "." in key:
        head, key = key.split(".", 1)
        inside = inside.get(head)
    return inside.get(key) if isinstance(inside, Mapping) else None


def _read_field(text_field: TextField, value: Any) -> str:
    if value is None:
        return ""
    if text_field.kind == "Paragraphs":
        return _read_paragraphs(text_field, value)
    text = str(value) if isinstance(value, str | int | float) else ""
    return words_of(text) if text_field.kind == "HyperText" else text.strip()


def _read_paragraphs(text_field: TextField, value: Any) -> str:
    if isinstance(value, str):
        return value.strip()
    if not isinstance(value, Sequence):
        return ""
    lines = (line for line in value if isinstance(line, Mapping))
    spoken = (f"{line.get(text_field.speaker_key) or ''}: {line.get(text_field.said_key) or ''}" for line in lines)
    return "\n".join(line.strip().removeprefix(": ") for line in spoken).strip()
