"""The way to an LLM: open a chat with a provider, or look whether it would answer."""

from dataclasses import replace

from model.errors import LLMModelError
from model.llm.chat import Chat, Message
from model.llm.provider.answers import GarbledError, Provider, RefusedError
from model.llm.provider.config import LLMConfig, require_usable
from model.llm.provider.provider_chat import ProviderChat
from model.llm.provider.retrying import insist

__all__ = ["LLMConfig", "check", "open_chat"]

CHECK_TIMEOUT_S = 10.0
# Enough for a word, and few models refuse so few.
CHECK_ANSWER_TOKENS = 16
_NAMED_MODELS = 8


def open_chat(config: LLMConfig) -> Chat:
    """A chat with the config's model; nothing is sent before it is asked.

    Raises:
        LLMKeyError: there is no key and the provider wants one.
        LLMError: the model is not named, or the address is none.
    """
    require_usable(config)
    return ProviderChat(_connect, config)


def check(config: LLMConfig) -> str:
    """Ask the provider the cheapest question that shows whether it would answer.

    That is the list of its models, for nothing; a model that is not in it, or a provider without one, is asked to
    say a word: some answer to names that they don't list.

    Returns:
        A sentence for people.

    Raises:
        LLMError: it would not; of the same kinds as `ask` raises, after 10 seconds at most for each question.
    """
    require_usable(config)
    config = replace(
        config,
        timeout_s=min(config.timeout_s, CHECK_TIMEOUT_S),
        retries=min(config.retries, 1),
        max_answer_tokens=CHECK_ANSWER_TOKENS,
    )
    names = _listed_models(config)
    if config.model in names:
        return f"{config.host} answers and has the model {config.model!r}"
    try:
        ProviderChat(_connect, config).ask([Message("user", "Say yes.")])
    except LLMModelError as error:
        raise LLMModelError(_with_offers(str(error), names)) from None
    return f"{config.host} answers with the model {config.model!r}"


def _connect(config: LLMConfig) -> Provider:
    """Load the provider's SDK: whoever has no LLM never pays for that."""
    if config.provider == "mistral":
        from model.llm.provider.mistral import MistralProvider  # noqa: PLC0415

        return MistralProvider(config)
    from model.llm.provider.openai_api import OpenAIProvider  # noqa: PLC0415

    return OpenAIProvider(config)


def _listed_models(config: LLMConfig) -> frozenset[str]:
    """Names of models; none where listing is not offered, or not to this key."""

    provider = _connect(config)

    async def names() -> frozenset[str]:
        try:
            return await provider.model_names()
        except GarbledError:
            return frozenset()
        except RefusedError as refused:
            if refused.status == 401 or refused.is_passing:
                raise
            return frozenset()

    return insist(config, names)


def _with_offers(sentence: str, names: frozenset[str]) -> str:
    return f"{sentence}; it lists {', '.join(sorted(names)[:_NAMED_MODELS])}" if names else sentence
