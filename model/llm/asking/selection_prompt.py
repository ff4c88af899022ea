"""What an LLM is asked when it chooses texts: the wording is in prompts/, here it is filled in and made to fit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from string import Template
from typing import Any

from model.errors import LLMContextError
from model.llm.asking.framing import count_tokens, numbered_line, quoted, shorten
from model.llm.asking.question import Question, describe_balance, describe_labelled, describe_labels, describe_project
from model.llm.chat import Message

__all__ = ["Question", "SelectionPrompt", "as_text", "build_selection_prompt", "repeat_selection_prompt"]

VERSION = "select_v1"

# Tokens that one text has at most, and the fewest that still tell what it is about.
TEXT_TOKENS, FEWEST_TEXT_TOKENS = 120, 12
# Room for the answer: thoughts, then {"number": 123, "label": } for each pick.
THOUGHT_TOKENS, PICK_TOKENS = 800, 14
# Room for asking again: what is kept of the answer, what was wrong with it, and the request itself.
REPLY_TOKENS, REASON_TOKENS, REQUEST_TOKENS = 400, 200, 250
# What providers put around each message.
MESSAGE_TOKENS = 10


@dataclass(frozen=True)
class SelectionPrompt:
    """A question about texts under numbers, and which texts those are.

    Attributes:
        messages: a system's and a user's.
        rows: rows[i] is the row, among the caller's texts, of the one that is shown as number i.
        schema: JSON schema of the structured answer.
        version: the wording; answers are remembered by it.
        select: how many are asked for.
    """

    messages: tuple[Message, ...]
    rows: tuple[int, ...]
    schema: Mapping[str, Any] = field(repr=False)
    version: str
    select: int


def build_selection_prompt(
    question: Question,
    texts: Sequence[str],
    rows: Sequence[int],
    select: int,
    context_tokens: int,
    labelled: Sequence[tuple[str, str]] = (),
) -> SelectionPrompt:
    """Ask which texts should be labelled first.

    Args:
        texts: all texts; only those in `rows` are shown.
        rows: which, in the order of the numbers 0, 1, 2 … that they get. Shuffled: early ones are chosen more often.
        select: how many to choose; where fewer are shown, all those.
        context_tokens: most tokens of question and answer together. Texts are cut evenly until both fit, with room for
            asking again.
        labelled: (text, label) of texts that have one: a few are shown, and how many each label has.

    Raises:
        LLMContextError: even texts of few words do not fit; says how many would.
    """
    select = min(select, len(rows))
    words = _words(question, len(rows), select, labelled)
    system, user = (_part(name).substitute(words, texts="") for name in ("system", "user"))
    room = context_tokens - count_tokens(system) - count_tokens(user) - _tokens_beside(question, select)
    lines = _fitting_lines([texts[row] for row in rows], room, context_tokens)
    user = _part("user").substitute(words, texts="\n".join(lines))
    messages = (Message("system", system), Message("user", user))
    return SelectionPrompt(messages, tuple(rows), _schema(question.labels), VERSION, select)


def repeat_selection_prompt(prompt: SelectionPrompt, reply_text: str, reason: str) -> tuple[Message, ...]:
    """The conversation that asks once more, after an answer that is of no use.

    Args:
        reply_text: the answer. Its end is kept, where the picks are.
        reason: what is wrong with it, in sentences.
    """
    numbers = {"select": prompt.select, "last": len(prompt.rows) - 1}
    answer_format = _part("format").substitute(numbers, label="label")
    request = _part("again").substitute(numbers, reason=shorten(reason, REASON_TOKENS), format=answer_format)
    kept = _end_of(reply_text, REPLY_TOKENS) or "(no answer)"
    return (*prompt.messages, Message("assistant", kept), Message("user", request))


def as_text(messages: Sequence[Message]) -> str:
    """A conversation for a chat window, where there is one field for all of it."""
    return "\n\n".join(message.content for message in messages)


@lru_cache
def _parts(version: str) -> dict[str, Template]:
    """The parts of a wording by their names."""
    text = (Path(__file__).parent / "prompts" / f"{version}.txt").read_text(encoding="utf-8")
    _, *pieces = text.split("--- ")
    named = (piece.split(" ---\n", 1) for piece in pieces)
    return {name: Template(wording.strip()) for name, wording in named}


def _part(name: str) -> Template:
    return _parts(VERSION)[name]


def _words(question: Question, n_shown: int, select: int, labelled: Sequence[tuple[str, str]]) -> dict[str, object]:
    label = "your guess of its label, written as above" if question.labels else "your guess of its label"
    numbers = {"shown": n_shown, "last": n_shown - 1, "select": select}
    return {
        **numbers,
        "project": describe_project(question),
        "labels": describe_labels(question),
        "labelled": describe_labelled(question, labelled),
        "balance": describe_balance(question, select, has_labelled=bool(labelled)),
        "format": _part("format").substitute(numbers, label=label),
    }


def _tokens_beside(question: Question, select: int) -> int:
    """Room to be kept for the answer, and for asking again."""
    label = max((count_tokens(quoted(label)) for label in question.labels), default=5)
    answer = THOUGHT_TOKENS + select * (PICK_TOKENS + label)
    return answer + REPLY_TOKENS + REASON_TOKENS + REQUEST_TOKENS + 4 * MESSAGE_TOKENS


def _fitting_lines(shown: Sequence[str], room: int, context_tokens: int) -> list[str]:
    """Numbered lines with as much of every text as fits into the room for all of them."""
    low, high = FEWEST_TEXT_TOKENS, TEXT_TOKENS
    fewest = _tokens_of(_lines(shown, low))
    if fewest > room:
        fitting = max(0, room * len(shown) // fewest)
        raise LLMContextError(
            f"{len(shown)} texts do not fit into the model's context of {context_tokens} tokens: "
            f"with {low} tokens of each, question and answer take about {context_tokens - room + fewest}. "
            f"Show at most {fitting} texts, choose fewer, or take a model with a larger context"
        )
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _tokens_of(_lines(shown, middle)) <= room else (low, middle - 1)
    return _lines(shown, low)


def _lines(shown: Sequence[str], text_tokens: int) -> list[str]:
    return [numbered_line(number, shorten(text, text_tokens)) for number, text in enumerate(shown)]


def _tokens_of(lines: Sequence[str]) -> int:
    return sum(count_tokens(line) + 1 for line in lines)


def _end_of(text: str, max_tokens: int) -> str:
    """The last words of a text, with a mark where earlier ones are left out."""
    kept: list[str] = []
    left = max_tokens
    for word in reversed(text.split()):
        left -= count_tokens(word)
        if left < 0:
            return " ".join(("[…]", *reversed(kept))) if kept else shorten(text, max_tokens)
        kept.append(word)
    return " ".join(reversed(kept))


def _schema(labels: Sequence[str]) -> dict[str, Any]:
    """Thoughts come before picks, since what is written first cannot follow from what is written last."""
    label: dict[str, Any] = {"type": "string", **({"enum": list(labels)} if labels else {})}
    pick = _object({"number": {"type": "integer"}, "label": label})
    return _object({"reasoning": {"type": "string"}, "picks": {"type": "array", "items": pick}})


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }
