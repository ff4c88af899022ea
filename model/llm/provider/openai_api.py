"""OpenAI, and every server that speaks its chat completions (Ollama, vLLM, llama.cpp …), by OpenAI's SDK."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from httpx2 import AsyncClient, RequestError
from openai import APIConnectionError, APIStatusError, AsyncOpenAI, OpenAIError

from model.llm.chat import Reply
from model.llm.provider.answers import AttemptError, GarbledError, RefusedError, UnreachedError, read_completion
from model.llm.provider.config import LLMConfig
from model.llm.provider.connection import connection_error, open_http

# The SDK sends no question without a key; servers that want none don't look at it.
_NO_KEY = "none"


class OpenAIProvider:
    """Chat completions of OpenAI's protocol."""

    # Older servers know only `max_tokens`, OpenAI's newer models only the other.
    optional: Mapping[str, str | None] = {
        "response_format": None,
        "temperature": None,
        "max_tokens": "max_completion_tokens",
    }

    def __init__(self, config: LLMConfig) -> None:
        self._key = config.api_key.strip() or _NO_KEY
        # An address of nothing but a host has the API where everybody has it.
        self._url = config.address if urlsplit(config.address).path else f"{config.address}/v1"
        self._timeout_s = config.timeout_s

    async def complete(self, parameters: Mapping[str, Any]) -> Reply:
        """See `Provider`."""
        with _translated():
            async with open_http(self._timeout_s) as http:
                # The raw answer: the SDK passes on whatever came with the right content type, in any shape.
                answer = await self._open(http).chat.completions.with_raw_response.create(**parameters)
                return read_completion(answer.http_response.json())

    async def model_names(self) -> frozenset[str]:
        """See `Provider`."""
        with _translated():
            async with open_http(self._timeout_s) as http:
                answer = await self._open(http).models.with_raw_response.list()
                raw = answer.http_response.json()
        listed = raw.get("data") if isinstance(raw, dict) else None
        return frozenset(str(model["id"]) for model in listed or () if isinstance(model, dict) and "id" in model)

    def _open(self, http: AsyncClient) -> AsyncOpenAI:
        return AsyncOpenAI(api_key=self._key, base_url=self._url, http_client=http, max_retries=0)


@contextmanager
def _translated() -> Iterator[None]:
    """Turn what the SDK raises into our errors."""
    try:
        yield
    except APIStatusError as error:
        raise RefusedError(error.status_code, error.response.text, error.response.headers) from None
    except APIConnectionError as error:
        raise _connection_error(error) from None
    except RequestError as error:
        raise connection_error(error) from None
    except (OpenAIError, ValueError):
        raise GarbledError from None


def _connection_error(error: APIConnectionError) -> AttemptError:
    cause = error.__cause__
    return connection_error(cause) if isinstance(cause, RequestError) else UnreachedError("the connection broke")
