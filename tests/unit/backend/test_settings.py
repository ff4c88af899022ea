import logging
import sys

import numpy as np
import pytest
from werkzeug.datastructures import Authorization

from backend.commands.processes.serving import check_closed, web_command
from backend.errors import ConfigurationError, TokenRefusedError
from backend.logs import start_logging
from backend.rounds.context import InUse
from backend.rounds.facts import order_digest, training_facts
from backend.rounds.llm.access import llm_config, open_ledger
from backend.rounds.order import Order, order_pool, strategy_for
from backend.rounds.ordering import make_order
from backend.rounds.plan import labels_until_training
from backend.rounds.round import Round
from backend.rounds.standing import Standing
from backend.rounds.sync import Synced
from backend.settings import SECRETS, LLMLabels, ProjectSettings, Settings, environment_names, load_settings
from backend.store.project_folder import ProjectFolder
from backend.studio.client import LabelStudioClient
from backend.studio.config.kinds import read_label_texts
from backend.studio.faults import Address
from backend.web.app import create_app
from backend.web.classifying import WebClassifier
from backend.web.entrance.authentication import is_admitted
from backend.web.entrance.door import own_hosts
from backend.web.service import Service
from backend.work.redis_access import open_redis, redis_url
from model.errors import LLMBudgetError
from model.llm.chat import Reply
from model.llm.provider import LLMConfig
from model.query.unlabelled import Unlabelled
from model.tasks.label_names import MAX_CHARACTERS
from model.types import PoolText, Recipe, Targets
from tests.fakes import SENTIMENT, FakeRounds, a_context, a_project, labeling_config, the_task

HOOK = "tests.ordering_hooks:longest_first"
POOL = tuple(PoolText(id_, f"text {id_}") for id_ in range(40))


@pytest.fixture
def load(monkeypatch, tmp_path):
    """Load settings from an environment with only the given variables."""
    for name in environment_names():
        monkeypatch.delenv(name, raising=False)

    def load(**environment: str) -> Settings:
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            return load_settings()

    return load


def _takes_key(settings: Settings) -> bool:
    try:
        return bool(LabelStudioClient(settings))
    except TokenRefusedError:
        return False


def _log_level(settings: Settings) -> int:
    start_logging(settings)
    return logging.getLogger("backend").level


def _synced(settings: Settings) -> Synced:
    question = the_task(labeling_config())
    nothing = Targets((), (), np.zeros((0, 2), dtype=np.float32), SENTIMENT)
    return Synced(a_project(), question, settings.for_project({}), nothing, POOL, settings.bert_model)


def _order(settings: Settings) -> Order:
    unlabelled = Unlabelled(40, embeddings_N_D=np.random.default_rng(0).normal(size=(40, 4)))
    own = settings.for_project({})
    return order_pool(POOL, unlabelled, strategy_for(own, has_model=False), own, np.random.default_rng(0))


def _queued(settings: Settings) -> int:
    by_chance = settings.model_copy(update={"cold_start": "random"})
    llm = Round(a_context(by_chance)).llm_context(_synced(by_chance), InUse())
    return make_order([Standing(llm, InUse())], 1).publication.queued


def _labels_missing(settings: Settings) -> int:
    return labels_until_training(training_facts(a_context(settings), _synced(settings)))


def _llms(settings: Settings, provider: str = "mistral") -> list[LLMConfig]:
    chosen = settings.model_copy(update={"llm_provider": provider})
    return [config for model in chosen.llm_models if (config := llm_config(chosen, model))]


def _may_spend(settings: Settings, tokens: int) -> bool:
    try:
        open_ledger(settings, ProjectFolder(settings.model_dir, 1)).check(tokens)
    except LLMBudgetError:
        return False
    return True


def _cost(settings: Settings) -> float | None:
    """The cost of a million tokens read and two million written, where the other price is 1."""
    prices = {"llm_price_input": settings.llm_price_input or 1.0, "llm_price_output": settings.llm_price_output or 1.0}
    ledger = open_ledger(settings.model_copy(update=prices), ProjectFolder(settings.model_dir / "spent", 1))
    if not ledger.read().tokens:
        ledger.add(Reply("", prompt_tokens=10**6, completion_tokens=2 * 10**6))
    return ledger.cost


def _label_texts(settings: Settings, **own) -> tuple[tuple[str, ...], ...]:
    project = settings.for_project(own)
    question = the_task(labeling_config())
    return read_label_texts(question, "", project.label_descriptions, is_on=project.names == "auto")


def _may_name(settings: Settings, hook: str) -> bool:
    """Whether a project may name an ordering hook."""
    try:
        return bool(settings.for_project({"strategy": hook}))
    except ConfigurationError:
        return False


