"""One attempt to get an answer: the protocol that every provider's connection fills, and the ways to fail."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

from model.errors import LLMError
from model.llm.chat import Reply


class AttemptError(LLMError):
    """A failed attempt. This error never leaves the folder, since the provider's words may repeat the question.

    Attributes:
        is_passing: whether the same question may get an answer a little later.
        retry_after_s: the wait that the provider asks for; None where the provider names none.
    """

    is_passing = False
    retry_after_s: float | None = None


class RefusedError(AttemptError):
    """The provider answered with an HTTP status other than success."""

    def __init__(self, status: int, body: str, headers: Mapping[str, str]) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.body = body
        # Rate limits and the server's own errors pass.
        self.is_passing = status == 429 or status >= 500
        self.retry_after_s = parse_retry_after(headers)


class UnreachedError(AttemptError):
    """No connection came about, or the connection broke; the message says which."""

    is_passing = True


class SilentError(AttemptError):
    """The provider took the question and did not answer in time."""


class GarbledError(AttemptError):
    """The provider's answer does not follow the provider's protocol."""


class Provider(Protocol):
    """One provider's SDK. Every attempt opens its own connection; the caller repeats attempts and limits their time."""

    @property
    def optional(self) -> Mapping[str, str | None]:
        """Parameters that some models or servers refuse, each with the parameter to send instead (None: none)."""

    async def complete(self, parameters: Mapping[str, Any]) -> Reply:
        """Send a chat completion's parameters, under OpenAI's names, and return the answer.

        Raises:
            AttemptError: no answer came.
        """

    async def model_names(self) -> frozenset[str]:
        """The models that the provider lists.

        Raises:
            AttemptError: no list came.
        """


def parse_retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds until the provider wants the next attempt; None where the header is missing or no time."""
    header = headers.get("retry-after", "")
    try:
        seconds = float(header)
    except ValueError:
        seconds = _seconds_until(header)
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _seconds_until(date: str) -> float:
    try:
        when = parsedate_to_datetime(date)
    except (TypeError, ValueError):
        return math.nan
    return (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
