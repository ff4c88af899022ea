"""One suite over the clients of all LLM providers, against servers that speak their protocols."""

import logging
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from examples.servers import ROOT, free_port
from model.errors import LLMContextError, LLMError, LLMKeyError, LLMModelError, LLMUnavailableError
from model.llm.chat import Message, Reply
from model.llm.provider import LLMConfig, LLMTimeoutError, check_llm, open_chat
from tests.llm_servers import KEY, MODEL, LLMServer, Silence, completion, llm_server, refusal

PROMPT = "a private text about temperature"
ASKED = [Message("system", "You choose."), Message("user", PROMPT)]
SCHEMA = {
    "type": "object",
    "properties": {"picks": {"type": "array", "items": {"type": "integer"}}},
    "required": ["picks"],
    "additionalProperties": False,
}

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(params=["mistral", "openai"])
def provider(request):
    return request.param


def config_for(server: LLMServer, **different) -> LLMConfig:
    return replace(LLMConfig(server.provider, MODEL, server.url, KEY, timeout_s=8.0), **different)


def ask(server: LLMServer, schema=None, **different) -> Reply:
    return open_chat(config_for(server, **different)).ask(ASKED, schema)


def failure(kind: type[LLMError], ask: Callable[[], object]) -> str:
    """The error's text. Neither it nor what it is chained to has the key or the question, or is an SDK's."""
    with pytest.raises(kind) as caught:
        ask()
    error = caught.value
    assert type(error) is kind
    assert isinstance(error.__context__, LLMError | None)
    shown = f"{error!r} {error.__context__!r} {''.join(traceback.format_exception(error))}"
    assert KEY not in shown
    assert PROMPT not in shown
    return str(caught.value)


# Answers


def test_a_question_brings_an_answer_and_its_tokens(provider):
    with llm_server(provider, ["3, 1, 4"]) as server:
        assert ask(server) == Reply("3, 1, 4", prompt_tokens=7, completion_tokens=3)
    [request] = server.requests
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.body["messages"] == [
        {"role": "system", "content": "You choose."},
        {"role": "user", "content": PROMPT},
    ]
    assert request.body["model"] == MODEL
    assert request.body["max_tokens"] == 4096
    assert request.body["temperature"] == 0
    assert "response_format" not in request.body


def test_an_answer_that_ran_out_of_tokens_is_cut(provider):
    with llm_server(provider, [(200, {}, completion("3, 1", finish_reason="length"))]) as server:
        assert ask(server).is_cut


def test_an_answer_may_lack_usage_or_be_empty_or_come_in_parts(provider):
    aloud = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "3"}]
    bare = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "3"}, "finish_reason": "stop"}]}
    script = [(200, {}, body) for body in (bare, completion(None, usage=None), completion(aloud))]
    with llm_server(provider, script) as server:
        assert ask(server) == Reply("3")
        assert ask(server) == Reply("")
        assert ask(server).text == "3"


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/"])
def test_the_address_may_end_in_v1_or_not(provider, path):
    with llm_server(provider) as server:
        assert ask(server, base_url=server.url + path).text == "yes"


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"content-type": "text/html"}, b"<html>Sign in</html>"),
        ({}, b"{"),
        ({}, b"null"),
        ({"content-encoding": "gzip"}, {}),
        ({}, {"choices": []}),
        ({}, {"choices": [{"message": None}]}),
    ],
)
def test_an_answer_in_another_shape_is_an_error(provider, headers, body):
    with llm_server(provider, [(200, headers, body)]) as server:
        assert "no chat completion" in failure(LLMError, lambda: ask(server))
    assert len(server.requests) == 1


# What some models and servers do not take


def test_an_answer_is_held_to_a_schema(provider):
    with llm_server(provider, ['{"picks": [3]}']) as server:
        assert ask(server, SCHEMA).text == '{"picks": [3]}'
    [question] = server.questions
    assert question["response_format"]["type"] == "json_schema"
    assert question["response_format"]["json_schema"]["schema"] == SCHEMA
    assert question["response_format"]["json_schema"]["strict"] is True


@pytest.mark.parametrize("name", ["response_format", "temperature"])
def test_a_parameter_that_is_refused_is_left_out_from_then_on(provider, name, caplog):
    with llm_server(provider, [refusal(provider, name), "3"]) as server:
        chat = open_chat(config_for(server))
        assert chat.ask(ASKED, SCHEMA).text == "3"
        assert chat.ask(ASKED, SCHEMA).text == "3"
    assert [name in question for question in server.questions] == [True, False, False]
    [line] = [record.getMessage() for record in caplog.records if record.name == "model.llm.provider.provider_chat"]
    assert line == f"event=llm_parameter_refused model={MODEL} parameter={name}"


