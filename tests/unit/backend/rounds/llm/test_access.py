import pytest

from backend.rounds.llm.access import StoppableChat, open_llms, problem_at_start
from backend.settings import Settings
from backend.store.project_folder import ProjectFolder
from model.errors import LLMKeyError, TrainingCancelledError
from model.learner.training import do_not_stop
from model.llm.chat import Message
from tests.fake_chats import ScriptedChat


@pytest.mark.parametrize(
    ("own", "told"),
    [
        ({}, ""),
        ({"llm_provider": "mistral"}, "MISTRAL_API_KEY"),
        ({"llm_provider": "openai"}, "OPENAI_API_KEY"),
        ({"llm_provider": "openai", "llm_base_url": "http://localhost:11434/v1"}, ""),
        ({"llm_provider": "mistral", "mistral_api_key": "geheim", "llm_model": " , "}, ""),
        ({"llm_provider": "mistral", "mistral_api_key": "geheim", "llm_context_tokens": 1000}, "context"),
    ],
)
def test_wrong_llm_settings_are_found_without_a_request(tmp_path, own, told):
    problem = problem_at_start(Settings(model_dir=tmp_path, **own))
    assert told in problem
    assert bool(problem) is bool(told)
    assert "geheim" not in problem


def test_every_named_model_is_opened_without_a_request(tmp_path):
    settings = Settings(llm_provider="openai", llm_base_url="http://127.0.0.1:1", llm_model="one, two,")
    chats = open_llms(settings, ProjectFolder(tmp_path, 1), do_not_stop)
    assert [chat.model for chat in chats] == ["one", "two"]
    assert chats[0].context_tokens == settings.llm_context_tokens


def test_a_question_without_an_answer_times_out_within_a_minute():
    assert Settings().llm_timeout_s <= 45


def test_without_a_provider_opening_an_llm_is_an_error(tmp_path):
    with pytest.raises(LLMKeyError, match="LLM_PROVIDER"):
        open_llms(Settings(), ProjectFolder(tmp_path, 1), do_not_stop)


def test_a_worker_that_was_told_to_stop_asks_no_further_question():
    stopping = [False]
    chat = ScriptedChat(["yes", "yes"])
    stoppable = StoppableChat(chat, lambda: stopping[0])
    assert stoppable.ask([Message("user", "?")]).text == "yes"
    stopping[0] = True
    with pytest.raises(TrainingCancelledError):
        stoppable.ask([Message("user", "?")])
    assert len(chat.asked) == 1
