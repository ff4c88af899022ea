"""The prompt that lets an LLM label texts, in two wordings: a committee needs members that differ."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from model.errors import LLMContextError, LLMError
from model.llm.asking import (
    AGAIN_TOKENS,
    Question,
    count_tokens,
    describe_project,
    exact_object,
    numbered_line,
    quoted,
    shorten,
)
from model.llm.chat import Message

LABEL_WORDINGS = ("label_v1", "label_v2")

# Upper limits of a text in tokens; the first limit with which everything fits is taken. Encoders read 512 at most too.
TEXT_TOKENS = (512, 256, 128, 64, 32)
# Tokens of one entry of the answer without its labels, and of the words that some models write around all entries.
_ENTRY_TOKENS = 20
_AROUND_TOKENS = 200
# Some providers refuse schemas that list hundreds of values. The labels of an answer are checked in any case.
_MOST_LISTED = 200
_FOLDER = Path(__file__).parent / "prompts"

Example = tuple[str, tuple[str, ...]]
"""A text and its labels, given by people."""


@dataclass(frozen=True)
class LabelPrompt:
    """A prompt that requests labels.

    Attributes:
        messages: a system's and a user's.
        schema: the JSON schema of the answer.
        version: the wording, one of `LABEL_WORDINGS`.
    """

    messages: tuple[Message, ...]
    schema: Mapping[str, Any]
    version: str


def build_label_prompt(
    question: Question,
    texts: Sequence[str],
    examples: Sequence[Example],
    context_tokens: int,
    version: str = LABEL_WORDINGS[0],
) -> LabelPrompt:
    """Build the prompt for the labels of some texts, numbered from 0.

    Long texts and examples are shortened until question and answer fit. If they still don't fit, examples are left out.

    Args:
        question: the question that annotators answer.
        texts: about 20 at most; with more, LLMs begin to lose count.
        examples: texts with labels, the most similar first.
        context_tokens: upper limit of question and answer together.
        version: one of `LABEL_WORDINGS`; the second lists the labels in reverse, since LLMs favour labels listed first.

    Raises:
        LLMContextError: even the shortest texts do not fit.
        LLMError: the wording is unknown, or the question has no labels.
    """
    instructions = _instructions(question, version)
    room = context_tokens - count_tokens(instructions) - _answer_tokens(question, len(texts))
    material = _fitting(question, texts, examples, room) or _fitting(question, texts, (), room)
    if material is None:
        raise LLMContextError(
            f"asked for the labels of {len(texts)} texts in {context_tokens} tokens, of which instructions and answer "
            f"leave {max(room, 0)}: ask for fewer texts at a time, or use a model with a longer context"
        )
    messages = (Message("system", instructions), Message("user", material))
    return LabelPrompt(messages, _schema(question), version)


def _instructions(question: Question, version: str) -> str:
    if version not in LABEL_WORDINGS:
        raise LLMError(f"unknown label prompt {version!r}: choose one of {', '.join(LABEL_WORDINGS)}")
    if not question.labels:
        raise LLMError(f"asked for labels of {question.title!r}, of which none are known: nothing could be checked")
    template = Template((_FOLDER / f"{version}.txt").read_text(encoding="utf-8"))
    labels = question.labels if version == LABEL_WORDINGS[0] else tuple(reversed(question.labels))
    several = "every label that applies, and an empty list where none does"
    return template.substitute(
        project=describe_project(question),
        labels="\n".join(f"- {quoted(label)}" for label in labels),
        choice=several if question.label_set.is_multilabel else "exactly one label, the nearest where none fits well",
        answer=json.dumps({"labels": [_entry(question, 0, True), _entry(question, 1, False)]}, ensure_ascii=False),
    ).strip()


def _entry(question: Question, number: int, is_sure: bool) -> dict[str, Any]:
    """A sample entry for the answer's form; it names no label, since LLMs would give a named label more often."""
    labels = {"labels": ["…", "…"]} if question.label_set.is_multilabel else {"label": "…"}
    return {"number": number, **labels, "sure": is_sure}


def _answer_tokens(question: Question, count: int) -> int:
    longest = max(map(count_tokens, question.labels))
    entry = _ENTRY_TOKENS + longest * (3 if question.label_set.is_multilabel else 1)
    return _AROUND_TOKENS + AGAIN_TOKENS + count * entry


def _fitting(question: Question, texts: Sequence[str], examples: Sequence[Example], room: int) -> str | None:
    """Examples and texts, shortened as little as possible; None if they don't fit at all."""
    for most in TEXT_TOKENS:
        material = _material(question, texts, examples, most)
        if count_tokens(material) <= room:
            return material
    return None


def _material(question: Question, texts: Sequence[str], examples: Sequence[Example], most: int) -> str:
    shown = [_example(question, shorten(text, most), labels) for text, labels in examples]
    heading = ["Texts that people labelled, for orientation:", *shown, ""] if shown else []
    lines = [numbered_line(number, shorten(text, most)) for number, text in enumerate(texts)]
    return "\n".join([*heading, f"The {len(texts)} texts to label:", *lines])


def _example(question: Question, text: str, labels: tuple[str, ...]) -> str:
    """A labelled text, without a number: the LLM answers with labels for all numbers."""
    listed = ", ".join(map(quoted, labels))
    answer = f'"labels": [{listed}]' if question.label_set.is_multilabel else f'"label": {listed}'
    return f'{{"text": {quoted(text)}, {answer}}}'


def _schema(question: Question) -> dict[str, Any]:
    label: dict[str, Any] = {"type": "string"}
    if len(question.labels) <= _MOST_LISTED:
        label["enum"] = list(question.labels)
    labels = {"labels": {"type": "array", "items": label}} if question.label_set.is_multilabel else {"label": label}
    entry = exact_object({"number": {"type": "integer"}, **labels, "sure": {"type": "boolean"}})
    return exact_object({"labels": {"type": "array", "items": entry}})
