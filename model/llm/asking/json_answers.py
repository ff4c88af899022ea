"""Ask for answers in JSON: their schema, and asking once more where an answer cannot be read."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from model.errors import UnreadableAnswerError
from model.llm.asking.framing import shorten
from model.llm.chat import Chat, Message

# Upper limit of the tokens that asking again adds: the repeated beginning of the answer, and its fault.
AGAIN_TOKENS = 250
_BEGINNING_TOKENS = 150

Answer = TypeVar("Answer")


def ask_twice(
    chat: Chat, messages: Sequence[Message], schema: Mapping[str, Any], read: Callable[[str], Answer]
) -> Answer | None:
    """Ask an LLM, and ask again where its answer cannot be read.

    Args:
        chat: the LLM.
        messages: the conversation.
        schema: the JSON schema of the answer.
        read: reads an answer; raises UnreadableAnswerError.

    Returns:
        The first answer that can be read; None if both cannot.

    Raises:
        LLMError: the LLM does not answer.
    """
    reply = chat.ask(messages, schema)
    try:
        return read(reply.text)
    except UnreadableAnswerError as error:
        repeated = chat.ask(asking_again(messages, reply.text, str(error)), schema)
    try:
        return read(repeated.text)
    except UnreadableAnswerError:
        return None


def asking_again(messages: Sequence[Message], answer: str, reason: str) -> tuple[Message, ...]:
    """The conversation that asks again after an unreadable answer.

    Args:
        messages: the conversation so far.
        answer: the unreadable answer; the conversation repeats its beginning.
        reason: the fault of the answer.
    """
    # Providers refuse an empty turn.
    beginning = shorten(answer, _BEGINNING_TOKENS) or "(nothing)"
    wrong = f"That cannot be used: {reason}. Answer again, with the JSON object alone."
    return (*messages, Message("assistant", beginning), Message("user", wrong))


def exact_object(properties: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of an object with exactly these properties, since providers refuse looser schemas."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }
