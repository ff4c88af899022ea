"""How to reach an LLM, and what of it can be seen to be wrong before anybody is asked."""

from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from model.errors import LLMError, LLMKeyError, LLMModelError

ProviderName = Literal["mistral", "openai"]
ADDRESSES: dict[ProviderName, str] = {"mistral": "https://api.mistral.ai", "openai": "https://api.openai.com"}
DEFAULT_MODELS: dict[ProviderName, str] = {"mistral": "mistral-large-latest", "openai": "gpt-4o"}
KEY_SETTINGS: dict[ProviderName, str] = {"mistral": "MISTRAL_API_KEY", "openai": "OPENAI_API_KEY"}


def model_names(provider: ProviderName, named: str) -> tuple[str, ...]:
    """The models of LLM_MODEL, several with commas between them; where it names none, the provider's usual one."""
    names = tuple(name.strip() for name in named.split(",") if name.strip())
    return names or (DEFAULT_MODELS[provider],)


@dataclass(frozen=True)
class LLMConfig:
    """A model of a provider.

    Attributes:
        provider: whose protocol; `openai` is anything that speaks OpenAI's chat completions.
        base_url: the server's address, with or without the /v1 at its end; empty: the provider's own.
        timeout_s: most seconds for one asking, all retries and waits included.
        retries: how often more it is asked after 429, 5xx or a connection that did not come about.
        context_tokens: most tokens that question and answer may have together.
        max_answer_tokens: most tokens that the answer may have.
    """

    provider: ProviderName
    model: str
    base_url: str = ""
    api_key: str = field(default="", repr=False)
    timeout_s: float = 45.0
    retries: int = 3
    context_tokens: int = 32_000
    max_answer_tokens: int = 4096

    @property
    def address(self) -> str:
        """Where the provider is, without a slash at the end."""
        return (self.base_url or ADDRESSES[self.provider]).rstrip("/")

    @property
    def host(self) -> str:
        """Who is asked, for messages: an address may have more in it than people should read in a log."""
        parts = urlsplit(self.address)
        return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)

    @property
    def key_setting(self) -> str:
        """The setting that has the API key."""
        return KEY_SETTINGS[self.provider]

    @property
    def identity(self) -> str:
        """What an answer depends on besides the question and the model's name."""
        return f"{self.provider} {self.address} {self.max_answer_tokens}"


def require_usable(config: LLMConfig) -> None:
    """Look at address, model and key without asking anybody.

    Raises:
        LLMKeyError: there is no key and the provider wants one, or it has characters that no key has.
        LLMModelError: no model is named.
        LLMError: the address is none.
    """
    _require_address(config)
    if not config.model.strip():
        raise LLMModelError(f"no model: set LLM_MODEL to one that {config.host} offers")
    key = config.api_key.strip()
    if not key and not (config.provider == "openai" and config.base_url):
        raise LLMKeyError(f"no API key for {config.host}: set {config.key_setting}")
    # A header cannot carry anything else; the HTTP client's own error would show the key.
    if not all("!" <= character <= "~" for character in key):
        raise LLMKeyError(f"{config.key_setting} has spaces or other characters that no key has: copy it anew")


def _require_address(config: LLMConfig) -> None:
    try:
        parts = urlsplit(config.address)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise LLMError("LLM_BASE_URL is no address: it should look like http://localhost:11434/v1")
    if parts.username is not None or parts.query:
        raise LLMError(f"LLM_BASE_URL has more than an address in it: the key belongs in {config.key_setting}")