def _redis_password(settings: Settings) -> str | None:
    """The password that Redis gets."""
    with_address = settings.model_copy(update={"redis_url": "redis://elsewhere:1"})
    return open_redis(with_address).connection_pool.connection_kwargs["password"]


def _is_open_to_all(settings: Settings) -> bool:
    """Whether `serve` listens on every address without a password."""
    anonymous = {"host": "0.0.0.0", "basic_auth_user": None, "basic_auth_pass": None}
    try:
        check_closed(settings.model_copy(update=anonymous))
    except ConfigurationError:
        return False
    return True


def _requests_at_once(settings: Settings) -> int:
    """How many of three requests the web server takes at once."""
    browser = create_app(Service(settings, FakeRounds(), WebClassifier())).test_client()
    return [browser.get("/metrics", auth=("bob", "word")).status_code for _ in range(3)].count(200)


BOB = Authorization("basic", {"username": "bob", "password": "word"})
# What is set, and what must differ for it from the defaults.
EFFECTS = {
    "LABEL_STUDIO_URL": ("https://labels.example", lambda settings: settings.label_studio_url),
    "LABEL_STUDIO_API_KEY": ("0123456789abcdef0123456789abcdef01234567", _takes_key),
    "LABEL_STUDIO_PROXY": ("http://proxy:3128", lambda settings: Address.of(settings).has_proxy),
    "PORT": ("9191", web_command),
    "HOST": ("::1", web_command),
    "ALLOW_ANONYMOUS": ("1", _is_open_to_all),
    "ALLOWED_HOSTS": ("backend, shortlist.example", own_hosts),
    "RATE_LIMIT": ("0.2", _requests_at_once),
    "MODEL_DIR": ("elsewhere", lambda settings: ProjectFolder(settings.model_dir, 1).path),
    "REDIS_URL": ("redis://elsewhere:1", redis_url),
    "REDIS_PASSWORD": ("geheim", _redis_password),
    "BASIC_AUTH_USER": ("ann", lambda settings: is_admitted(settings, BOB)),
    "BASIC_AUTH_PASS": ("secret", lambda settings: is_admitted(settings, BOB)),
    "LOG_LEVEL": ("ERROR", _log_level),
    "WORKERS": ("3", web_command),
    "THREADS": ("3", web_command),
    "BERT_MODEL": ("another/encoder", lambda settings: _synced(settings).encoder),
    "RETRAIN_EVERY": (
        "50",
        _labels_missing,
    ),
    "QUERY_SIZE": ("7", lambda settings: sum("pick" in reason for reason in _order(settings).reasons_N)),
    "QUEUE_SIZE": ("5", _queued),
    "STRATEGY": ("entropy", lambda settings: strategy_for(settings.for_project({}), has_model=True)),
    "COLD_START": ("random", lambda settings: strategy_for(settings.for_project({}), has_model=False)),
    "EXPLORE": ("0.5", lambda settings: _order(settings).is_explore_N.sum()),
    "RECIPE": ("head", lambda settings: order_digest("", settings.for_project({}))),
    "LLM_PROVIDER": ("openai", lambda settings: settings.for_project({}).cold_start),
    "LLM_MODEL": ("one, two", lambda settings: [config.model for config in _llms(settings)]),
    "LLM_BASE_URL": ("http://localhost:11434/v1", lambda settings: _llms(settings)[0].address),
    "MISTRAL_API_KEY": ("geheim", lambda settings: _llms(settings)[0].api_key),
    "OPENAI_API_KEY": ("geheim", lambda settings: _llms(settings, "openai")[0].api_key),
    "LLM_MAX_TOKENS_TOTAL": ("10", lambda settings: _may_spend(settings, 20)),
    "LLM_TIMEOUT_S": ("7", lambda settings: _llms(settings)[0].timeout_s),
    "LLM_CONTEXT_TOKENS": ("8000", lambda settings: _llms(settings)[0].context_tokens),
    "LLM_PRICE_INPUT": ("2.5", _cost),
    "LLM_PRICE_OUTPUT": ("2.5", _cost),
    "LLM_LABELS": ("route", lambda settings: settings.for_project({}).llm_labels.includes(LLMLabels.ROUTE)),
    "NAMES": ("off", _label_texts),
    "POOL": ("off", lambda settings: order_digest("", settings.for_project({}))),
    "ORDERING_HOOKS": (HOOK, lambda settings: _may_name(settings, HOOK)),
}
ALIASES = {
    "LABEL_STUDIO_HOST": ("https://labels.example", "label_studio_url"),
    "START_TRAINING_EACH_N_UPDATES": ("50", "retrain_every"),
    "BASELINE_MODEL_NAME": ("another/encoder", "bert_model"),
}


