from collections import Counter

import numpy as np
import pytest

from model.errors import InvalidEmbeddingsError, LLMBudgetError, LLMUnavailableError, UnreadableAnswerError
from model.llm.asking.candidates import Candidates
from model.llm.asking.picks import PickedRows
from model.llm.asking.question import Question
from model.llm.asking.selector import (
    ASKINGS,
    MOST_PICKS,
    balanced,
    merge_askings,
    prompt_for_pasting,
    select_texts,
    show_groups,
)
from model.types import LabelSet, Targets
from tests.fake_chats import ScriptedChat, picking, shown_texts

SENTIMENT = LabelSet(("neg", "pos"), is_multilabel=False)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def candidates(size: int = 60, labelled=(), embeddings_N_D=None) -> Candidates:
    """Texts of two kinds in turn; every text's name says which."""
    texts = [f"{('bad', 'good')[row % 2]} film {row}" for row in range(size)]
    if embeddings_N_D is None:
        embeddings_N_D = rng().normal(size=(size, 8)).astype(np.float32)
    shares_L_C = np.eye(2, dtype=np.float32)[list(labelled)]
    people = Targets(tuple(range(len(labelled))), tuple(f"known {row}" for row in labelled), shares_L_C, SENTIMENT)
    labelled_L_D = rng(1).normal(size=(len(labelled), embeddings_N_D.shape[1])).astype(np.float32)
    return Candidates(Question("Films", "", SENTIMENT), texts, embeddings_N_D, people, labelled_L_D)


def sentiment(text: str) -> str:
    return "pos" if text.startswith("good") else "neg"


def answer(*rows: int) -> PickedRows:
    return PickedRows({row: ("neg", "pos")[row % 2] for row in rows})


def test_a_batch_is_balanced_over_the_labels_that_the_llm_expects_however_one_sidedly_it_picks():
    # Three askings, each of eleven good films and one bad one.
    answers = [answer(*range(1 + asking, 23 + asking, 2), 2 * asking) for asking in (0, 2, 4)]
    picks = merge_askings(answers, np.arange(60), candidates(), 6, rng())
    assert Counter(pick.guess for pick in picks) == {"neg": 3, "pos": 3}
    assert all(pick.votes > 0 for pick in picks)


