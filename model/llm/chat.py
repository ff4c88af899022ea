"""The interface of an LLM to all other code: messages in, a reply and its tokens out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol


@dataclass(frozen=True)
class Message:
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class Reply:
    """An LLM's answer to a conversation.

    Attributes:
        text: the whole answer.
        prompt_tokens: tokens of the conversation, as the provider counts them.
        completion_tokens: tokens of the answer.
        is_cut: whether the answer ended at its upper limit of tokens.
    """

    text: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    is_cut: bool = False


class Chat(Protocol):
    """Anything that answers a conversation."""

    @property
    def model(self) -> str:
        """The name of the model; a remembered answer belongs to one model."""

    @property
    def context_tokens(self) -> int:
        """Upper limit of question and answer together, in tokens."""

    def ask(self, messages: Sequence[Message], schema: Mapping[str, Any] | None = None) -> Reply:
        """Answer a conversation.

        Args:
            messages: the turns so far; the last one is a user's.
            schema: the JSON schema of the answer; only some providers make the model follow a schema.

        Raises:
            LLMError: no answer came; the subclass says why.
        """
