import json

import pytest

from model.errors import LLMBudgetError, LLMUnavailableError
from model.llm.asking.framing import count_tokens
from model.llm.chat import Message, Reply
from model.llm.memory.ledger import Ledger, Spent
from model.llm.memory.remembered import RememberedChat
from model.llm.provider.refusals import LLMTimeoutError
from tests.fake_chats import ScriptedChat

ASKED = [Message("system", "You choose."), Message("user", "0: a private text")]
SCHEMA = {"type": "object"}
REPLY = Reply("3, 1", prompt_tokens=100, completion_tokens=20)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "answers"


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "ledger.json")


def test_the_same_question_is_paid_for_once(folder, ledger):
    chat = ScriptedChat([REPLY])
    assert RememberedChat(chat, folder, ledger).ask(ASKED, SCHEMA) == REPLY
    assert RememberedChat(chat, folder, ledger).ask(ASKED, dict(SCHEMA)) == Reply("3, 1")
    assert len(chat.asked) == 1
    assert chat.schemas == [SCHEMA]
    assert ledger.read() == Spent(asked=1, from_cache=1, prompt_tokens=100, completion_tokens=20)


def test_it_is_the_chat_that_it_remembers_for(folder, ledger):
    chat = RememberedChat(ScriptedChat([], model="m", context_tokens=99), folder, ledger)
    assert (chat.model, chat.context_tokens) == ("m", 99)


def test_a_cut_answer_is_remembered_as_cut(folder, ledger):
    chat = RememberedChat(ScriptedChat([Reply("3,", is_cut=True)]), folder, ledger)
    assert chat.ask(ASKED).is_cut
    assert chat.ask(ASKED).is_cut


@pytest.mark.parametrize(
    ("messages", "schema", "model", "version"),
    [
        (ASKED[1:], SCHEMA, "m", "1"),
        ([Message("user", ASKED[0].content), ASKED[1]], SCHEMA, "m", "1"),
        (ASKED, None, "m", "1"),
        (ASKED, SCHEMA, "another", "1"),
        (ASKED, SCHEMA, "m", "2"),
    ],
)
def test_whatever_an_answer_depends_on_makes_another_question(folder, ledger, messages, schema, model, version):
    RememberedChat(ScriptedChat(["first"], "m"), folder, ledger, "1").ask(ASKED, SCHEMA)
    chat = RememberedChat(ScriptedChat(["second"], model), folder, ledger, version)
    assert chat.ask(messages, schema).text == "second"


def test_a_file_holds_the_answer_and_nothing_of_the_question(folder, ledger):
    RememberedChat(ScriptedChat([REPLY]), folder, ledger).ask(ASKED, SCHEMA)
    [file] = folder.iterdir()
    assert json.loads(file.read_text(encoding="utf-8"))["record"]["text"] == "3, 1"
    assert "private" not in file.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b'{"text": 3, "is_cut": false}', b'{"text": ""}', b"\xff"]
)
def test_a_damaged_file_is_asked_for_anew(folder, ledger, content):
    chat = RememberedChat(ScriptedChat(["first", "second"]), folder, ledger)
    chat.ask(ASKED)
    [file] = folder.iterdir()
    file.write_bytes(content)
    assert chat.ask(ASKED).text == "second"
    assert chat.ask(ASKED).text == "second"


def test_an_empty_answer_is_not_remembered(folder, ledger):
    chat = RememberedChat(ScriptedChat([" \n", "3"]), folder, ledger)
    assert chat.ask(ASKED).text == " \n"
    assert chat.ask(ASKED).text == "3"


def test_tokens_that_the_provider_does_not_count_are_estimated(folder, ledger):
    reply = RememberedChat(ScriptedChat(["3, 1, 4"]), folder, ledger).ask(ASKED)
    assert reply.prompt_tokens == sum(count_tokens(message.content) for message in ASKED)
    assert reply.completion_tokens == count_tokens("3, 1, 4")
    assert ledger.read().tokens == reply.prompt_tokens + reply.completion_tokens


def test_past_the_limit_only_memory_answers(folder, tmp_path):
    ledger = Ledger(tmp_path / "ledger.json", limit_tokens=120)
    chat = RememberedChat(ScriptedChat([REPLY]), folder, ledger)
    chat.ask(ASKED)
    assert chat.ask(ASKED).text == "3, 1"
    with pytest.raises(LLMBudgetError, match="LLM_MAX_TOKENS_TOTAL"):
        chat.ask(ASKED[1:])


def test_the_limit_must_leave_room_for_the_longest_answer(folder, tmp_path):
    ledger = Ledger(tmp_path / "ledger.json", limit_tokens=500)
    scripted = ScriptedChat(["3"])
    with pytest.raises(LLMBudgetError):
        RememberedChat(scripted, folder, ledger, answer_tokens=500).ask(ASKED)
    assert not scripted.asked


def test_a_question_that_timed_out_is_paid_for_and_one_that_was_refused_is_not(folder, ledger):
    chat = RememberedChat(ScriptedChat([LLMUnavailableError("429"), LLMTimeoutError("hangs")]), folder, ledger)
    with pytest.raises(LLMUnavailableError, match="429"):
        chat.ask(ASKED)
    assert ledger.read() == Spent(asked=1, failed=1)
    with pytest.raises(LLMTimeoutError):
        chat.ask(ASKED)
    assert ledger.read() == Spent(asked=2, failed=2, prompt_tokens=sum(count_tokens(turn.content) for turn in ASKED))
    assert not folder.exists()


def test_a_folder_in_an_answers_place_costs_another_question_and_nothing_else(folder, ledger):
    chat = ScriptedChat([REPLY, REPLY])
    remembered = RememberedChat(chat, folder, ledger)
    remembered.ask(ASKED)
    (file,) = folder.iterdir()
    file.unlink()
    file.mkdir()
    assert remembered.ask(ASKED).text == REPLY.text
    assert remembered.ask(ASKED).text == REPLY.text
    assert len(chat.asked) == 2
