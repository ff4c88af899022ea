"""The connection to OpenAI and to every server with its chat completions, such as Ollama, vLLM and llama.cpp."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from httpx2 import AsyncClient, RequestError
from openai import APIConnectionError, APIStatusError, AsyncOpenAI, OpenAIError

from model.llm.chat import Reply
from model.llm.provider.attempts import AttemptError, GarbledError, Provider, RefusedError, UnreachedError
from model.llm.provider.completions import read_completion
from model.llm.provider.config import LLMConfig
from model.llm.provider.connection import connection_error, open_http

# The SDK sends no question without a key; servers that want no key ignore this one.
_NO_KEY = "none"


def connect(config: LLMConfig) -> Provider:
    """The entry that `PROVIDERS` calls."""
    return OpenAIProvider(config)


class OpenAIProvider:
    """Chat completions of OpenAI's protocol."""

    # Older servers know only `max_tokens`; OpenAI's newer models know only `max_completion_tokens`.
    optional: Mapping[str, str | None] = {
        "response_format": None,
        "temperature": None,
        "max_tokens": "max_completion_tokens",
    }

    def __init__(self, config: LLMConfig) -> None:
        self._key = config.api_key.strip() or _NO_KEY
        # An address without a path gets the API's usual path.
        self._url = config.address if urlsplit(config.address).path else f"{config.address}/v1"
        self._timeout_s = config.timeout_s

    async def complete(self, parameters: Mapping[str, Any]) -> Reply:
        """See `Provider`."""
        with _openai_errors():
            async with open_http(self._timeout_s) as http:
                # The raw answer, since the SDK checks the content type and not the shape.
                answer = await self._open(http).chat.completions.with_raw_response.create(**parameters)
                return read_completion(answer.http_response.json())

    async def model_names(self) -> frozenset[str]:
        """See `Provider`."""
        with _openai_errors():
            async with open_http(self._timeout_s) as http:
                answer = await self._open(http).models.with_raw_response.list()
                raw = answer.http_response.json()
        listed = raw.get("data") if isinstance(raw, dict) else None
        return frozenset(str(model["id"]) for model in listed or () if isinstance(model, dict) and "id" in model)

    def _open(self, http: AsyncClient) -> AsyncOpenAI:
        return AsyncOpenAI(api_key=self._key, base_url=self._url, http_client=http, max_retries=0)


@contextmanager
def _openai_errors() -> Iterator[None]:
    """Turn the SDK's errors into attempt errors."""
    try:
        yield
    except APIStatusError as error:
        raise RefusedError(error.status_code, error.response.text, error.response.headers) from None
    except APIConnectionError as error:
        raise _sdk_connection_error(error) from None
    except RequestError as error:
        raise connection_error(error) from None
    except (OpenAIError, ValueError):
        raise GarbledError from None


def _sdk_connection_error(error: APIConnectionError) -> AttemptError:
    cause = error.__cause__
    return connection_error(cause) if isinstance(cause, RequestError) else UnreachedError("the connection broke")
