"""The settings, which are read from the environment once."""

import json
import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, SecretStr, ValidationError, create_model
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from backend.errors import ConfigurationError
from backend.secret_files import SUFFIX, read_secret_files
from backend.setting_values import (
    AllowedColdStartName,
    AllowedStrategyName,
    AutoOrOff,
    BindAddress,
    ColdStartName,
    Credential,
    ExploreShare,
    Folder,
    HookNames,
    HttpUrl,
    Key,
    LabelDescription,
    LabelStudioUrl,
    ProxyUrl,
    QuerySize,
    QueueSize,
    RetrainEvery,
    SecretCredential,
    StrategyName,
    listed,
)
from model.llm.provider import PROVIDER_CHOICE, PROVIDERS, model_names
from model.query.hooks import is_hook
from model.query.strategies import find_strategy
from model.types import Recipe

# The release; `pyproject.toml` has the same.
VERSION = "0.1.0"


class LLMLabels(StrEnum):
    """How an LLM's labels are used. Each value includes the values above it."""

    OFF = "off"
    """Not at all: the LLM chooses texts and labels none."""
    SHOW = "show"
    """People see the LLM's labels as pre-annotations until there is a classifier."""
    ROUTE = "route"
    """People first get texts that the LLM is unsure of, and check a fifth of its sure labels blind."""
    TRAIN = "train"
    """The classifier also trains on the LLM's sure labels, at a lower weight than people's labels."""

    def includes(self, use: "LLMLabels") -> bool:
        """Whether this value allows `use`.

        Args:
            use: another value of the setting.
        """
        uses = list(LLMLabels)
        return uses.index(self) >= uses.index(use)


def _default_cold_start(given: Mapping[str, Any]) -> str:
    """The default of COLD_START: the LLM's strategy if LLM_PROVIDER is set."""
    return LLM_START if given.get("llm_provider") else COLD_START


# The default of COLD_START without an LLM, and with an LLM.
COLD_START = "hybrid"
LLM_START = "activellm"


