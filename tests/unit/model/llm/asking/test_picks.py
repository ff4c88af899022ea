import json

import pytest

from model.errors import LLMUnavailableError, UnreadableAnswerError
from model.llm.asking.picks import TRIES, ask_for_picks, read_picks
from model.llm.asking.question import Question
from model.llm.asking.selection_prompt import build_selection_prompt
from model.types import LabelSet
from tests.fake_chats import ScriptedChat

TEXTS = [f"text {row}" for row in range(50)]
# Row 49 is shown as number 0, row 48 as 1 …
ROWS = list(range(49, 19, -1))


def ask(*answers):
    prompt = build_selection_prompt(Question("", "", LabelSet(("neg", "pos"))), TEXTS, ROWS, 4, 32_000)
    chat = ScriptedChat(answers)
    return ask_for_picks(chat, prompt), chat


def as_json(*numbers: int) -> str:
    return json.dumps({"picks": [{"number": number, "label": "pos"} for number in numbers]})


def test_a_good_answer_is_read_through_the_map_from_number_to_row():
    answer, chat = ask(as_json(3, 17, 0, 9))
    assert answer.guesses == {46: "pos", 32: "pos", 49: "pos", 40: "pos"}
    assert (answer.faults, answer.tries, len(chat.asked)) == ((), 1, 1)


def test_an_answer_without_guesses_will_do():
    assert ask("3, 17, 0, 9")[0].guesses == {46: "", 32: "", 49: "", 40: ""}


@pytest.mark.parametrize("garbage", ["", "I cannot do that.", "0, 1, 2, 3", as_json(400, 500, 612, 777)])
def test_garbage_is_asked_about_again_with_the_reason(garbage):
    answer, chat = ask(garbage, garbage, as_json(3, 17, 0, 9))
    assert (len(answer.guesses), answer.tries) == (4, 3)
    assert len(chat.asked[2]) == len(chat.asked[0]) + 2
    assert chat.asked[2][-1].content != chat.asked[0][-1].content
    assert chat.asked[2][-1].role == "user"


def test_after_three_times_garbage_is_an_error_that_says_why():
    with pytest.raises(UnreadableAnswerError, match=f"asked {TRIES} times"):
        ask(*["Sorry."] * TRIES)


@pytest.mark.parametrize(
    ("numbers", "told"), [((3, 17, 0), "too few"), ((3, 17, 0, 9, 12), "too many"), ((3, 17, 0, 77), "77")]
)
def test_a_faulty_answer_is_told_its_fault_and_used_as_far_as_it_goes_if_it_stays_so(numbers, told):
    answer, chat = ask(*[as_json(*numbers)] * TRIES)
    assert told in chat.asked[1][-1].content
    assert list(answer.guesses) == [49 - number for number in numbers if number < 30][:4]
    assert answer.faults


def test_of_several_faulty_answers_the_one_with_most_picks_is_used():
    answer, _ = ask(as_json(3), as_json(3, 17, 9), as_json(5, 12))
    assert list(answer.guesses) == [46, 32, 40]


def test_an_llm_that_stops_answering_is_the_callers_business():
    with pytest.raises(LLMUnavailableError):
        ask("Sorry.", LLMUnavailableError("down"))


def test_more_than_was_asked_for_is_cut_and_numbers_that_were_not_shown_are_left_out():
    assert list(read_picks("3, 99, 17, 0, 9, 12, 5", ROWS, 4).guesses) == [46, 32, 49, 40]