def test_newer_models_of_openai_get_their_limit_by_its_newer_name():
    with llm_server("openai", [refusal("openai", "max_tokens"), refusal("openai", "temperature"), "3"]) as server:
        assert ask(server).text == "3"
    *_, question = server.questions
    assert question["max_completion_tokens"] == 4096
    assert not {"max_tokens", "temperature"} & question.keys()


def test_a_refusal_that_repeats_the_question_is_not_taken_for_one_of_a_parameter(provider):
    echo = (422, {}, {"detail": [{"loc": ["body", "messages"], "msg": "no", "type": "value_error", "input": PROMPT}]})
    with llm_server(provider, [echo]) as server:
        assert "refuses the question (422)" in failure(LLMError, lambda: ask(server))
    assert len(server.requests) == 1


# Refusals


@pytest.mark.parametrize(
    ("refused", "kind", "told"),
    [
        ("key", LLMKeyError, "refuses the API key (401)"),
        ("model", LLMModelError, "'small-model'"),
        ("context", LLMContextError, "LLM_CONTEXT_TOKENS"),
        ("credit", LLMUnavailableError, "no credit left"),
    ],
)
def test_what_will_not_change_is_asked_once_and_named(provider, refused, kind, told):
    with llm_server(provider, [refusal(provider, refused)]) as server:
        text = failure(kind, lambda: ask(server, SCHEMA, retries=0 if refused == "credit" else 3))
    assert told in text
    assert server.url.removeprefix("http://") in text
    assert len(server.requests) == 1


def test_a_redirect_is_not_followed(provider):
    with (
        llm_server(provider) as elsewhere,
        llm_server(provider, [(307, {"location": f"{elsewhere.url}/v1/chat/completions"}, {})]) as server,
    ):
        assert "redirects (307)" in failure(LLMError, lambda: ask(server))
    assert not elsewhere.requests


# What passes


def test_a_rate_limit_is_waited_for_as_long_as_the_provider_says(provider):
    status, _, body = refusal(provider, "rate")
    started = time.monotonic()
    with llm_server(provider, [(status, {"retry-after": "0.8"}, body), "3"]) as server:
        assert ask(server).text == "3"
    assert 0.8 <= time.monotonic() - started < 5.0


@pytest.mark.parametrize(
    "wait", ["60", format_datetime(datetime.now(UTC) + timedelta(hours=1))], ids=["seconds", "a date"]
)
def test_a_wait_that_is_longer_than_the_time_left_is_not_begun(provider, wait):
    status, _, body = refusal(provider, "rate")
    started = time.monotonic()
    with llm_server(provider, [(status, {"retry-after": wait}, body)]) as server:
        assert "answers 429 (asked once)" in failure(LLMUnavailableError, lambda: ask(server))
    assert time.monotonic() - started < 5.0


def test_a_broken_server_is_asked_again(provider):
    status, headers, body = refusal(provider, "broken")
    soon = (status, {**headers, "retry-after": "0.1"}, body)
    with llm_server(provider, [soon, soon, refusal(provider, "broken"), "3"]) as server:
        assert ask(server).text == "3"
    assert len(server.requests) == 4


def test_a_server_that_stays_broken_is_given_up(provider):
    with llm_server(provider, [refusal(provider, "broken")]) as server:
        text = failure(LLMUnavailableError, lambda: ask(server, retries=1))
    assert "asked 2 times" in text
    assert len(server.requests) == 2


@pytest.mark.parametrize("silence", list(Silence))
def test_silence_ends_when_the_time_is_over(provider, silence):
    started = time.monotonic()
    with llm_server(provider, [silence]) as server:
        assert "within 1 s (asked once)" in failure(LLMTimeoutError, lambda: ask(server, timeout_s=1.0))
        assert time.monotonic() - started < 3.0
    assert len(server.requests) == 1


def test_retries_end_when_the_time_is_over(provider):
    status, _, body = refusal(provider, "rate")
    started = time.monotonic()
    with (
        llm_server(provider, [(status, {"retry-after": "0.2"}, body)]) as server,
        pytest.raises(LLMUnavailableError, match=r"asked \d+ times in 1 s"),
    ):
        ask(server, timeout_s=1.0, retries=100)
    assert time.monotonic() - started < 3.0
    assert 1 < len(server.requests) <= 6


