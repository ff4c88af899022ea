"""Chat completions in JSON, as OpenAI, Mistral and their imitators write them."""

from collections.abc import Mapping
from typing import Any

from model.llm.chat import Reply
from model.llm.provider.attempts import GarbledError

# The finish reasons of an answer that reached its upper limit of tokens.
_CUT_REASONS = ("length", "model_length")


def read_completion(raw: Any) -> Reply:
    """Read a chat completion.

    Raises:
        GarbledError: the JSON is no chat completion.
    """
    try:
        choice = raw["choices"][0]
        text = _answer_text(choice["message"].get("content"))
        usage = raw.get("usage") or {}
        return Reply(
            text,
            prompt_tokens=_token_count(usage, "prompt_tokens"),
            completion_tokens=_token_count(usage, "completion_tokens"),
            is_cut=choice.get("finish_reason") in _CUT_REASONS,
        )
    except (LookupError, TypeError, AttributeError):
        raise GarbledError from None


def _answer_text(content: Any) -> str:
    """The answer without the thoughts: models that think aloud write a list of parts, and parts of type text answer."""
    if isinstance(content, list):
        return "".join(part["text"] for part in content if part.get("type") == "text")
    return content if isinstance(content, str) else ""


def _token_count(usage: Mapping[str, Any], name: str) -> int:
    count = usage.get(name)
    return count if isinstance(count, int) and count > 0 else 0
