"""Settings, read once from the environment."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from backend.errors import ConfigurationError
from model.query.strategies import find_start, find_strategy
from model.recipes import Recipe


def _known_strategy(value: Any) -> str:
    return find_strategy(str(value)).name


def _http_url(value: Any) -> str:
    url = str(value).strip().rstrip("/")
    if not url.startswith(("http://", "https://")) or "@" in url:
        raise ValueError("must be a URL that starts with http:// or https://, without a user and password")
    return url


def _cold_start(value: Any) -> str:
    """Before the first model there are no probabilities, so a strategy that wants them has nothing to go by."""
    return find_start(str(value)).name


StrategyName = Annotated[str, BeforeValidator(_known_strategy)]
ColdStartName = Annotated[str, BeforeValidator(_cold_start)]
HttpUrl = Annotated[str, BeforeValidator(_http_url)]


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
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    retrain_every: int = Field(default=16, ge=2, le=100_000)
    query_size: int = Field(default=32, ge=1, le=10_000)
    queue_size: int = Field(default=1000, ge=1, le=1_000_000)
    strategy: StrategyName = "hybrid"
    cold_start: ColdStartName = "maxherding"
    explore: float = Field(default=0.1, ge=0.0, le=0.5)
    recipe: Recipe = Recipe.AUTO


class Settings(BaseSettings):
    """Everything that the environment decides.

    Attributes:
        label_studio_url: the only origin that the API key is ever sent to.
        label_studio_api_key: a personal access token (or a legacy token, where those are allowed).
        model_dir: all state: model versions, publications, the embedded Redis.
        redis_url: unset: a private Redis starts with `serve`.
        workers: web processes; threads: requests that each serves at once.
        bert_model: a Hugging Face encoder, by name or folder; empty for the bundled all-MiniLM-L6-v2.
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

    retrain_every: int = Field(
        default=16,
        ge=2,
        le=100_000,
        validation_alias=AliasChoices("RETRAIN_EVERY", "START_TRAINING_EACH_N_UPDATES"),
    )
    query_size: int = Field(default=32, ge=1, le=10_000, validation_alias="QUERY_SIZE")
    queue_size: int = Field(default=1000, ge=1, le=1_000_000, validation_alias="QUEUE_SIZE")
    strategy: StrategyName = Field(default="hybrid", validation_alias="STRATEGY")
    cold_start: ColdStartName = Field(default="maxherding", validation_alias="COLD_START")
    explore: float = Field(default=0.1, ge=0.0, le=0.5, validation_alias="EXPLORE")
    recipe: Recipe = Field(default=Recipe.AUTO, validation_alias="RECIPE")

    def for_project(self, extra_params: Mapping[str, Any]) -> ProjectSettings:
        """These settings with a project's own extra params over them.

        Raises:
            ConfigurationError: a key is unknown or its value wrong.
        """
        own = {name: getattr(self, name) for name in ProjectSettings.model_fields}
        try:
            return ProjectSettings.model_validate({**own, **extra_params})
        except ValidationError as error:
            known = ", ".join(ProjectSettings.model_fields)
            raise ConfigurationError(
                f"extra params of the project: {_problems(error)} (known keys: {known})"
            ) from error


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
