"""The meaning of a provider's refusal. The refusal's body is never shown: it may repeat the prompt or the key."""

import json
import re
from collections.abc import Collection, Iterator
from typing import Any

from model.errors import LLMContextError, LLMError, LLMKeyError, LLMModelError, LLMUnavailableError
from model.llm.provider.attempts import AttemptError, RefusedError, SilentError, UnreachedError
from model.llm.provider.config import LLMConfig

# Words of OpenAI, Mistral, vLLM, Ollama, llama.cpp and gateways to them.
_CONTEXT = re.compile(
    r"context[ _-]?(length|window|size|limit)|maximum context|too (large|long) for model|prompt is too long"
    r"|exceed_context|reduce the length",
    re.IGNORECASE,
)
_MODEL = re.compile(
    r"model_not_found|(invalid|unknown)[ _]model|no such model|model\b.{0,80}\b(not found|not exist|not available)",
    re.IGNORECASE | re.DOTALL,
)
_CREDIT = re.compile(r"insufficient_quota|exceeded your current quota|insufficient (balance|credit)", re.IGNORECASE)
_PARAMETERS = {
    "response_format": re.compile(r"response[ _]?format|json[ _]?schema|structured[ _]output", re.IGNORECASE),
    "max_tokens": re.compile(r"max_tokens|max_completion_tokens"),
    "temperature": re.compile("temperature"),
}
# The fields in which validators repeat the question.
_ECHOES = ("input", "ctx", "value")


class LLMTimeoutError(LLMUnavailableError):
    """The provider took the question and did not answer in time, and may charge for the question all the same."""


def refused_parameter(refused: RefusedError, parameters: Collection[str]) -> str | None:
    """The parameter that the provider does not take; None where the refusal has another reason."""
    body = _body_text(refused.body)
    if refused.status not in (400, 422) or _CONTEXT.search(body):
        return None
    return next((name for name in parameters if name in _PARAMETERS and _PARAMETERS[name].search(body)), None)


def as_llm_error(error: AttemptError, config: LLMConfig, attempts: int, seconds: float) -> LLMError:
    """The error for people: status codes and our own words, no words of the provider."""
    so_far = f"asked {attempts} times in {seconds:.0f} s" if attempts > 1 else "asked once"
    if isinstance(error, RefusedError):
        return _refusal(error, config, so_far)
    if isinstance(error, UnreachedError):
        return LLMUnavailableError(
            f"{config.host} cannot be reached ({error}, {so_far}): look at the network and LLM_BASE_URL"
        )
    if isinstance(error, SilentError):
        return LLMTimeoutError(
            f"{config.host} did not answer within {config.timeout_s:g} s ({so_far}): "
            f"give it more time by LLM_TIMEOUT_S, or use a faster model"
        )
    return LLMError(
        f"{config.host} answered with something that is no chat completion: "
        f"LLM_BASE_URL should lead to a server with the chat API of LLM_PROVIDER={config.provider}"
    )


def _refusal(refused: RefusedError, config: LLMConfig, so_far: str) -> LLMError:
    status, body, who = refused.status, _body_text(refused.body), config.host
    if status in (400, 403, 404, 422) and _MODEL.search(body):
        return LLMModelError(f"{who} does not know the model {config.model!r} ({status}): set LLM_MODEL to another")
    if status in (401, 403):
        return LLMKeyError(f"{who} refuses the API key ({status}): look at {config.key_setting}")
    if status == 413 or (status in (400, 422) and _CONTEXT.search(body)):
        return LLMContextError(
            f"the question does not fit into the context of {config.model!r} ({status} from {who}): "
            f"set LLM_CONTEXT_TOKENS to what the model can take"
        )
    if status == 404:
        return LLMModelError(
            f"{who} has no model {config.model!r}, or no chat API at this address ({status}): "
            f"look at LLM_MODEL and LLM_BASE_URL"
        )
    if status == 402 or (status == 429 and _CREDIT.search(body)):
        return LLMUnavailableError(f"the account at {who} has no credit left ({status}, {so_far}): top it up there")
    if refused.is_passing:
        return LLMUnavailableError(f"{who} answers {status} ({so_far}): it is overloaded, broken or limits requests")
    if 300 <= status < 400:
        return LLMError(f"{who} redirects ({status}), which is not followed: set LLM_BASE_URL to where it leads")
    return LLMError(f"{who} refuses the question ({status}) and does not say why in words that we know")


def _body_text(body: str) -> str:
    """The strings of an error body, without the fields that repeat the question."""
    try:
        return "\n".join(_strings(json.loads(body)))
    except (ValueError, RecursionError):
        return body


def _strings(raw: Any) -> Iterator[str]:
    if isinstance(raw, dict):
        for name, value in raw.items():
            if name not in _ECHOES:
                yield from _strings(value)
    elif isinstance(raw, list):
        for value in raw:
            yield from _strings(value)
    elif isinstance(raw, str):
        yield raw
