"""The prompt that lets an LLM choose texts: fill in a wording of prompts/, and fit it into the context."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from string import Template
from typing import Any

from model.errors import LLMContextError
from model.llm.asking.framing import count_tokens, numbered_line, quoted, shorten
from model.llm.asking.json_answers import exact_object
from model.llm.asking.question import Question, describe_balance, describe_labelled, describe_labels, describe_project
from model.llm.chat import Message

VERSION = "select_v1"

# Upper limit of tokens of a text, and the fewest tokens that still tell its subject.
TEXT_TOKENS, FEWEST_TEXT_TOKENS = 120, 12
# Tokens of the answer: thoughts, then {"number": 123, "label": } for each pick.
THOUGHT_TOKENS, PICK_TOKENS = 800, 14
# Tokens of asking again: the end of the answer, its faults, and the request.
REPLY_TOKENS, REASON_TOKENS, REQUEST_TOKENS = 400, 200, 250
# Tokens that providers put around each message.
MESSAGE_TOKENS = 10


@dataclass(frozen=True)
class SelectionPrompt:
    """A prompt that shows texts under numbers and requests picks.

    Attributes:
        messages: a system's and a user's.
        rows: rows[i] is the row, among the caller's texts, of the text with number i.
        schema: the JSON schema of the answer.
        version: the wording.
        select: how many picks the prompt requests.
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
    """Build the prompt that asks which texts should be labelled first.

    Args:
        question: the question that annotators answer.
        texts: all texts; the prompt shows only the texts of `rows`.
        rows: the rows of the shown texts, in the order of their numbers 0, 1, 2 …; shuffled by the caller, since LLMs
            choose early texts more often.
        select: how many picks to request; at most as many as there are rows.
        context_tokens: upper limit of question and answer together. Texts are cut evenly until both fit, with room for
            asking again.
        labelled: (text, label) of labelled texts; the prompt shows a few, and counts them by label.

    Raises:
        LLMContextError: even texts of few words do not fit; the message says how many texts would.
    """
    select = min(select, len(rows))
    placeholders = _placeholders(question, len(rows), select, labelled)
    system, user = (_part(name).substitute(placeholders, texts="") for name in ("system", "user"))
    room = context_tokens - count_tokens(system) - count_tokens(user) - _tokens_beside(question, select)
    lines = _fitting_lines([texts[row] for row in rows], room, context_tokens)
    user = _part("user").substitute(placeholders, texts="\n".join(lines))
    messages = (Message("system", system), Message("user", user))
    return SelectionPrompt(messages, tuple(rows), _schema(question.labels), VERSION, select)


def repeat_selection_prompt(prompt: SelectionPrompt, reply_text: str, reason: str) -> tuple[Message, ...]:
    """The conversation that asks again after an unusable answer.

    Args:
        prompt: the first prompt.
        reply_text: the unusable answer; the conversation repeats its end, which has the picks.
        reason: the faults of the answer, in sentences.
    """
    numbers = {"select": prompt.select, "last": len(prompt.rows) - 1}
    answer_format = _part("format").substitute(numbers, label="label")
    request = _part("again").substitute(numbers, reason=shorten(reason, REASON_TOKENS), format=answer_format)
    end = _end_of(reply_text, REPLY_TOKENS) or "(no answer)"
    return (*prompt.messages, Message("assistant", end), Message("user", request))


def as_text(messages: Sequence[Message]) -> str:
    """A conversation as one text, for the single input field of a chat window."""
    return "\n\n".join(message.content for message in messages)


@lru_cache
def _parts(version: str) -> dict[str, Template]:
    """The named parts of a wording."""
    text = (Path(__file__).parent / "prompts" / f"{version}.txt").read_text(encoding="utf-8")
    _, *pieces = text.split("--- ")
    named = (piece.split(" ---\n", 1) for piece in pieces)
    return {name: Template(wording.strip()) for name, wording in named}


def _part(name: str) -> Template:
    return _parts(VERSION)[name]


def _placeholders(
    question: Question, n_shown: int, select: int, labelled: Sequence[tuple[str, str]]
) -> dict[str, object]:
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
    """Tokens of the answer and of asking again."""
    label = max((count_tokens(quoted(label)) for label in question.labels), default=5)
    answer = THOUGHT_TOKENS + select * (PICK_TOKENS + label)
    return answer + REPLY_TOKENS + REASON_TOKENS + REQUEST_TOKENS + 4 * MESSAGE_TOKENS


def _fitting_lines(shown: Sequence[str], room: int, context_tokens: int) -> list[str]:
    """Numbered lines of all texts, each cut at the highest limit with which all lines fit into `room` tokens."""
    low, high = FEWEST_TEXT_TOKENS, TEXT_TOKENS
    fewest = _line_tokens(_lines(shown, low))
    if fewest > room:
        fitting = max(0, room * len(shown) // fewest)
        raise LLMContextError(
            f"{len(shown)} texts do not fit into the model's context of {context_tokens} tokens: "
            f"with {low} tokens of each, question and answer take about {context_tokens - room + fewest}. "
            f"Show at most {fitting} texts, choose fewer, or take a model with a larger context"
        )
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _line_tokens(_lines(shown, middle)) <= room else (low, middle - 1)
    return _lines(shown, low)


def _lines(shown: Sequence[str], text_tokens: int) -> list[str]:
    return [numbered_line(number, shorten(text, text_tokens)) for number, text in enumerate(shown)]


def _line_tokens(lines: Sequence[str]) -> int:
    return sum(count_tokens(line) + 1 for line in lines)


def _end_of(text: str, max_tokens: int) -> str:
    """The last words of a text, with a mark where earlier words are left out."""
    words: list[str] = []
    left = max_tokens
    for word in reversed(text.split()):
        left -= count_tokens(word)
        if left < 0:
            return " ".join(("[…]", *reversed(words))) if words else shorten(text, max_tokens)
        words.append(word)
    return " ".join(reversed(words))


def _schema(labels: Sequence[str]) -> dict[str, Any]:
    """The JSON schema of an answer: thoughts first, so that the picks can follow from them."""
    label: dict[str, Any] = {"type": "string", **({"enum": list(labels)} if labels else {})}
    pick = exact_object({"number": {"type": "integer"}, "label": label})
    return exact_object({"reasoning": {"type": "string"}, "picks": {"type": "array", "items": pick}})
