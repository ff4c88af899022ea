"""Settings, read once from the environment."""

import json
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    create_model,
)
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from backend.errors import ConfigurationError
from model.learner.recipes import Recipe
from model.llm.provider import PROVIDER_CHOICE, PROVIDERS, model_names
from model.query.strategies import find_start, find_strategy
from model.tasks.label_names import tidy


def _known_strategy(value: Any) -> str:
    """An LLM costs by the text, and once there is a classifier its doubt is worth more: it only starts."""
    strategy = find_strategy(str(value))
    if strategy.asks_llm:
        raise ValueError(f"{strategy.name} chooses while there is no classifier: name it in COLD_START")
    return strategy.name


def _http_url(value: Any) -> str:
    url = str(value).strip().rstrip("/")
    if not url.startswith(("http://", "https://")) or "@" in url:
        raise ValueError("must be a URL that starts with http:// or https://, without a user and password")
    return url


def _lower(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


def _cold_start(value: Any) -> str:
    """Before the first model there are no probabilities, so a strategy that wants them has nothing to go by."""
    return find_start(str(value)).name


class LLMLabels(str, Enum):
    """What an LLM's labels are good for."""

    OFF = "off"
    """Nothing: it chooses and does not label."""
    SHOW = "show"
    """Pre-annotations while there is no classifier."""
    ROUTE = "route"
    """Afterwards, people are asked first for what it is not sure of; a fifth of what it is sure of is checked blind."""
    TRAIN = "train"
    """What it is sure of trains the classifier too, at a lower weight."""

    def includes(self, use: "LLMLabels") -> bool:
        """Whether they are good for that, too."""
        uses = list(LLMLabels)
        return uses.index(self) >= uses.index(use)


def _default_cold_start(given: Mapping[str, Any]) -> str:
    """An LLM that is there chooses while nobody knows anything yet."""
    return LLM_START if given.get("llm_provider") else COLD_START


StrategyName = Annotated[str, BeforeValidator(_known_strategy)]
ColdStartName = Annotated[str, BeforeValidator(_cold_start)]
HttpUrl = Annotated[str, BeforeValidator(_http_url)]
AutoOrOff = Annotated[Literal["auto", "off"], BeforeValidator(_lower)]
LabelDescription = Annotated[str, AfterValidator(tidy)]


# What chooses before there is a model, without an LLM and with one.
COLD_START = "hybrid"
LLM_START = "activellm"


class ProjectSettings(BaseModel):
    """What a project may decide for itself, in the extra params of the Connect Model dialog (lower case).

    Attributes:
        retrain_every: least number of new labels between trainings.
        query_size: texts that a query strategy chooses as one batch.
        queue_size: texts that are published in order for annotators.
        strategy: query strategy once there is a model.
        cold_start: query strategy before that.
        explore: share of the queue drawn at random, in [0, 0.5].
        recipe: how the classifier is trained.
        llm_labels: what an LLM's labels are good for; each takes in those before it.
        names: whether the classifier learns from what labels are called.
        pool: whether the classifier learns from texts that nobody has labelled.
        label_descriptions: text by label that says what it means; wins over the labeling config. A project's own:
            the environment has none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    retrain_every: int = Field(default=16, ge=2, le=100_000)
    query_size: int = Field(default=32, ge=1, le=10_000)
    queue_size: int = Field(default=1000, ge=1, le=1_000_000)
    strategy: StrategyName = "hybrid"
    cold_start: ColdStartName = COLD_START
    explore: float = Field(default=0.1, ge=0.0, le=0.5)
    recipe: Recipe = Recipe.AUTO
    llm_labels: LLMLabels = LLMLabels.SHOW
    names: AutoOrOff = "auto"
    pool: AutoOrOff = "auto"
    label_descriptions: dict[str, LabelDescription] = Field(default_factory=dict)


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
            row.key_setting.lower(): (SecretStr | None, Field(default=None, validation_alias=row.key_setting))
            for row in PROVIDERS.values()
        },
    )


class Settings(_ProviderKeys):
    """Everything that the environment decides.

    Attributes:
        label_studio_url: the only origin that the API key is ever sent to.
        label_studio_api_key: a personal access token (or a legacy token, where those are allowed).
        model_dir: all state: model versions, publications, the embedded Redis.
        redis_url: unset: a private Redis starts with `serve`.
        workers: web processes; threads: requests that each serves at once.
        bert_model: a Hugging Face encoder, by name or folder; empty for the bundled all-MiniLM-L6-v2.
        llm_provider: unset: no text ever leaves for an LLM. `openai` is anything that speaks its chat API.
        llm_model: one model, or several with commas between them: all of them sit in the committee.
        llm_max_tokens_total: what a project may spend, in tokens read and written; unset: no limit.
        llm_timeout_s: for one asking, retries included.
        llm_context_tokens: what the model can read and write at once.
        llm_price_input, llm_price_output: of a million tokens, in whatever currency status shows then.
    """

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True, extra="ignore", populate_by_name=True)

    label_studio_url: HttpUrl = Field(
        default="http://localhost:8080",
        validation_alias=AliasChoices("LABEL_STUDIO_URL", "LABEL_STUDIO_HOST"),
    )
    label_studio_api_key: SecretStr | None = Field(default=None, validation_alias="LABEL_STUDIO_API_KEY")
    port: int = Field(default=9090, ge=1, le=65535, validation_alias="PORT")
    model_dir: Path = Field(default=Path("./data"), validation_alias="MODEL_DIR")
    redis_url: str | None = Field(default=None, pattern=r"^(rediss?|unix)://", validation_alias="REDIS_URL")
    basic_auth_user: str | None = Field(default=None, validation_alias="BASIC_AUTH_USER")
    basic_auth_pass: SecretStr | None = Field(default=None, validation_alias="BASIC_AUTH_PASS")
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

    retrain_every: int = Field(
        default=16,
        ge=2,
        le=100_000,
        validation_alias=AliasChoices("RETRAIN_EVERY", "START_TRAINING_EACH_N_UPDATES"),
    )
    query_size: int = Field(default=32, ge=1, le=10_000, validation_alias="QUERY_SIZE")
    queue_size: int = Field(default=1000, ge=1, le=1_000_000, validation_alias="QUEUE_SIZE")
    strategy: StrategyName = Field(default="hybrid", validation_alias="STRATEGY")
    cold_start: ColdStartName = Field(default_factory=_default_cold_start, validation_alias="COLD_START")
    explore: float = Field(default=0.1, ge=0.0, le=0.5, validation_alias="EXPLORE")
    recipe: Recipe = Field(default=Recipe.AUTO, validation_alias="RECIPE")
    llm_labels: LLMLabels = Field(default=LLMLabels.SHOW, validation_alias="LLM_LABELS")
    names: AutoOrOff = Field(default="auto", validation_alias="NAMES")
    pool: AutoOrOff = Field(default="auto", validation_alias="POOL")

    @property
    def llm_name(self) -> str:
        """Provider and model, for people and logs; empty without an LLM."""
        return f"{self.llm_provider} {self.llm_models[0]}" if self.llm_provider else ""

    @property
    def llm_models(self) -> tuple[str, ...]:
        """The models, the one that chooses first; further ones sit in the committee."""
        return model_names(self.llm_provider, self.llm_model) if self.llm_provider else ()

    @property
    def llm_key(self) -> str:
        """The provider's API key; empty if there is none."""
        if self.llm_provider is None:
            return ""
        key: SecretStr | None = getattr(self, PROVIDERS[self.llm_provider].key_setting.lower())
        return key.get_secret_value() if key else ""

    def for_project(self, extra_params: Mapping[str, Any]) -> ProjectSettings:
        """These settings with a project's own extra params over them.

        Raises:
            ConfigurationError: a key is unknown or its value wrong.
        """
        own = {name: getattr(self, name) for name in ProjectSettings.model_fields if name in Settings.model_fields}
        try:
            project = ProjectSettings.model_validate({**own, **extra_params})
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


def environment_names() -> frozenset[str]:
    """Every environment variable that means something to us, aliases included."""
    aliases = (field.validation_alias for field in Settings.model_fields.values())
    named = (alias.choices if isinstance(alias, AliasChoices) else [alias] for alias in aliases)
    return frozenset(str(name) for names in named for name in names)


def load_settings() -> Settings:
    """Read the environment.

    Raises:
        ConfigurationError: names every bad key and what it must be; never a secret's value.
    """
    try:
        settings = Settings()
    except ValidationError as error:
        raise ConfigurationError(f"settings: {_problems(error)}") from None
    if bool(settings.basic_auth_user) != bool(settings.basic_auth_pass):
        raise ConfigurationError("settings: BASIC_AUTH_USER and BASIC_AUTH_PASS must be set together or not at all")
    settings.for_project({})
    return settings


def parse_extra_params(raw: Any) -> dict[str, Any]:
    """Label Studio's extra params: nothing, an object, or JSON text of one; keys in any case.

    Raises:
        ConfigurationError: it is something else.
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
    return "; ".join(_problem(detail) for detail in error.errors(include_url=False))


def _problem(detail: ErrorDetails) -> str:
    key = ".".join(str(part) for part in detail["loc"])
    is_secret = any(word in key.lower() for word in ("key", "pass", "url"))
    got = "" if is_secret or detail["type"] == "missing" else f" (got {str(detail['input'])[:60]!r})"
    return f"{_ALIASES.get(key, key)}: {detail['msg']}{got}"


# A setting goes by any of its names in an environment, and an error must name the one that was used.
_ALIASES = {
    str(field.validation_alias.choices[0]): " or ".join(map(str, field.validation_alias.choices))
    for field in Settings.model_fields.values()
    if isinstance(field.validation_alias, AliasChoices)
}
