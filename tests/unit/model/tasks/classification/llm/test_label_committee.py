import json

import numpy as np
import pytest

from model.errors import LLMUnavailableError
from model.llm.asking.candidates import Candidates
from model.llm.asking.question import Question
from model.tasks.classification.llm.label_answer import Guess
from model.tasks.classification.llm.label_committee import (
    CommitteeMember,
    agreed_guesses,
    committee_votes,
    count_votes,
    disagreement_scores,
)
from model.types import LabelSet, Targets
from tests.fake_chats import ScriptedChat

SENTIMENT = LabelSet(("neg", "neutral", "pos"), is_multilabel=False)
FEELINGS = LabelSet(("joy", "love"), is_multilabel=True)
NEG, NEUTRAL, POS = (Guess((label,), is_sure=True) for label in SENTIMENT.labels)
NEITHER, JOY, LOVE = Guess((), True), Guess(("joy",), True), Guess(("love",), True)


def scores(*texts, label_set=SENTIMENT):
    """Disagreement on texts, each given by its members' guesses."""
    return disagreement_scores(count_votes(list(zip(*texts, strict=True)), label_set))


def majorities(*texts, label_set=SENTIMENT):
    return agreed_guesses(count_votes(list(zip(*texts, strict=True)), label_set))


def test_votes_are_one_hot_and_an_abstention_is_not_a_vote():
    votes = count_votes([[POS, None], [NEG, POS]], SENTIMENT)
    assert votes.votes_N_K_C.tolist() == [[[0, 0, 1], [1, 0, 0]], [[0, 0, 0], [0, 0, 1]]]
    assert votes.has_voted_N_K.tolist() == [[True, True], [False, True]]


def test_no_label_at_all_is_a_vote_where_there_may_be_several():
    votes = count_votes([[NEITHER], [None]], FEELINGS)
    assert votes.votes_N_K_C.tolist() == [[[0, 0], [0, 0]]]
    assert votes.has_voted_N_K.tolist() == [[True, False]]


def test_the_entropy_of_votes_by_hand():
    two_to_one = -2 / 3 * np.log(2 / 3) - 1 / 3 * np.log(1 / 3)
    assert scores([POS, POS, POS], [POS, POS, NEG], [POS, NEUTRAL, NEG]) == pytest.approx([0, two_to_one, np.log(3)])


def test_abstentions_are_left_out_of_the_entropy():
    assert scores([POS, None, POS], [POS, NEG, None], [None, NEG, POS]) == pytest.approx([0, np.log(2), np.log(2)])


def test_a_text_that_fewer_than_two_labelled_is_neither_disputed_nor_agreed_on():
    disputed, agreed_on, unknown, unanswered = scores([POS, NEG], [POS, POS], [POS, None], [None, None])
    assert agreed_on == 0 < unknown == unanswered == np.log(2) / 2 < disputed


def test_where_nothing_is_known_of_any_text_all_score_alike():
    assert scores([POS, None], [None, None]).tolist() == [0, 0]


def test_with_several_labels_the_most_disputed_one_counts():
    both = Guess(("joy", "love"), True)
    assert scores([JOY, JOY, JOY, JOY], [JOY, JOY, both, both], label_set=FEELINGS) == pytest.approx([0, np.log(2)])
    assert scores([NEITHER, NEITHER, NEITHER, JOY], label_set=FEELINGS) == pytest.approx(
        [-0.25 * np.log(0.25) - 0.75 * np.log(0.75)]
    )


def test_the_order_of_members_and_of_texts_decides_nothing():
    texts = [[POS, NEG, NEG], [POS, None, POS], [None, NEUTRAL, POS], [POS, None, None]]
    assert scores(*[text[::-1] for text in texts]) == pytest.approx(scores(*texts))
    assert scores(*texts[::-1]) == pytest.approx(scores(*texts)[::-1])


def test_what_all_say_is_sure_and_what_most_say_is_not():
    assert majorities([POS, POS, POS], [POS, POS, NEG], [POS, POS, None]) == [POS, Guess(("pos",), is_sure=False), POS]


def test_an_even_split_is_no_label_and_a_lone_vote_is_not_sure():
    assert majorities([POS, NEG], [POS, None], [None, None]) == [None, Guess(("pos",), is_sure=False), None]


def test_with_several_labels_each_is_voted_on():
    both = Guess(("joy", "love"), True)
    assert majorities([both, both, JOY], [JOY, LOVE, NEITHER], [NEITHER] * 3, label_set=FEELINGS) == [
        Guess(("joy", "love"), is_sure=False),
        Guess((), is_sure=False),
        NEITHER,
    ]
    assert majorities([both, JOY], label_set=FEELINGS) == [None]


def test_unanimity_counts_whether_or_not_members_call_themselves_sure():
    unsure = Guess(("pos",), is_sure=False)
    assert majorities([unsure, unsure]) == [POS]


def saying(label, count):
    return json.dumps({"labels": [{"number": n, "label": label, "sure": True} for n in range(count)]})


def ask(members, texts, done=None):
    question = Question("Films", "", SENTIMENT)
    nobody = Targets((), (), np.zeros((0, 3), dtype=np.float32), SENTIMENT)
    report = (lambda *_: None) if done is None else lambda *at: done.append(at)
    embeddings_N_D = np.eye(len(texts), dtype=np.float32)
    candidates = Candidates(question, texts, embeddings_N_D, nobody, np.zeros((0, len(texts)), np.float32))
    return committee_votes(members, candidates, report)


def test_every_member_is_asked_about_every_text_in_its_own_wording():
    praising, blaming = ScriptedChat([saying("pos", 2)]), ScriptedChat([saying("neg", 2)])
    done = []
    votes = ask([CommitteeMember(praising, "label_v1"), CommitteeMember(blaming, "label_v2")], ["a", "b"], done)
    assert votes.votes_N_K_C.tolist() == [[[0, 0, 1], [1, 0, 0]]] * 2
    assert votes.failures == ()
    assert done == [(2, 4), (4, 4)]
    assert praising.asked[0] != blaming.asked[0]


def test_a_member_that_fails_keeps_what_it_said_and_abstains_from_the_rest():
    down = LLMUnavailableError("overloaded")
    failing, going_on = (
        ScriptedChat([saying("pos", 20), down]),
        ScriptedChat([saying("neg", 20), saying("neg", 10)]),
    )
    votes = ask(
        [CommitteeMember(failing, "label_v1"), CommitteeMember(going_on, "label_v1")], [f"text {n}" for n in range(30)]
    )
    assert votes.has_voted_N_K.sum(axis=0).tolist() == [20, 30]
    assert votes.failures == (down,)