class ProjectSettings(BaseModel):
    """Settings that a project may override in the extra params of the Connect Model dialog, with lower-case keys.

    Attributes:
        retrain_every: fewest new labels between two trainings; 2 to 100,000.
        query_size: texts in one batch of a query strategy; 1 to 10,000.
        queue_size: texts that one publication writes to Label Studio; 1 to 1,000,000.
        strategy: the query strategy when there is a model.
        cold_start: the query strategy before the first model.
        explore: share of the queue drawn at random, in [0, 0.5].
        recipe: the way to train the classifier.
        llm_labels: how an LLM's labels are used.
        names: auto: the classifier learns from label names and descriptions.
        pool: auto: the classifier learns from unlabelled texts.
        label_descriptions: the meaning of each label, by label; overrides the labeling config. Only a project has
            label descriptions: no environment variable holds them.
        ask_for: controls of the labeling config whose questions say which text comes next; empty: all take turns.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    retrain_every: RetrainEvery = 16
    query_size: QuerySize = 32
    queue_size: QueueSize = 1000
    strategy: AllowedStrategyName = "hybrid"
    cold_start: AllowedColdStartName = COLD_START
    explore: ExploreShare = 0.1
    recipe: Recipe = Recipe.AUTO
    llm_labels: LLMLabels = LLMLabels.SHOW
    names: AutoOrOff = "auto"
    pool: AutoOrOff = "auto"
    label_descriptions: dict[str, LabelDescription] = Field(default_factory=dict)
    ask_for: tuple[str, ...] = ()


if TYPE_CHECKING:
    ProviderName = str
    _ProviderKeys = BaseSettings
else:
    ProviderName = Literal[tuple(PROVIDERS)]
    # One field for the API key of each provider: mistral_api_key, openai_api_key.
    _ProviderKeys = create_model(
        "_ProviderKeys",
        __base__=BaseSettings,
        **{
            row.key_setting.lower(): (Key, Field(default=None, validation_alias=row.key_setting))
            for row in PROVIDERS.values()
        },
    )


class Settings(_ProviderKeys):
    """All settings that the environment holds.

    Attributes:
        label_studio_url: Label Studio's address; the API key goes to no other origin.
        label_studio_api_key: a personal access token, or a legacy token if Label Studio allows legacy tokens.
        label_studio_proxy: a proxy on the way to Label Studio; unset: Label Studio is asked past all proxies.
        model_dir: folder of all state: model versions, publications, the embedded Redis.
        redis_url: unset: `serve` starts a private Redis.
        redis_password: the password of REDIS_URL's Redis, where the address holds none.
        host: address that the web server listens on.
        allow_anonymous: listen on other addresses than loopback without a password.
        allowed_hosts: names by which this backend may be called, separated by commas, beside addresses, localhost and
            the machine's own name; `*` for any name.
        rate_limit: requests in a second that one web process takes from one address in the long run; 0: no limit.
        workers: number of web processes, 1 to 64.
        threads: requests that one web process serves at the same time, 1 to 256.
        bert_model: a Hugging Face encoder, by name or folder; empty for the bundled all-MiniLM-L6-v2.
        llm_provider: unset: no text is sent to an LLM. `openai` stands for every server with OpenAI's chat API.
        llm_model: one model, or several models separated by commas; all of them sit in the committee.
        llm_max_tokens_total: most tokens, read and written, that one project may use; unset: no limit.
        llm_timeout_s: seconds for one question to the LLM, retries included; 1 to 3600.
        llm_context_tokens: most tokens that the model can read and write in one exchange; at least 1,000.
        llm_price_input: price of a million tokens read, in any currency; unset: status shows no cost.
        llm_price_output: price of a million tokens written, in the same currency.
        ordering_hooks: functions that projects may name as strategy or cold_start, separated by commas.
    """

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True, extra="ignore", populate_by_name=True)

    label_studio_url: LabelStudioUrl = Field(
        default="http://localhost:8080",
        validation_alias=AliasChoices("LABEL_STUDIO_URL", "LABEL_STUDIO_HOST"),
    )
    label_studio_api_key: Key = Field(default=None, validation_alias="LABEL_STUDIO_API_KEY")
    label_studio_proxy: ProxyUrl | None = Field(default=None, validation_alias="LABEL_STUDIO_PROXY")
    port: int = Field(default=9090, ge=1, le=65535, validation_alias="PORT")
    host: BindAddress = Field(default="127.0.0.1", validation_alias="HOST")
    allow_anonymous: bool = Field(default=False, validation_alias="ALLOW_ANONYMOUS")
    allowed_hosts: str = Field(default="", validation_alias="ALLOWED_HOSTS")
    rate_limit: float = Field(default=100.0, ge=0, le=1_000_000, validation_alias="RATE_LIMIT")
    model_dir: Folder = Field(default=Path("./data"), validation_alias="MODEL_DIR", validate_default=True)
    redis_url: str | None = Field(default=None, repr=False, pattern=r"^(rediss?|unix)://", validation_alias="REDIS_URL")
    redis_password: SecretStr | None = Field(default=None, validation_alias="REDIS_PASSWORD")
    basic_auth_user: Credential | None = Field(default=None, validation_alias="BASIC_AUTH_USER")
    basic_auth_pass: SecretCredential | None = Field(default=None, validation_alias="BASIC_AUTH_PASS")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(default="INFO", validation_alias="LOG_LEVEL")
    workers: int = Field(default=1, ge=1, le=64, validation_alias="WORKERS")
    threads: int = Field(default=8, ge=1, le=256, validation_alias="THREADS")
    bert_model: str = Field(default="", validation_alias=AliasChoices("BERT_MODEL", "BASELINE_MODEL_NAME"))

    llm_provider: ProviderName | None = Field(default=None, validation_alias="LLM_PROVIDER")
    llm_model: str = Field(default="", validation_alias="LLM_MODEL")
    llm_base_url: HttpUrl | None = Field(default=None, validation_alias="LLM_BASE_URL")
    llm_max_tokens_total: int | None = Field(default=None, ge=1, validation_alias="LLM_MAX_TOKENS_TOTAL")
    llm_timeout_s: float = Field(default=45.0, ge=1, le=3600, validation_alias="LLM_TIMEOUT_S")
    llm_context_tokens: int = Field(default=32_000, ge=1_000, validation_alias="LLM_CONTEXT_TOKENS")
    llm_price_input: float | None = Field(default=None, ge=0, validation_alias="LLM_PRICE_INPUT")
    llm_price_output: float | None = Field(default=None, ge=0, validation_alias="LLM_PRICE_OUTPUT")

    retrain_every: RetrainEvery = Field(
        default=16, validation_alias=AliasChoices("RETRAIN_EVERY", "START_TRAINING_EACH_N_UPDATES")
    )
    query_size: QuerySize = Field(default=32, validation_alias="QUERY_SIZE")
    queue_size: QueueSize = Field(default=1000, validation_alias="QUEUE_SIZE")
    strategy: StrategyName = Field(default="hybrid", validation_alias="STRATEGY")
    cold_start: ColdStartName = Field(default_factory=_default_cold_start, validation_alias="COLD_START")
    explore: ExploreShare = Field(default=0.1, validation_alias="EXPLORE")
    recipe: Recipe = Field(default=Recipe.AUTO, validation_alias="RECIPE")
    llm_labels: LLMLabels = Field(default=LLMLabels.SHOW, validation_alias="LLM_LABELS")
    names: AutoOrOff = Field(default="auto", validation_alias="NAMES")
    pool: AutoOrOff = Field(default="auto", validation_alias="POOL")
    ordering_hooks: HookNames = Field(default="", validation_alias="ORDERING_HOOKS")

    @property
    def is_locked(self) -> bool:
        """Whether requests need a password: BASIC_AUTH_USER and BASIC_AUTH_PASS are set."""
        return self.basic_auth_user is not None and self.basic_auth_pass is not None

    @property
    def host_in_url(self) -> str:
        """HOST as it stands in a URL: an IPv6 address in brackets."""
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def allowed_host_names(self) -> tuple[str, ...]:
        """The names of ALLOWED_HOSTS."""
        return listed(self.allowed_hosts)

    @property
    def allowed_hooks(self) -> frozenset[str]:
        """The ordering hooks that a project may name: those in ORDERING_HOOKS, STRATEGY and COLD_START."""
        own = (name for name in (self.strategy, self.cold_start) if is_hook(name))
        return frozenset({*listed(self.ordering_hooks), *own})

    @property
    def llm_name(self) -> str:
        """The provider and its first model, as shown to people and logs; empty without an LLM."""
        return f"{self.llm_provider} {self.llm_models[0]}" if self.llm_provider else ""

    @property
    def llm_models(self) -> tuple[str, ...]:
        """The models of the LLM: the first chooses texts, and all sit in the committee."""
        return model_names(self.llm_provider, self.llm_model) if self.llm_provider else ()

    @property
    def llm_key(self) -> str:
        """The provider's API key; empty if none is set."""
        if self.llm_provider is None:
            return ""
        key: SecretStr | None = getattr(self, PROVIDERS[self.llm_provider].key_setting.lower())
        return key.get_secret_value() if key else ""

    def for_project(self, extra_params: Mapping[str, Any]) -> ProjectSettings:
        """The settings of one project: these settings, overridden by the project's extra params.

        Args:
            extra_params: values by lower-case key.

        Raises:
            ConfigurationError: a key is unknown, or a value is wrong.
        """
        own = {name: getattr(self, name) for name in ProjectSettings.model_fields if name in Settings.model_fields}
        try:
            hooks = {"hooks": self.allowed_hooks}
            project = ProjectSettings.model_validate({**own, **extra_params}, context=hooks)
            self._check_start(project)
            return project
        except ValidationError as error:
            known = ", ".join(ProjectSettings.model_fields)
            raise ConfigurationError(
                f"extra params of the project: {_problems(error)} (known keys: {known})"
            ) from error

    def _check_start(self, project: ProjectSettings) -> None:
        if find_strategy(project.cold_start).asks_llm and not self.llm_provider:
            raise ConfigurationError(
                f"COLD_START: {project.cold_start} asks an LLM: set LLM_PROVIDER to {PROVIDER_CHOICE}, "
                f"or COLD_START to {COLD_START}"
            )