def test_a_relative_model_dir_starts_at_the_folder_that_the_program_starts_in(load, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert load().model_dir == tmp_path / "data"
    assert load(MODEL_DIR="../elsewhere").model_dir == tmp_path / "../elsewhere"


@pytest.mark.usefixtures("logging_as_it_was")
@pytest.mark.parametrize("name", EFFECTS)
def test_every_setting_changes_something(load, name, tmp_path):
    value, effect = EFFECTS[name]
    (tmp_path / "redis.url").write_text("unix:///embedded")
    basis = {"MODEL_DIR": str(tmp_path), "BASIC_AUTH_USER": "bob", "BASIC_AUTH_PASS": "word", "REDIS_URL": "redis://r"}
    assert effect(load(**{**basis, name: value})) != effect(load(**basis))


def test_every_setting_is_among_those_that_change_something():
    assert environment_names() == {*EFFECTS, *ALIASES, *(f"{name}_FILE" for name in SECRETS)}


@pytest.mark.parametrize("alias", ALIASES)
def test_the_names_from_label_studios_examples_are_aliases(load, alias):
    value, field = ALIASES[alias]
    assert str(getattr(load(**{alias: value}), field)) == value


def test_our_own_name_wins_over_an_alias(load):
    assert load(RETRAIN_EVERY="20", START_TRAINING_EACH_N_UPDATES="50").retrain_every == 20


def test_with_an_empty_environment_everything_has_a_default(load):
    settings = load()
    assert (settings.port, settings.query_size, settings.queue_size, settings.explore) == (9090, 32, 1000, 0.1)
    assert (settings.strategy, settings.cold_start, settings.recipe) == ("hybrid", "hybrid", Recipe.AUTO)
    assert (settings.bert_model, settings.redis_url, settings.label_studio_api_key) == ("", None, None)


def test_with_an_llm_activellm_is_the_default_cold_start(load):
    assert load(LLM_PROVIDER="openai").cold_start == "activellm"
    assert load(LLM_PROVIDER="openai", COLD_START="random").cold_start == "random"
    assert load(LLM_PROVIDER="openai").for_project({"cold_start": "llm_committee"}).cold_start == "llm_committee"


def test_a_cold_start_by_an_llm_without_a_provider_names_the_setting(load):
    with pytest.raises(ConfigurationError, match="LLM_PROVIDER"):
        load().for_project({"cold_start": "activellm"})


@pytest.mark.parametrize("name", ["MISTRAL_API_KEY", "OPENAI_API_KEY"])
def test_an_llms_key_is_in_no_error_and_not_shown(load, name):
    assert "geheim" not in repr(load(**{name: "geheim"}))
    with pytest.raises(ConfigurationError) as caught:
        load(**{name: "geheim", "PORT": "abc"})
    assert "geheim" not in str(caught.value)


def test_a_setting_left_empty_is_not_set(load):
    assert load(PORT="", BERT_MODEL="", REDIS_URL="").port == 9090


def test_a_slash_at_the_end_of_an_address_does_not_count(load):
    assert load(LABEL_STUDIO_URL="http://labels:8080/").label_studio_url == "http://labels:8080"


@pytest.mark.parametrize(
    ("name", "value", "must"),
    [
        ("LABEL_STUDIO_URL", "labels:8080", "http://"),
        ("PORT", "abc", "integer"),
        ("HOST", "0.0.0.0:9090", "without a port"),
        ("HOST", "http://backend", "without a port"),
        ("HOST", "-", "listen on"),
        ("ALLOW_ANONYMOUS", "maybe", "boolean"),
        ("RATE_LIMIT", "-1", "greater"),
        ("PORT", "0", "greater"),
        ("PORT", "65536", "less"),
        ("REDIS_URL", "localhost", "redis"),
        ("LOG_LEVEL", "LOUD", "DEBUG"),
        ("WORKERS", "0", "greater"),
        ("THREADS", "-1", "greater"),
        ("RETRAIN_EVERY", "1", "greater"),
        ("QUERY_SIZE", "0", "greater"),
        ("QUEUE_SIZE", "many", "integer"),
        ("STRATEGY", "bold", "margin, entropy, .*typiclust"),
        ("COLD_START", "bold", "random"),
        ("COLD_START", "margin", "random, activellm, llm_committee, kcenter, kmeans, typiclust, maxherding, hybrid"),
        ("STRATEGY", "nope:x", "cannot be imported .*PYTHONPATH"),
        ("COLD_START", "nope:x", "cannot be imported"),
        ("COLD_START", "tests.ordering_hooks:by_members", "takes a classifier"),
        ("ORDERING_HOOKS", f"{HOOK},nope:x", "cannot be imported"),
        ("ORDERING_HOOKS", "margin", "'margin' is no package.module:function"),
        ("ORDERING_HOOKS", "tests.ordering_hooks:undeclared", "@returns_scores"),
        ("EXPLORE", "0.6", "0.5"),
        ("EXPLORE", "-0.1", "0"),
        ("EXPLORE", "nan", "0.5"),
        ("RECIPE", "soup", "lp-ft"),
        ("STRATEGY", "activellm", "COLD_START"),
        ("COLD_START", "activellm", "LLM_PROVIDER"),
        ("LLM_PROVIDER", "llama", "mistral"),
        ("LLM_BASE_URL", "localhost", "http://"),
        ("LLM_MAX_TOKENS_TOTAL", "0", "greater"),
        ("LLM_TIMEOUT_S", "0", "greater"),
        ("LLM_CONTEXT_TOKENS", "10", "greater"),
        ("LLM_PRICE_INPUT", "-1", "greater"),
        ("LLM_PRICE_OUTPUT", "cheap", "number"),
        ("LLM_LABELS", "maybe", "train"),
        ("NAMES", "on", "'auto' or 'off'"),
        ("POOL", "some", "'auto' or 'off'"),
    ],
)
def test_a_bad_value_stops_the_start_naming_its_key_and_what_it_must_be(load, name, value, must):
    with pytest.raises(ConfigurationError, match=f"{name}.*{must}"):
        load(**{name: value})


def test_all_bad_keys_are_named_at_once(load):
    with pytest.raises(ConfigurationError, match=r"PORT.*STRATEGY.*EXPLORE"):
        load(PORT="abc", STRATEGY="bold", EXPLORE="2")


def test_a_value_that_is_right_is_not_named_beside_a_wrong_one(load):
    with pytest.raises(ConfigurationError) as caught:
        load(STRATEGY="bold")
    assert "cold_start" not in str(caught.value).lower()


def test_a_bad_value_that_holds_a_secret_is_not_shown(load):
    with pytest.raises(ConfigurationError, match="REDIS_URL") as caught:
        load(REDIS_URL="ftp://ann:geheim@host", LABEL_STUDIO_API_KEY="geheim", BASIC_AUTH_PASS="geheim")
    assert "geheim" not in str(caught.value)


def test_secrets_stay_hidden_when_settings_are_printed(load):
    redis = {"REDIS_URL": "redis://host", "REDIS_PASSWORD": "geheim"}
    settings = load(LABEL_STUDIO_API_KEY="geheim", BASIC_AUTH_USER="ann", BASIC_AUTH_PASS="geheim", **redis)
    assert "geheim" not in f"{settings!r} {settings}"


def test_a_password_without_its_redis_stops_the_start(load):
    with pytest.raises(ConfigurationError, match="REDIS_PASSWORD is the password of REDIS_URL") as caught:
        load(REDIS_PASSWORD="geheim")
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize("name", ["BASIC_AUTH_USER", "BASIC_AUTH_PASS"])
def test_a_credential_in_another_encoding_is_a_wrong_setting_and_no_password_is_shown(load, name):
    with pytest.raises(ConfigurationError, match=f"settings: {name}: must be written in UTF-8") as caught:
        load(**{"BASIC_AUTH_USER": "ann", "BASIC_AUTH_PASS": "geheim", name: "geh\udcfcim"})
    assert name == "BASIC_AUTH_USER" or "geh" not in str(caught.value)


@pytest.mark.parametrize("half", ["BASIC_AUTH_USER", "BASIC_AUTH_PASS"])
def test_half_of_basic_auth_stops_the_start(load, half):
    with pytest.raises(ConfigurationError, match="BASIC_AUTH_USER and BASIC_AUTH_PASS") as caught:
        load(**{half: "geheim"})
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("retrain_every", 99),
        ("query_size", 5),
        ("queue_size", 7),
        ("strategy", "entropy"),
        ("cold_start", "random"),
        ("explore", 0.3),
        ("recipe", "head"),
        ("names", "off"),
        ("pool", "off"),
    ],
)
def test_a_projects_extra_params_override_the_environment(load, name, value):
    settings = load()
    assert getattr(settings.for_project({name: value}), name) == value
    assert getattr(settings.for_project({name: str(value)}), name) == value
    assert getattr(settings.for_project({}), name) == getattr(settings, name) != value


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"retrain_evry": 5}, r"retrain_evry.*known keys: retrain_every, "),
        ({"label_studio_api_key": "geheim"}, "label_studio_api_key"),
        ({"bert_model": "x"}, "bert_model"),
        ({"ordering_hooks": HOOK, "strategy": HOOK}, "ordering_hooks.*known keys"),
        ({"query_size": 0}, "query_size.*greater"),
        ({"query_size": 1.5}, "query_size.*integer"),
        ({"explore": None}, "explore.*number"),
        ({"strategy": "bold"}, "strategy.*margin"),
        ({"strategy": ["margin"]}, "strategy"),
        ({"cold_start": "margin"}, "cold_start.*typiclust"),
        ({"recipe": {}}, "recipe"),
        ({"names": False}, "names.*'auto' or 'off'"),
        ({"label_descriptions": "praise"}, "label_descriptions.*dictionary"),
        ({"label_descriptions": None}, "label_descriptions.*dictionary"),
        ({"label_descriptions": {"pos": 5}}, "label_descriptions.pos.*string"),
    ],
)
def test_extra_params_that_are_unknown_or_wrong_are_refused_by_name(load, params, told):
    with pytest.raises(ConfigurationError, match=told) as caught:
        load().for_project(params)
    assert "geheim" not in str(caught.value)


