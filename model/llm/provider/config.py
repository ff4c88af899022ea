"""How to reach a model of a provider, and the checks of that before anything is sent."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from model.errors import LLMError, LLMKeyError, LLMModelError
from model.llm.provider.providers import PROVIDERS


@dataclass(frozen=True)
class LLMConfig:
    """How to reach a model of a provider.

    Attributes:
        provider: a key of `PROVIDERS`; `openai` is any server with OpenAI's chat completions.
        model: the model's name.
        base_url: the server's address, with or without the /v1 at its end; empty: the provider's own server.
        api_key: the secret that the provider wants; empty where a server wants none.
        timeout_s: upper limit for one question, with all retries and waits.
        retries: upper limit of further tries after 429, 5xx or a failed connection.
        context_tokens: upper limit of question and answer together.
        max_answer_tokens: upper limit of the answer.
    """

    provider: str
    model: str
    base_url: str = ""
    api_key: str = field(default="", repr=False)
    timeout_s: float = 45.0
    retries: int = 3
    context_tokens: int = 32_000
    max_answer_tokens: int = 4096

    @property
    def address(self) -> str:
        """The server's base URL without a slash at the end."""
        return (self.base_url or PROVIDERS[self.provider].address).rstrip("/")

    @property
    def host(self) -> str:
        """The server's host and port, for messages; the rest of an address may hold a secret."""
        parts = urlsplit(self.address)
        return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)

    @property
    def key_setting(self) -> str:
        """The environment variable with the API key."""
        return PROVIDERS[self.provider].key_setting

    @property
    def identity(self) -> str:
        """Everything in this config that an answer depends on, without the model's name."""
        return f"{self.provider} {self.address} {self.max_answer_tokens}"


def require_usable(config: LLMConfig) -> None:
    """Check address, model and key without sending anything.

    Raises:
        LLMKeyError: the key is missing where the provider wants one, or has a character that no key has.
        LLMModelError: the config names no model.
        LLMError: the address is no URL of a server.
    """
    _require_address(config)
    if not config.model.strip():
        raise LLMModelError(f"no model: set LLM_MODEL to one that {config.host} offers")
    key = config.api_key.strip()
    if not key and (not config.base_url or PROVIDERS[config.provider].needs_key_elsewhere):
        raise LLMKeyError(f"no API key for {config.host}: set {config.key_setting}")
    # An HTTP header takes no other characters, and the HTTP client's own error would show the key.
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
