"""The prompt that lets an LLM draft what annotators write about some texts."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from model.llm.asking import AGAIN_TOKENS, Question, count_tokens, describe_project, exact_object, quoted_lines
from model.llm.chat import Message
from model.tasks.free_text.llm.draft_answer import MOST_TOKENS

VERSION = "draft_v1"
MOST_WORDS = 250

# Tokens of an entry of the answer without its draft, and of the words around all entries.
ENTRY_TOKENS, AROUND_TOKENS = 20, 200
# Upper limit of an example; a cut one would teach to write half a text.
EXAMPLE_TOKENS = 600
MOST_EXAMPLES = 4
_FOLDER = Path(__file__).parent / "prompts"

Example = tuple[str, str]
"""A text, and what a person wrote about it."""


@dataclass(frozen=True)
class DraftPrompt:
    """A prompt that requests drafts.

    Attributes:
        messages: a system's and a user's.
        schema: the JSON schema of the answer.
    """

    messages: tuple[Message, ...]
    schema: Mapping[str, Any]


def room_for_texts(question: Question, context_tokens: int) -> int:
    """Tokens that a context leaves for texts and for drafts of them, without any example.

    Args:
        question: what annotators are asked.
        context_tokens: upper limit of question and answer together.
    """
    return context_tokens - count_tokens(_instructions(question)) - AROUND_TOKENS - AGAIN_TOKENS


def tokens_with_draft(text: str) -> int:
    """Upper limit of the tokens that a text and its draft take."""
    return count_tokens(_line(0, text)) + 1 + ENTRY_TOKENS + MOST_TOKENS


def build_draft_prompt(
    question: Question, texts: Sequence[str], examples: Sequence[Example], context_tokens: int
) -> DraftPrompt:
    """Build the prompt for drafts of some texts, numbered from 0.

    Args:
        question: what annotators are asked.
        texts: texts that fit whole, see `room_for_texts`: of half a text a translation is no draft.
        examples: people's answers, the most similar text first; examples that do not fit whole are left out.
        context_tokens: upper limit of question and answer together.
    """
    room = room_for_texts(question, context_tokens) - sum(map(tokens_with_draft, texts))
    shown = _fitting(examples, room)
    heading = ["What annotators wrote about other texts:", *shown, ""] if shown else []
    lines = [_line(number, text) for number, text in enumerate(texts)]
    material = "\n".join([*heading, f"The {len(texts)} texts to write about:", *lines])
    return DraftPrompt((Message("system", _instructions(question)), Message("user", material)), _SCHEMA)


def _instructions(question: Question) -> str:
    template = Template((_FOLDER / f"{VERSION}.txt").read_text(encoding="utf-8"))
    answer = json.dumps({"drafts": [{"number": number, "text": "…"} for number in range(2)]}, ensure_ascii=False)
    return template.substitute(project=describe_project(question), words=MOST_WORDS, answer=answer).strip()


def _fitting(examples: Sequence[Example], room: int) -> list[str]:
    shown: list[str] = []
    for text, written in examples:
        line = f'{{"text": {quoted_lines(text)}, "written": {quoted_lines(written)}}}'
        tokens = count_tokens(line) + 1
        if tokens <= min(EXAMPLE_TOKENS, room) and len(shown) < MOST_EXAMPLES:
            shown.append(line)
            room -= tokens
    return shown


def _line(number: int, text: str) -> str:
    return f"{number}: {quoted_lines(text)}"


_ENTRY = exact_object({"number": {"type": "integer"}, "text": {"type": "string"}})
_SCHEMA = exact_object({"drafts": {"type": "array", "items": _ENTRY}})
