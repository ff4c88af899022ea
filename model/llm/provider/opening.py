"""Open a chat with a provider, or check that the provider answers."""

from dataclasses import replace
from importlib import import_module

from model.errors import LLMModelError
from model.llm.chat import Chat, Message
from model.llm.provider.attempts import GarbledError, Provider, RefusedError
from model.llm.provider.config import LLMConfig, require_usable
from model.llm.provider.provider_chat import ProviderChat
from model.llm.provider.providers import PROVIDERS
from model.llm.provider.retrying import retry_until_deadline

CHECK_TIMEOUT_S = 10.0
# Enough for one word; few models refuse so low a limit.
CHECK_ANSWER_TOKENS = 16
_NAMED_MODELS = 8


def open_chat(config: LLMConfig) -> Chat:
    """Open a chat with the config's model; nothing is sent before the first question.

    Raises:
        LLMKeyError: the key is missing where the provider wants one.
        LLMError: the config names no model, or the address is no URL of a server.
    """
    require_usable(config)
    return ProviderChat(_connect, config)


def check_llm(config: LLMConfig) -> str:
    """Send the cheapest question that shows whether the provider answers.

    Listing the models costs nothing. Some providers have no list, and some answer to models that they don't list; the
    model is then asked to say one word.

    Returns:
        A sentence for people.

    Raises:
        LLMError: the provider does not answer; the kinds are those of `Chat.ask`. Each question takes 10 s at most.
    """
    require_usable(config)
    config = replace(
        config,
        timeout_s=min(config.timeout_s, CHECK_TIMEOUT_S),
        retries=min(config.retries, 1),
        max_answer_tokens=CHECK_ANSWER_TOKENS,
    )
    listed = _listed_models(config)
    if config.model in listed:
        return f"{config.host} answers and has the model {config.model!r}"
    try:
        ProviderChat(_connect, config).ask([Message("user", "Say yes.")])
    except LLMModelError as error:
        raise LLMModelError(_with_listed(str(error), listed)) from None
    return f"{config.host} answers with the model {config.model!r}"


def _connect(config: LLMConfig) -> Provider:
    """Load the provider's SDK and connect. A process that asks no LLM never loads an SDK."""
    provider: Provider = import_module(PROVIDERS[config.provider].module).connect(config)
    return provider


def _listed_models(config: LLMConfig) -> frozenset[str]:
    """The models that the provider lists; empty where the provider has no list for this key."""
    provider = _connect(config)

    async def list_models() -> frozenset[str]:
        try:
            return await provider.model_names()
        except GarbledError:
            return frozenset()
        except RefusedError as refused:
            if refused.status == 401 or refused.is_passing:
                raise
            return frozenset()

    return retry_until_deadline(config, list_models)


def _with_listed(sentence: str, listed: frozenset[str]) -> str:
    return f"{sentence}; it lists {', '.join(sorted(listed)[:_NAMED_MODELS])}" if listed else sentence