def test_any_beginning_of_a_batch_is_balanced():
    picks = merge_askings([answer(*range(24))], np.arange(60), candidates(), 12, rng())
    for cut in range(2, 13, 2):
        assert Counter(pick.guess for pick in picks[:cut]) == {"neg": cut // 2, "pos": cut // 2}


def test_what_people_labelled_so_far_corrects_the_balance():
    picks = merge_askings([answer(*range(24))], np.arange(60), candidates(labelled=[1, 1, 1, 1]), 4, rng())
    assert [pick.guess for pick in picks] == ["neg"] * 4


def test_places_that_no_asking_filled_go_to_other_texts_shown_without_votes():
    picks = merge_askings([answer(3, 8)], np.arange(10, dtype=np.int64), candidates(), 5, rng())
    assert {pick.row for pick in picks[:2]} == {3, 8}
    assert [pick.votes for pick in picks] == [1, 1, 0, 0, 0]
    assert len({pick.row for pick in picks}) == 5
    assert all(pick.row < 10 for pick in picks)


def test_of_what_was_picked_the_text_that_is_near_to_most_others_comes_first():
    # A crowd at one end of the plane, and two bad films of which one stands in it.
    embeddings_N_D = np.tile([[1.0, 0.1]], (60, 1)).astype(np.float32)
    embeddings_N_D[4] = [-1.0, 0.0]
    picks = merge_askings([answer(4, 8)], np.arange(60), candidates(embeddings_N_D=embeddings_N_D), 2, rng())
    assert [pick.row for pick in picks] == [8, 4]


def test_votes_are_counted_over_askings_and_break_ties():
    alike_N_D = np.ones((60, 4), dtype=np.float32)
    answers = [answer(2, 4, 6), answer(4, 8, 10), answer(4, 6, 12)]
    picks = merge_askings(answers, np.arange(60), candidates(embeddings_N_D=alike_N_D), 3, rng())
    assert [(pick.row, pick.votes, pick.askings) for pick in picks[:2]] == [(4, 3, 3), (6, 2, 3)]


def test_a_guess_is_what_most_askings_expect_and_is_matched_to_the_projects_labels():
    answers = [PickedRows({4: "Positive!", 6: "POS"}), PickedRows({4: "neg"}), PickedRows({4: "NEG "})]
    guesses = {pick.row: pick.guess for pick in merge_askings(answers, np.arange(60), candidates(), 2, rng())}
    assert guesses == {4: "neg", 6: "pos"}


@pytest.mark.parametrize("size", [300, 3000])
def test_a_pool_of_any_size_is_shown_through_three_texts_a_pick(size):
    assert len(show_groups(candidates(size), 8, rng())) == 24


def test_a_rare_group_is_among_what_is_shown():
    embeddings_N_D = np.tile([[1.0, 0.0]], (500, 1)) + rng().normal(scale=0.05, size=(500, 2))
    embeddings_N_D[[17, 230]] = [[-0.1, 1.0], [0.1, 1.0]]
    shown = show_groups(candidates(500, embeddings_N_D=embeddings_N_D.astype(np.float32)), 2, rng())
    assert {17, 230} & set(shown.tolist())


def test_each_asking_shows_the_same_texts_in_another_order():
    chat = ScriptedChat(picking(6, sentiment))
    picks = select_texts(chat, candidates(), 6, rng()).picks
    orders = [list(shown_texts(messages).values()) for messages in chat.asked]
    assert len(orders) == ASKINGS
    assert len({tuple(texts) for texts in orders}) == ASKINGS
    assert len({frozenset(texts) for texts in orders}) == 1
    # A pick is the text that was under its number, whatever the order was.
    assert {pick.votes for pick in picks} == {ASKINGS}
    assert all(pick.guess == ("neg", "pos")[pick.row % 2] for pick in picks)


def test_the_same_seed_asks_the_same_and_another_something_else():
    chats = [ScriptedChat(picking(6, sentiment)) for _ in range(3)]
    for chat, seed in zip(chats, (0, 0, 1), strict=True):
        select_texts(chat, candidates(), 6, rng(seed))
    assert chats[0].asked == chats[1].asked != chats[2].asked


def test_more_than_an_llm_can_choose_is_not_asked_for():
    chat = ScriptedChat(picking(MOST_PICKS, sentiment))
    assert len(select_texts(chat, candidates(400), 300, rng()).picks) == MOST_PICKS


def test_an_asking_without_an_answer_of_use_is_made_up_for_by_the_others():
    good = picking(6, sentiment)
    asked = []

    def answers(messages):
        asked.append(messages)
        return "no" if len(asked) <= 3 else good(messages)

    selection = select_texts(ScriptedChat(answers), candidates(), 6, rng())
    assert {pick.askings for pick in selection.picks} == {2}
    assert isinstance(selection.failure, UnreadableAnswerError)


@pytest.mark.parametrize("error", [LLMBudgetError("spent"), LLMUnavailableError("down")])
def test_an_llm_that_never_answers_is_asked_once_and_its_error_is_the_callers(error):
    chat = ScriptedChat([error])
    with pytest.raises(type(error)):
        select_texts(chat, candidates(), 6, rng())
    assert len(chat.asked) == 1


def test_progress_is_told_after_each_asking():
    done = []
    select_texts(ScriptedChat(picking(6, sentiment)), candidates(), 6, rng(), lambda *at: done.append(at))
    assert done == [(1, 3), (2, 3), (3, 3)]


def test_a_prompt_for_a_chat_window_shows_what_an_llm_with_a_key_would_be_shown():
    prompt = prompt_for_pasting(candidates(), 6, 32_000, rng())
    chat = ScriptedChat(picking(6, sentiment))
    select_texts(chat, candidates(), 6, rng())
    assert set(shown_texts(prompt.messages).values()) == set(shown_texts(chat.asked[0]).values())
    texts = candidates().texts
    assert [texts[row] for row in prompt.rows] == list(shown_texts(prompt.messages).values())


def test_balanced_picks_take_turns_over_the_labels():
    assert balanced({7: "pos", 3: "pos", 5: "neg", 9: "pos", 1: "neg"}) == [7, 5, 3, 1, 9]
    assert balanced({7: "", 3: "", 5: ""}) == [7, 3, 5]


def test_an_embedding_that_is_no_number_is_refused_and_named():
    embeddings_N_D = np.ones((60, 4), dtype=np.float32)
    embeddings_N_D[7, 1] = np.nan
    with pytest.raises(InvalidEmbeddingsError, match="row 7 "):
        select_texts(ScriptedChat([]), candidates(embeddings_N_D=embeddings_N_D), 6, rng())


def test_texts_on_which_people_are_split_or_that_have_no_label_are_no_examples():
    split = candidates(labelled=[0, 1, 1])
    split.labelled.targets_N_C[1] = 0.5
    chat = ScriptedChat(picking(6, sentiment))
    select_texts(chat, split, 6, rng())
    said = "".join(message.content for message in chat.asked[0])
    assert '"known 0" is "neg"' in said
    assert said.count('"known') == 2