# The settings that a file may hold; X_FILE names the file of X. REDIS_URL is one: it may hold a password.
SECRETS = (
    *("LABEL_STUDIO_API_KEY", "LABEL_STUDIO_PROXY", "BASIC_AUTH_PASS", "REDIS_URL", "REDIS_PASSWORD"),
    *sorted({row.key_setting for row in PROVIDERS.values()}),
)


def environment_names() -> frozenset[str]:
    """The names of all environment variables that are settings: aliases and the names of secrets' files included."""
    aliases = (field.validation_alias for field in Settings.model_fields.values())
    named = (alias.choices if isinstance(alias, AliasChoices) else [alias] for alias in aliases)
    files = (name + SUFFIX for name in SECRETS)
    return frozenset((*(str(name) for names in named for name in names), *files))


def load_settings() -> Settings:
    """Read the environment, and the files with secrets that it names.

    Raises:
        ConfigurationError: a value or a file is wrong; the message names every bad key and never shows a secret.
    """
    secrets: dict[str, Any] = read_secret_files(SECRETS, os.environ)
    try:
        settings = Settings(**secrets)
    except ValidationError as error:
        raise ConfigurationError(f"settings: {_problems(error)}") from None
    if bool(settings.basic_auth_user) != bool(settings.basic_auth_pass):
        raise ConfigurationError("settings: BASIC_AUTH_USER and BASIC_AUTH_PASS must be set together or not at all")
    if settings.redis_password and not settings.redis_url:
        raise ConfigurationError("settings: REDIS_PASSWORD is the password of REDIS_URL: set that too, or unset both")
    settings.for_project({})
    return settings


