"""The connection to Mistral, through Mistral's SDK."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from httpx2 import AsyncClient, RequestError
from mistralai.client import Mistral
from mistralai.client.errors import MistralError, NoResponseError, ResponseValidationError
from mistralai.client.utils.logger import NoOpLogger

from model.llm.chat import Reply
from model.llm.provider.attempts import GarbledError, Provider, RefusedError
from model.llm.provider.completions import read_completion
from model.llm.provider.config import LLMConfig
from model.llm.provider.connection import connection_error, open_http


def connect(config: LLMConfig) -> Provider:
    """The entry that `PROVIDERS` calls."""
    return MistralProvider(config)


class MistralProvider:
    """Chat completions of Mistral's protocol."""

    optional: Mapping[str, str | None] = {"response_format": None, "temperature": None}

    def __init__(self, config: LLMConfig) -> None:
        self._key = config.api_key.strip()
        self._url = config.address.removesuffix("/v1")
        self._timeout_s = config.timeout_s

    async def complete(self, parameters: Mapping[str, Any]) -> Reply:
        """See `Provider`."""
        with _mistral_errors():
            async with open_http(self._timeout_s) as http:
                return read_completion(await self._completion(http, parameters))

    async def _completion(self, http: AsyncClient, parameters: Mapping[str, Any]) -> Any:
        try:
            return (await self._open(http).chat.complete_async(**parameters)).model_dump(by_alias=True)
        except ResponseValidationError as error:
            if error.status_code != 200:
                raise
            # The SDK wants fields that imitators of Mistral leave out; nothing here reads the fields.
            return json.loads(error.body)

    async def model_names(self) -> frozenset[str]:
        """See `Provider`."""
        with _mistral_errors():
            async with open_http(self._timeout_s) as http:
                listed = await self._open(http).models.list_async()
        models = [model.model_dump() for model in listed.data or ()]
        return frozenset(name for model in models for name in (model.get("id"), *(model.get("aliases") or ())) if name)

    def _open(self, http: AsyncClient) -> Mistral:
        # Without a logger from us, MISTRAL_DEBUG makes the SDK log headers and bodies.
        sdk = Mistral(api_key=self._key, server_url=self._url, async_client=http, debug_logger=NoOpLogger())
        # MISTRAL_SDK_TELEMETRY makes the SDK send questions and answers to another address.
        vars(sdk.sdk_configuration)["telemetry"] = False
        return sdk


@contextmanager
def _mistral_errors() -> Iterator[None]:
    """Turn the SDK's errors into attempt errors."""
    try:
        yield
    except MistralError as error:
        # The SDK also raises for a success in another content type.
        is_refusal = error.status_code >= 300
        raise (RefusedError(error.status_code, error.body, error.headers) if is_refusal else GarbledError()) from None
    except RequestError as error:
        raise connection_error(error) from None
    except (NoResponseError, ValueError):
        raise GarbledError from None
