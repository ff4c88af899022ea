import numpy as np
import pytest

from model.errors import LLMUnavailableError, UnreadableAnswerError
from model.tasks.classification.llm.selection_methods import select_by_strategy
from tests.fake_chats import ScriptedChat, labelling, picking
from tests.unit.model.llm.asking.test_selector import candidates, rng, sentiment


def contrary(text: str) -> str:
    """Of another mind about texts whose number ends in 7."""
    return sentiment(text) if not text.endswith("7") else {"pos": "neg", "neg": "pos"}[sentiment(text)]


def test_activellm_asks_the_first_model_to_pick():
    chats = [ScriptedChat(picking(6, sentiment)), ScriptedChat([])]
    assert len(select_by_strategy("activellm", chats, candidates(), 6, rng()).picks) == 6
    assert chats[1].asked == []


def test_a_committee_asks_first_for_what_its_models_disagree_on():
    chats = [ScriptedChat(labelling(sentiment)), ScriptedChat(labelling(contrary))]
    selection = select_by_strategy("llm_committee", chats, candidates(), 20, rng())
    texts = candidates().texts
    disputed = [texts[pick.row].endswith("7") for pick in selection.picks]
    assert any(disputed)
    assert disputed == sorted(disputed, reverse=True)
    assert selection.picks[0].score == pytest.approx(np.log(2))
    assert selection.picks[-1].score == 0
    assert selection.picks[-1].guess == sentiment(texts[selection.picks[-1].row])
    # Two models in two wordings.
    assert {pick.askings for pick in selection.picks} == {4}


def test_one_model_in_two_wordings_is_a_committee_too():
    def by_wording(messages):
        return labelling(sentiment if "people who train a classifier" in messages[0].content else contrary)(messages)

    selection = select_by_strategy("llm_committee", [ScriptedChat(by_wording)], candidates(), 4, rng())
    assert candidates().texts[selection.picks[0].row].endswith("7")


def test_a_committee_of_which_nobody_answers_is_an_error():
    with pytest.raises(LLMUnavailableError):
        select_by_strategy(
            "llm_committee", [ScriptedChat(lambda _: LLMUnavailableError("down"))], candidates(), 4, rng()
        )
    with pytest.raises(UnreadableAnswerError):
        select_by_strategy("llm_committee", [ScriptedChat(lambda _: "no")], candidates(), 4, rng())


def test_a_model_that_does_not_answer_is_asked_once_and_the_others_still():
    silent, other = ScriptedChat(lambda _: LLMUnavailableError("down")), ScriptedChat(labelling(sentiment))
    selection = select_by_strategy("llm_committee", [silent, other], candidates(), 4, rng())
    assert len(silent.asked) == 1
    assert len(selection.picks) == 4
    assert isinstance(selection.failure, LLMUnavailableError)
