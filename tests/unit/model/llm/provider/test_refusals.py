import json

import pytest

from model.errors import LLMContextError, LLMError, LLMKeyError, LLMModelError, LLMUnavailableError
from model.llm.provider.attempts import GarbledError, RefusedError, SilentError, UnreachedError, parse_retry_after
from model.llm.provider.config import LLMConfig
from model.llm.provider.refusals import LLMTimeoutError, as_llm_error, refused_parameter

CONFIG = LLMConfig("openai", "small-model", "http://me.example:8000/v1", "sk-secret")
ALL = ("response_format", "temperature", "max_tokens")


def refused(status, body, **headers):
    return RefusedError(status, body if isinstance(body, str) else json.dumps(body), headers)


def error_of(attempt, attempts=1):
    return as_llm_error(attempt, CONFIG, attempts, 12.3)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, "", LLMKeyError),
        (403, {"error": {"message": "Country not supported"}}, LLMKeyError),
        (403, {"error": {"code": "model_not_found", "message": "no access to model"}}, LLMModelError),
        (404, {"error": "model 'small-model' not found, try pulling it first"}, LLMModelError),
        (404, {"message": "The model `small-model` does not exist.", "type": "NotFoundError"}, LLMModelError),
        (404, "404 page not found", LLMModelError),
        (400, {"message": "Invalid model: small-model", "type": "invalid_model", "code": "1500"}, LLMModelError),
        (413, "", LLMContextError),
        (400, {"error": {"code": "context_length_exceeded", "message": "too much"}}, LLMContextError),
        (
            400,
            {"message": "'max_tokens' is too large: 4096. This model's maximum context length is 2048"},
            LLMContextError,
        ),
        (400, {"error": {"message": "the request exceeds the available context size", "code": 400}}, LLMContextError),
        (
            400,
            {"message": "Prompt contains 9 tokens, too large for model with 8 maximum context length"},
            LLMContextError,
        ),
        (402, "", LLMUnavailableError),
        (429, {"error": {"code": "insufficient_quota"}}, LLMUnavailableError),
        (429, {"error": {"message": "Rate limit for model x; context window"}}, LLMUnavailableError),
        (500, {"error": {"message": "model not found"}}, LLMUnavailableError),
        (529, "overloaded", LLMUnavailableError),
        (308, "", LLMError),
        (400, {"error": {"message": "no"}}, LLMError),
    ],
)
def test_each_refusal_is_of_the_kind_that_says_what_to_do(status, body, kind):
    error = error_of(refused(status, body))
    assert type(error) is kind
    assert str(status) in str(error)
    assert "me.example:8000" in str(error)


@pytest.mark.parametrize(
    ("attempt", "kind", "told"),
    [
        (
            UnreachedError("no connection"),
            LLMUnavailableError,
            "cannot be reached (no connection, asked 4 times in 12 s)",
        ),
        (SilentError(), LLMTimeoutError, "did not answer within 45 s (asked 4 times in 12 s)"),
        (GarbledError(), LLMError, "LLM_PROVIDER=openai"),
        (refused(429, ""), LLMUnavailableError, "answers 429 (asked 4 times in 12 s)"),
    ],
)
def test_an_error_says_how_often_it_was_tried(attempt, kind, told):
    error = error_of(attempt, attempts=4)
    assert type(error) is kind
    assert told in str(error)


@pytest.mark.parametrize("status", [302, 400, 401, 402, 403, 404, 413, 422, 429, 500])
def test_nothing_that_the_provider_wrote_is_shown(status):
    words = "model_not_found context_length_exceeded sk-secret a private text"
    assert not [word for word in ("sk-secret", "private", "not_found") if word in str(error_of(refused(status, words)))]


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        ({"error": {"param": "response_format", "message": "no"}}, "response_format"),
        ({"error": {"message": "This model does not support response format `json_schema`."}}, "response_format"),
        ({"error": {"message": "Invalid schema for response_format 'answer'"}}, "response_format"),
        ({"detail": [{"loc": ["body", "temperature"], "msg": "Extra inputs are not permitted"}]}, "temperature"),
        ({"error": {"message": "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens'"}}, "max_tokens"),
        ({"message": "'max_tokens' is too large. This model's maximum context length is 2048"}, None),
        ({"detail": [{"msg": "no", "input": "texts about temperature"}]}, None),
        ("temperature is not supported", "temperature"),
        ("no", None),
    ],
)
def test_a_refused_parameter_is_found_by_what_the_provider_says_of_it(body, parameter):
    assert refused_parameter(refused(400, body), ALL) == parameter
    assert refused_parameter(refused(422, body), ALL) == parameter
    assert refused_parameter(refused(500, body), ALL) is None
    assert refused_parameter(refused(400, body), ()) is None


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("3", 3),
        ("0.5", 0.5),
        ("-1", 0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("soon", None),
        ("nan", None),
        ("", None),
    ],
)
def test_when_to_come_back_is_seconds_or_a_date(said, seconds):
    assert parse_retry_after({"retry-after": said}) == seconds