@pytest.fixture
def traced(tmp_path, monkeypatch):
    """A module that leaves a trace when it is imported; returns whether the trace is there."""
    trace = tmp_path / "imported"
    (tmp_path / "evil_module.py").write_text(f"open({str(trace)!r}, 'w').close()", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "evil_module", raising=False)
    return trace.exists


@pytest.mark.parametrize("name", ["evil_module:run", " evil_module:run", ["evil_module:run"], {"evil_module:run": 1}])
@pytest.mark.parametrize("key", ["strategy", "cold_start"])
def test_extra_params_cannot_import_what_the_environment_does_not_allow(load, traced, key, name):
    for settings in (load(), load(ORDERING_HOOKS=HOOK), load(STRATEGY=HOOK)):
        with pytest.raises(ConfigurationError, match=f"{key}.*ORDERING_HOOKS in the environment"):
            settings.for_project({key: name})
    with pytest.raises(ValueError, match="ORDERING_HOOKS"):
        ProjectSettings.model_validate({key: name})
    assert not traced()
    with pytest.raises(ConfigurationError, match="evil_module:run"):
        load(ORDERING_HOOKS="evil_module:run")
    assert traced()


def test_extra_params_may_name_the_hooks_that_the_environment_lists_or_uses(load):
    other = "tests.ordering_hooks:far_first"
    settings = load(ORDERING_HOOKS=f" {other} , ,", STRATEGY=HOOK)
    own = settings.for_project({"cold_start": HOOK, "strategy": other})
    assert (own.cold_start, own.strategy) == (HOOK, other)
    assert settings.for_project({}).strategy == HOOK


