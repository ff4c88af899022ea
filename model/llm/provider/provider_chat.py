"""A chat with a provider, without the parameters that the provider refuses, and within a deadline."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from typing import Any

from model.llm.chat import Message, Reply
from model.llm.provider.attempts import Provider, RefusedError
from model.llm.provider.config import LLMConfig
from model.llm.provider.refusals import refused_parameter
from model.llm.provider.retrying import retry_until_deadline

log = logging.getLogger(__name__)

# A remembered answer should be the answer that the LLM would give again. The study took the chat pages' default; here
# askings differ in the order of the texts.
TEMPERATURE = 0.0


class ProviderChat:
    """A chat with one model of one provider. It keeps no connection, and remembers which parameters were refused."""

    def __init__(self, connect: Callable[[LLMConfig], Provider], config: LLMConfig) -> None:
        self._connect = connect
        self._config = config
        self._refused: frozenset[str] = frozenset()

    @property
    def model(self) -> str:
        """See `Chat`."""
        return self._config.model

    @property
    def context_tokens(self) -> int:
        """See `Chat`."""
        return self._config.context_tokens

    def ask(self, messages: Sequence[Message], schema: Mapping[str, Any] | None = None) -> Reply:
        """Answer a conversation.

        Raises:
            LLMKeyError: the provider refuses the key.
            LLMModelError: the provider does not know the model.
            LLMContextError: the question is too long for the model.
            LLMUnavailableError: no answer came within the time, retries included; an `LLMTimeoutError` where the
                provider took the question.
            LLMError: the provider refuses the question for another reason, or its answer cannot be read.
        """
        started = time.monotonic()
        reply = retry_until_deadline(self._config, lambda: self._complete(messages, schema))
        log.info(
            "event=llm_answered model=%s prompt_tokens=%d completion_tokens=%d seconds=%.1f",
            *(self.model, reply.prompt_tokens, reply.completion_tokens, time.monotonic() - started),
        )
        return reply

    @cached_property
    def _provider(self) -> Provider:
        """The connection. The first question loads the SDK, which takes half a second."""
        return self._connect(self._config)

    async def _complete(self, messages: Sequence[Message], schema: Mapping[str, Any] | None) -> Reply:
        while True:
            parameters = self._parameters(messages, schema)
            try:
                return await self._provider.complete(parameters)
            except RefusedError as refused:
                name = refused_parameter(refused, [name for name in self._provider.optional if name in parameters])
                if name is None:
                    raise
            log.warning("event=llm_parameter_refused model=%s parameter=%s", self.model, name)
            self._refused |= {name}

    def _parameters(self, messages: Sequence[Message], schema: Mapping[str, Any] | None) -> dict[str, Any]:
        """The parameters of a chat completion, without those that were refused before."""
        parameters: dict[str, Any] = {
            "model": self.model,
            "messages": [asdict(message) for message in messages],
            "max_tokens": self._config.max_answer_tokens,
            "temperature": TEMPERATURE,
        }
        if schema is not None:
            parameters["response_format"] = _response_format(schema)
        for name in self._refused:
            value = parameters.pop(name, None)
            substitute = self._provider.optional[name]
            if substitute is not None:
                parameters[substitute] = value
        return parameters


def _response_format(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": dict(schema), "strict": True}}
