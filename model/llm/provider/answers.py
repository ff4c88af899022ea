"""What a provider does for the chat that asks it, and the ways in which it fails to."""

import math
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

from model.errors import LLMError
from model.llm.chat import Reply

# How providers say that the answer has all the tokens that it may have.
_CUT = ("length", "model_length")


class AttemptError(LLMError):
    """An attempt that brought nothing. It never leaves this package: what a provider says may repeat the question.

    Attributes:
        is_passing: whether the same question may be answered a little later.
        retry_after_s: when, if the provider said so.
    """

    is_passing = False
    retry_after_s: float | None = None


class RefusedError(AttemptError):
    """The provider answered with an HTTP status that is no success."""

    def __init__(self, status: int, body: str, headers: Mapping[str, str]) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.body = body
        # Rate limits and the server's own errors.
        self.is_passing = status == 429 or status >= 500
        self.retry_after_s = retry_after_s(headers)


class UnreachedError(AttemptError):
    """There was no connection, or it broke; the message says which."""

    is_passing = True


class SilentError(AttemptError):
    """The provider took the question and did not answer in time."""


class GarbledError(AttemptError):
    """The provider answered with something else than its protocol has."""


class Provider(Protocol):
    """One provider's SDK, a connection an attempt; retries and the time for them all are the caller's."""

    @property
    def optional(self) -> Mapping[str, str | None]:
        """Parameters that some of its models or servers refuse, and which to name instead (None: leave it out)."""

    async def complete(self, parameters: Mapping[str, Any]) -> Reply:
        """Answer a chat completion's parameters, as OpenAI names them.

        Raises:
            AttemptError: there is no answer.
        """

    async def model_names(self) -> frozenset[str]:
        """The models that it lists.

        Raises:
            AttemptError: there is no list.
        """


def read_completion(raw: Any) -> Reply:
    """A chat completion in JSON, as OpenAI, Mistral and those who imitate them write it.

    Raises:
        GarbledError: it is none.
    """
    try:
        choice = raw["choices"][0]
        text = _text(choice["message"].get("content"))
        usage = raw.get("usage") or {}
        return Reply(text, _count(usage, "prompt_tokens"), _count(usage, "completion_tokens"), _is_cut(choice))
    except (LookupError, TypeError, AttributeError):
        raise GarbledError from None


def _text(content: Any) -> str:
    """Models that think aloud write a list of parts; only those of type text are the answer."""
    if isinstance(content, list):
        return "".join(part["text"] for part in content if part.get("type") == "text")
    return content if isinstance(content, str) else ""


def _count(usage: Mapping[str, Any], name: str) -> int:
    count = usage.get(name)
    return count if isinstance(count, int) and count > 0 else 0


def _is_cut(choice: Mapping[str, Any]) -> bool:
    return choice.get("finish_reason") in _CUT


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """When a provider wants to be asked again, from now; None if it does not say or what it says is no time."""
    said = headers.get("retry-after", "")
    try:
        seconds = float(said)
    except ValueError:
        seconds = _until(said)
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _until(date: str) -> float:
    try:
        when = parsedate_to_datetime(date)
    except (TypeError, ValueError):
        return math.nan
    return (when.replace(tzinfo=when.tzinfo or timezone.utc) - datetime.now(timezone.utc)).total_seconds()
