import json
import re

import numpy as np
import pytest

from model.errors import LLMBudgetError, LLMContextError, LLMKeyError, LLMModelError, LLMUnavailableError
from model.links.label_rows import majority, row_of
from model.llm.asking.candidates import Candidates
from model.llm.asking.question import Question
from model.tasks.classification.llm.label_answer import Guess
from model.tasks.classification.llm.labeler import ask_for_labels
from model.types import LabelSet, Targets
from tests.fake_chats import ScriptedChat

SENTIMENT = LabelSet(("neg", "pos"), is_multilabel=False)
FEELINGS = LabelSet(("joy", "love"), is_multilabel=True)
POS, NEG = Guess(("pos",), is_sure=True), Guess(("neg",), is_sure=True)


def people(*said, label_set=SENTIMENT):
    shares_L_C = np.array(said, dtype=np.float32).reshape(len(said), len(label_set.labels))
    return Targets(tuple(range(len(said))), tuple(f"known {row}" for row in range(len(said))), shares_L_C, label_set)


def along_a_line(*degrees):
    angles = np.deg2rad(np.array(degrees, dtype=np.float64))
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32).reshape(len(degrees), 2)


def label(chat, texts, embeddings_N_D=None, labelled=None, labelled_L_D=None, label_set=SENTIMENT, **more):
    question = Question("Films", "", label_set)
    embeddings_N_D = along_a_line(*range(len(texts))) if embeddings_N_D is None else embeddings_N_D
    labelled = people(label_set=label_set) if labelled is None else labelled
    labelled_L_D = along_a_line() if labelled_L_D is None else labelled_L_D
    return ask_for_labels(chat, Candidates(question, texts, embeddings_N_D, labelled, labelled_L_D), **more)


def shown(messages):
    """The texts that a question shows, by number."""
    return {int(number): text for number, text in re.findall(r'^\D*(\d+)\W*"(text [^"]*)"', messages[1].content, re.M)}


def by_parity(messages):
    """Answers "pos" for texts with an even name, else "neg"."""
    labels = {number: ("pos", "neg")[int(text.split()[1]) % 2] for number, text in shown(messages).items()}
    return json.dumps({"labels": [{"number": n, "label": label, "sure": True} for n, label in labels.items()]})


def test_every_text_gets_the_label_that_was_said_of_it_whatever_it_was_asked_with():
    texts = [f"text {n}" for n in range(50)]
    angles = np.random.default_rng(0).uniform(0, 180, 50)
    chat, done = ScriptedChat(by_parity), []
    labelled = label(chat, texts, along_a_line(*angles), on_progress=lambda *at: done.append(at))
    assert labelled.guesses == (POS, NEG) * 25
    assert labelled.failure is None
    assert done == [(20, 50), (40, 50), (50, 50)]
    assert len(chat.asked) == 3


def test_without_labelled_texts_no_examples_are_shown_and_the_wording_asked_for_asks():
    first, second = ScriptedChat(by_parity), ScriptedChat(by_parity)
    label(first, ["text 0"])
    label(second, ["text 0"], version="label_v2")
    assert "people labelled" not in first.asked[0][1].content
    assert first.asked[0][0] != second.asked[0][0]
    assert first.schemas == second.schemas != [None]


def test_the_labelled_texts_nearest_to_a_text_are_its_examples_the_nearest_first():
    chat = ScriptedChat(by_parity)
    labelled = people([1, 0], [0, 1], [0, 1])
    label(chat, ["text 0"], along_a_line(10), labelled, along_a_line(90, 30, 5))
    content = chat.asked[0][1].content
    assert "known 0" not in content
    assert content.index('"known 2", "label": "pos"') < content.index('"known 1", "label": "pos"')


def test_texts_that_people_are_split_on_are_no_examples():
    chat = ScriptedChat(by_parity)
    label(chat, ["text 0"], along_a_line(10), people([0.5, 0.5], [1, 0]), along_a_line(10, 90))
    assert "known 0" not in chat.asked[0][1].content
    assert '"known 1", "label": "neg"' in chat.asked[0][1].content


def test_examples_of_several_labels_show_them_all():
    chat = ScriptedChat(['{"labels":[{"number":0,"labels":["love"],"sure":true}]}'])
    labelled = people([1, 1], [0, 0], label_set=FEELINGS)
    said = label(chat, ["text 0"], along_a_line(10), labelled, along_a_line(10, 90), FEELINGS)
    assert '"labels": ["joy", "love"]' in chat.asked[0][1].content
    assert '"labels": []' in chat.asked[0][1].content
    assert said.guesses == (Guess(("love",), is_sure=True),)


def test_an_unreadable_answer_is_asked_again_with_the_reason():
    chat = ScriptedChat(["I would rather not.", '{"labels":[{"number":0,"label":"pos","sure":true}]}'])
    assert label(chat, ["text 0"]).guesses == (POS,)
    first, second = chat.asked
    assert second[: len(first)] == first
    assert second[-2].content == "I would rather not."
    assert "no labels behind the numbers" in second[-1].content
    assert [message.role for message in second] == ["system", "user", "assistant", "user"]


def test_an_empty_answer_is_asked_again_with_no_empty_turn():
    chat = ScriptedChat(["", '{"labels":[{"number":0,"label":"pos","sure":true}]}'])
    assert label(chat, ["text 0"]).guesses == (POS,)
    assert all(message.content for message in chat.asked[1])


def test_a_batch_whose_second_answer_is_no_better_has_no_guesses_and_the_next_is_asked():
    texts = [f"text {n}" for n in range(25)]
    answers = iter(["no", "no"])
    chat = ScriptedChat(lambda messages: next(answers, None) or by_parity(messages))
    said = label(chat, texts)
    assert said.guesses == (None,) * 20 + (POS, NEG, POS, NEG, POS)
    assert said.failure is None
    assert len(chat.asked) == 3


@pytest.mark.parametrize("kind", [LLMUnavailableError, LLMKeyError, LLMModelError, LLMBudgetError])
@pytest.mark.parametrize("before", [[], ["no"]])
def test_labels_are_kept_when_the_llm_fails_and_it_is_not_asked_again(kind, before):
    failure, answers = kind("out"), iter([None, *before])

    def answer(messages):
        said = next(answers, failure)
        return by_parity(messages) if said is None else said

    chat = ScriptedChat(answer)
    said = label(chat, [f"text {n}" for n in range(60)])
    assert said.failure is failure
    assert said.guesses == (POS, NEG) * 10 + (None,) * 40
    assert len(chat.asked) == 2 + len(before)


def test_a_context_that_holds_no_batch_is_a_failure_without_asking():
    chat = ScriptedChat([], context_tokens=100)
    said = label(chat, ["text 0"])
    assert isinstance(said.failure, LLMContextError)
    assert said.guesses == (None,)
    assert chat.asked == []


def test_no_text_is_no_question():
    assert label(ScriptedChat([]), []).guesses == ()


def test_labels_and_rows_of_shares_are_each_others_reverse():
    for labels, label_set in ((("pos",), SENTIMENT), ((), FEELINGS), (("joy",), FEELINGS), (("joy", "love"), FEELINGS)):
        assert majority(row_of(labels, label_set), label_set) == labels


def test_most_people_decide_and_an_even_split_decides_nothing():
    assert majority(np.array([1 / 3, 2 / 3]), SENTIMENT) == ("pos",)
    assert majority(np.array([0.5, 0.5]), SENTIMENT) is None
    assert majority(np.array([0.6, 0.4]), FEELINGS) == ("joy",)
    assert majority(np.array([1.0, 0.5]), FEELINGS) is None