def test_a_hook_is_in_force_before_the_first_model_and_after_it(load):
    settings = load(COLD_START=HOOK, STRATEGY="tests.ordering_hooks:doubtful_first").for_project({})
    assert strategy_for(settings, has_model=False).name == HOOK
    assert strategy_for(settings, has_model=True).name == "tests.ordering_hooks:doubtful_first"


@pytest.mark.parametrize("value", ["OFF", " Off "])
def test_auto_and_off_are_understood_in_any_case(load, value):
    settings = load(NAMES=value, POOL=value)
    assert (settings.names, settings.pool) == ("off", "off")
    assert settings.for_project({"names": "Auto"}).names == "auto"


def test_a_projects_label_descriptions_are_read_from_its_extra_params(load):
    assert _label_texts(load(), label_descriptions={"pos": "praise"}) == (("neg",), ("praise",))
    assert _label_texts(load()) == (("neg",), ("pos",))


def test_a_description_that_is_too_long_or_no_text_to_a_tokenizer_is_mended(load):
    described = load().for_project({"label_descriptions": {"pos": "half \ud800", "neg": "bad " * 1000}})
    assert described.label_descriptions["pos"] == "half ?"
    assert len(described.label_descriptions["neg"]) <= MAX_CHARACTERS
    assert order_digest("", described)


def test_a_projects_label_descriptions_call_for_a_new_order(load):
    described = load().for_project({"label_descriptions": {"pos": "praise"}})
    assert order_digest("", described) != order_digest("", load().for_project({}))


def test_the_environment_has_no_label_descriptions(load, monkeypatch):
    monkeypatch.setenv("LABEL_DESCRIPTIONS", '{"pos": "praise"}')
    assert load().for_project({}).label_descriptions == {}
