from model.errors import UnreadableAnswerError
from model.llm.asking import AGAIN_TOKENS, ask_twice, asking_again, count_tokens
from model.llm.chat import Message
from tests.fake_chats import ScriptedChat

ASKED = (Message("system", "Label films."), Message("user", '0: "a lovely film"'))


def read_number(answer: str) -> int:
    if not answer.isdigit():
        raise UnreadableAnswerError("it is no number")
    return int(answer)


def test_an_answer_that_can_be_read_is_asked_for_once():
    chat = ScriptedChat(["7"])
    assert ask_twice(chat, ASKED, {}, read_number) == 7
    assert chat.asked == [ASKED]


def test_an_unreadable_answer_is_asked_for_again_with_its_fault():
    chat = ScriptedChat(["seven", "7"])
    assert ask_twice(chat, ASKED, {}, read_number) == 7
    assert chat.asked[1] == asking_again(ASKED, "seven", "it is no number")


def test_two_unreadable_answers_are_none():
    assert ask_twice(ScriptedChat(["seven", "eight"]), ASKED, {}, read_number) is None


def test_asking_again_shows_the_beginning_of_the_answer_and_says_what_is_wrong_with_it():
    conversation = asking_again(ASKED, "blah " * 5_000, "the answer is too long")
    assert conversation[:2] == ASKED
    assert [message.role for message in conversation[2:]] == ["assistant", "user"]
    assert "the answer is too long" in conversation[3].content
    assert count_tokens("".join(message.content for message in conversation[2:])) < AGAIN_TOKENS


def test_an_empty_answer_is_no_empty_turn():
    assert all(message.content for message in asking_again(ASKED, " ", "it is empty"))