def parse_extra_params(raw: Any) -> dict[str, Any]:
    """Read the extra params of the Connect Model dialog.

    Args:
        raw: None, an object, or an object as JSON text; keys may be in any case.

    Returns:
        Values by lower-case key; empty without extra params.

    Raises:
        ConfigurationError: `raw` has another form.
    """
    try:
        value = json.loads(raw.strip() or "{}") if isinstance(raw, str) else raw
    except ValueError as error:
        raise ConfigurationError(f"extra params of the project are not JSON ({error})") from error
    if not value:
        return {}
    if not isinstance(value, dict):
        raise ConfigurationError(f"extra params of the project must be a JSON object, not {type(value).__name__}")
    return {str(key).lower(): item for key, item in value.items()}


def _problems(error: ValidationError) -> str:
    # A default that could not be worked out because another value is wrong is no problem of its own.
    wrong = (detail for detail in error.errors(include_url=False) if detail["type"] != "default_factory_not_called")
    return "; ".join(map(_problem, wrong))


def _problem(detail: ErrorDetails) -> str:
    key = ".".join(str(part) for part in detail["loc"])
    is_secret = any(word in key.lower() for word in ("key", "pass", "url", "proxy"))
    got = "" if is_secret or detail["type"] == "missing" else f" (got {str(detail['input'])[:60]!r})"
    return f"{_ALIASES.get(key, key)}: {detail['msg'].removeprefix('Value error, ')}{got}"


# A setting may have several names in the environment; an error message lists all of them.
_ALIASES = {
    str(field.validation_alias.choices[0]): " or ".join(map(str, field.validation_alias.choices))
    for field in Settings.model_fields.values()
    if isinstance(field.validation_alias, AliasChoices)
}