def test_nobody_at_the_address_is_told(provider):
    nobody = LLMConfig(provider, MODEL, f"http://127.0.0.1:{free_port()}", KEY, timeout_s=2.0, retries=1)
    text = failure(LLMUnavailableError, lambda: open_chat(nobody).ask(ASKED))
    assert "cannot be reached (no connection, asked 2 times" in text


# Before anybody is asked


def test_opening_a_chat_asks_nobody(provider):
    config = LLMConfig(provider, MODEL, "http://192.0.2.1:9", KEY, context_tokens=1234)
    started = time.monotonic()
    chat = open_chat(config)
    assert (chat.model, chat.context_tokens) == (MODEL, 1234)
    assert time.monotonic() - started < 0.5


def test_opening_a_chat_loads_no_sdk(provider):
    """It takes half a second, and a service whose LLM is never asked need not have it in memory."""
    lines = (
        "import sys",
        "from model.llm.provider.opening import LLMConfig, open_chat",
        f"open_chat(LLMConfig({provider!r}, 'm', api_key='k'))",
        "print({'openai', 'mistralai', 'httpx2'} & sys.modules.keys())",
    )
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"


@pytest.mark.parametrize("key", ["", "  ", "sk-ключ", f"{KEY}\nX-Other: header"])
def test_without_a_key_that_can_be_one_no_chat_is_opened(provider, key):
    setting = f"{provider.upper()}_API_KEY"
    assert setting in failure(LLMKeyError, lambda: open_chat(LLMConfig(provider, MODEL, api_key=key)))


def test_a_server_of_ones_own_with_openais_protocol_needs_no_key():
    with llm_server("openai") as server:
        assert ask(server, api_key="").text == "yes"
    assert KEY not in str(server.requests)


@pytest.mark.parametrize("address", ["localhost:11434", "ftp://host", "http://", "http://host:port", "http://a:b@host"])
def test_an_address_that_is_none_is_named(provider, address):
    config = LLMConfig(provider, MODEL, address, KEY)
    assert "LLM_BASE_URL" in failure(LLMError, lambda: open_chat(config))


# Looking whether it would answer


def test_a_listed_model_is_seen_without_a_question(provider):
    with llm_server(provider) as server:
        assert check_llm(config_for(server)).endswith(f"answers and has the model {MODEL!r}")
    assert not server.questions


@pytest.mark.parametrize("models", [None, ["another"]])
def test_a_model_that_is_not_listed_is_asked_for_a_word(provider, models):
    with llm_server(provider, models=models) as server:
        assert check_llm(config_for(server)).endswith(f"answers with the model {MODEL!r}")
    [question] = server.questions
    assert question["max_tokens"] <= 16


def test_a_model_that_there_is_not_is_named_beside_those_that_there_are(provider):
    with llm_server(provider, [refusal(provider, "model")], models=["one", "two"]) as server:
        text = failure(LLMModelError, lambda: check_llm(config_for(server)))
    assert text.endswith("it lists one, two")


def test_a_check_tells_a_wrong_key_and_an_address_where_nobody_is(provider):
    with llm_server(provider, [refusal(provider, "key")], models=None) as server:
        assert "refuses the API key" in failure(LLMKeyError, lambda: check_llm(config_for(server)))
    assert "cannot be reached" in failure(LLMUnavailableError, lambda: check_llm(config_for(server)))


# Secrets


def test_key_and_question_are_in_no_log_and_no_representation(provider, caplog, monkeypatch):
    """At any level, the SDKs' included, and whatever the environment tells those."""
    monkeypatch.setenv("MISTRAL_DEBUG", "1")
    monkeypatch.setenv("MISTRAL_SDK_TELEMETRY", "dedicated")
    monkeypatch.setenv("OPENAI_LOG", "debug")
    caplog.set_level(logging.DEBUG)
    with llm_server(provider, [refusal(provider, "response_format"), refusal(provider, "broken"), "3"]) as server:
        config = config_for(server)
        chat = open_chat(config)
        chat.ask(ASKED, SCHEMA)
        shown = f"{config!r} {chat!r} {vars(chat)!r} {caplog.text}"
    assert "event=llm_answered" in shown
    assert KEY not in shown
    assert PROMPT not in shown
    assert [request.path for request in server.requests] == ["/v1/chat/completions"] * 3
