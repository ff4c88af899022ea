"""What an LLM is to the rest of the house: messages in, a reply and its tokens out."""

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
    """What came back.

    Attributes:
        text: the answer, nothing cut.
        prompt_tokens: tokens that were read, as the provider counts them.
        completion_tokens: tokens that were written.
        is_cut: the answer ended because it reached the most tokens that it may have.
    """

    text: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    is_cut: bool = False


class Chat(Protocol):
    """Anything that answers a conversation."""

    @property
    def model(self) -> str:
        """Which model answers: part of what an answer is remembered by."""

    @property
    def context_tokens(self) -> int:
        """Most tokens that question and answer may have together."""

    def ask(self, messages: Sequence[Message], schema: Mapping[str, Any] | None = None) -> Reply:
        """Answer a conversation.

        Args:
            messages: the turns so far, a user's last.
            schema: a JSON schema of an object that the answer should follow, where the provider can be held to it.

        Raises:
            LLMError: there is no answer; its kind says why.
        """
