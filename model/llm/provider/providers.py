"""The table of LLM providers. A new provider takes a row here and a module with its connection."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ProviderRow:
    """The settings of one provider.

    Attributes:
        key_setting: the environment variable with the API key.
        address: the base URL of the provider's own server.
        default_model: the model where LLM_MODEL names none.
        module: the module of the connection; its `connect(config)` returns a `Provider`. Loading it loads the SDK.
        needs_key_elsewhere: whether a server at another address wants a key too.
    """

    key_setting: str
    address: str
    default_model: str
    module: str
    needs_key_elsewhere: bool


PROVIDERS = {
    "mistral": ProviderRow(
        key_setting="MISTRAL_API_KEY",
        address="https://api.mistral.ai",
        default_model="mistral-large-latest",
        module="model.llm.provider.mistral",
        needs_key_elsewhere=True,
    ),
    # Any server with OpenAI's chat completions; Ollama and vLLM need no key.
    "openai": ProviderRow(
        key_setting="OPENAI_API_KEY",
        address="https://api.openai.com",
        default_model="gpt-4o",
        module="model.llm.provider.openai_api",
        needs_key_elsewhere=False,
    ),
}
"""By the name that LLM_PROVIDER gives."""

PROVIDER_CHOICE = " or ".join(PROVIDERS)
"""The names of all providers, for messages."""


def model_names(provider: str, llm_model: str) -> tuple[str, ...]:
    """The models in LLM_MODEL, which may name several with commas between them; by default the provider's own.

    Args:
        provider: a key of `PROVIDERS`.
        llm_model: the value of LLM_MODEL.
    """
    names = tuple(name.strip() for name in llm_model.split(",") if name.strip())
    return names or (PROVIDERS[provider].default_model,)
