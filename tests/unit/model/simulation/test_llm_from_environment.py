import pytest

from model.errors import LLMError, LLMKeyError
from model.simulation.llm_from_environment import ask_llm_from


@pytest.mark.parametrize(
    ("environment", "error", "told"),
    [
        ({}, LLMError, "LLM_PROVIDER"),
        ({"LLM_PROVIDER": "llama"}, LLMError, "mistral or openai"),
        ({"LLM_PROVIDER": "openai", "LLM_MODEL": "gpt-4o"}, LLMKeyError, "OPENAI_API_KEY"),
        ({"LLM_PROVIDER": "mistral", "LLM_TIMEOUT_S": "-1"}, LLMError, "LLM_TIMEOUT_S"),
        ({"LLM_PROVIDER": "mistral", "LLM_CONTEXT_TOKENS": "big"}, LLMError, "LLM_CONTEXT_TOKENS"),
        ({"LLM_PROVIDER": "openai", "LLM_MAX_TOKENS_TOTAL": "many"}, LLMError, "LLM_MAX_TOKENS_TOTAL"),
    ],
)
def test_what_is_missing_is_named_before_anything_is_asked(tmp_path, environment, error, told):
    with pytest.raises(error, match=told):
        ask_llm_from(environment, tmp_path, "Films", "")


def test_a_server_of_ones_own_needs_no_key_and_is_not_asked_yet(tmp_path):
    own = {"LLM_PROVIDER": "openai", "LLM_MODEL": "llama3.1", "LLM_BASE_URL": "http://127.0.0.1:1/v1"}
    assert callable(ask_llm_from(own, tmp_path, "Films", ""))
    assert not list(tmp_path.iterdir())
