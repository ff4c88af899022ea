from dataclasses import replace

import numpy as np
import pytest

from backend.rounds.llm.choosing import RETRY_S, choose, has_a_say, retry_at, write_paste_prompt
from backend.rounds.order import order_pool, strategy_for
from backend.settings import ProjectSettings
from backend.store.selections import PASTED, Picked, Selection
from model.errors import LLMBudgetError, LLMKeyError, LLMUnavailableError
from model.query.unlabelled import Unlabelled
from tests.fake_chats import picking, shown_texts
from tests.unit.backend.films import FILMS, POOL, sentiment


def down() -> LLMUnavailableError:
    return LLMUnavailableError("the provider does not answer")


@pytest.mark.parametrize(
    ("cold_start", "labels", "has_model", "expected"),
    [
        ("activellm", 0, False, True),
        ("activellm", 16, True, True),
        ("activellm", 32, True, False),
        ("activellm", 100, False, True),
        ("llm_committee", 0, False, True),
        ("typiclust", 0, False, False),
    ],
)
def test_an_llm_has_a_say_until_there_is_a_model_and_a_batch_of_labels(cold_start, labels, has_model, expected):
    assert has_a_say(ProjectSettings(cold_start=cold_start), labels, has_model) is expected


def test_the_llms_picks_have_expected_labels_and_votes(llm_context):
    asked, chat = llm_context(picking(6, sentiment))
    selection = choose(asked)
    assert len(selection.picks) == 6
    assert {pick.guess for pick in selection.picks} == {"neg", "pos"}
    text_of = {text.task_id: text.text for text in POOL}
    assert all(pick.guess == sentiment(text_of[pick.task_id]) for pick in selection.picks)
    assert (selection.strategy, selection.source) == ("activellm", "mistral mistral-large-latest")
    assert {pick.reason for pick in selection.picks} == {"LLM: picked 3 of 3 askings"}
    assert len(chat.asked) == 3


def test_the_llm_is_told_the_projects_title_description_and_labels(llm_context):
    asked, chat = llm_context(picking(6, sentiment))
    choose(asked)
    said = "\n".join(message.content for message in chat.asked[0])
    for part in ("Films", "What critics say", "neg", "pos"):
        assert part in said
    # Three for each that is to be picked.
    assert len(shown_texts(chat.asked[0])) == 18
    assert set(shown_texts(chat.asked[0]).values()) <= set(FILMS)


def test_the_picks_lead_the_order_each_with_its_reason(llm_context):
    asked, _ = llm_context(picking(6, sentiment))
    selection = choose(asked)
    strategy = strategy_for(asked.synced.settings, has_model=False, selection=selection)
    unlabelled = Unlabelled(len(POOL), embeddings_N_D=asked.embed(FILMS))
    own = asked.synced.settings.model_copy(update={"explore": 0.0})
    ordered = order_pool(POOL, unlabelled, strategy, own, np.random.default_rng(0), selection)
    assert [POOL[row].task_id for row in ordered.rows_N[:6]] == [pick.task_id for pick in selection.picks]
    assert ordered.reasons_N[:6] == ("LLM: picked 3 of 3 askings",) * 6
    assert not any("LLM" in reason for reason in ordered.reasons_N[6:])


def test_the_llm_is_not_asked_again_while_a_pick_needs_a_label(llm_context):
    first = choose(llm_context(picking(6, sentiment))[0])
    later, chat = llm_context([])
    pool = tuple(text for text in POOL if text.task_id != first.picks[0].task_id)
    left = choose(replace(later, synced=replace(later.synced, pool=pool)))
    assert left.picks == first.picks[1:]
    assert chat.asked == []


def test_when_all_picks_are_labelled_the_llm_chooses_anew_and_sees_the_labels(llm_context):
    first = choose(llm_context(picking(6, sentiment))[0])
    taken = {pick.task_id for pick in first.picks}
    asked, chat = llm_context(picking(6, sentiment), labels=3)
    pool = tuple(text for text in asked.synced.pool if text.task_id not in taken)
    second = choose(replace(asked, synced=replace(asked.synced, pool=pool)))
    assert not taken & {pick.task_id for pick in second.picks}
    said = "".join(message.content for message in chat.asked[0])
    # Two examples of a label are enough.
    assert sum(f'"{text}" is' in said for text in FILMS[:3]) == 2


def test_skipped_and_empty_texts_are_not_shown(llm_context):
    asked, chat = llm_context(picking(6, sentiment))
    pool = (replace(POOL[0], is_skipped=True), replace(POOL[1], text=""), *POOL[2:])
    choose(replace(asked, synced=replace(asked.synced, pool=pool)))
    assert not set(shown_texts(chat.asked[0]).values()) & {FILMS[0], FILMS[1], ""}


def test_with_no_more_texts_than_a_batch_the_llm_is_not_asked(llm_context):
    asked, chat = llm_context([])
    selection = choose(replace(asked, synced=replace(asked.synced, pool=POOL[:5])))
    assert sorted(pick.task_id for pick in selection.picks) == [text.task_id for text in POOL[:5]]
    assert {pick.reason for pick in selection.picks} == {"all that is left: nothing to choose"}
    assert chat.asked == []


@pytest.mark.parametrize("error", [down(), LLMKeyError("refused"), LLMBudgetError("spent")])
def test_a_failure_is_recorded_and_the_fallback_chooses(llm_context, error):
    asked, _ = llm_context([error])
    selection = choose(asked)
    assert (selection.has_failed, selection.failure_code) == (True, error.code)
    assert strategy_for(asked.synced.settings, has_model=False, selection=selection).name == "typiclust"
    assert asked.folder.selection.read() == selection


def test_after_a_failure_the_llm_is_asked_again_by_a_delayed_round(llm_context):
    failed = choose(llm_context([down()])[0])
    assert retry_at(failed) == failed.at + RETRY_S
    soon, chat = llm_context([])
    assert choose(soon) == failed
    assert chat.asked == []


def test_after_a_while_the_llm_is_asked_again_in_another_shuffle(llm_context):
    asked, chat = llm_context(["Sorry."] * 9)
    failed = choose(asked)
    asked.folder.selection.write(replace(failed, at=failed.at - RETRY_S - 1))
    again, second = llm_context(picking(6, sentiment))
    assert len(choose(again).picks) == 6
    assert shown_texts(second.asked[0]) != shown_texts(chat.asked[0])


def test_a_failure_halfway_keeps_the_askings_that_went_well(llm_context):
    pick = picking(6, sentiment)
    asked = []

    def answer(messages):
        asked.append(messages)
        return pick(messages) if len(asked) == 1 else down()

    selection = choose(llm_context(answer)[0])
    assert len(selection.picks) == 6
    assert selection.failure_code == "llm_unavailable"
    assert {p.reason for p in selection.picks} == {"LLM: picked 1 of 1 asking"}


def test_once_the_classifier_has_a_batch_of_labels_it_takes_over(llm_context):
    asked, chat = llm_context([], labels=6, has_model=True)
    assert choose(asked) is None
    assert chat.asked == []
    assert strategy_for(asked.synced.settings, has_model=True).name == "hybrid"


def test_changed_settings_ask_the_llm_again(llm_context):
    choose(llm_context(picking(6, sentiment))[0])
    asked, chat = llm_context(lambda _: down(), cold_start="llm_committee")
    choose(asked)
    assert chat.asked


def test_a_pasted_answer_leads_until_the_classifier_has_a_batch_of_labels(llm_context):
    asked, chat = llm_context([], labels=5, has_model=True, cold_start="random")
    pasted = Selection("activellm", PASTED, 1.0, (Picked(130, "pos", 1, 1), Picked(1, "neg", 1, 1)))
    asked.folder.selection.write(pasted)
    assert choose(asked).picks == pasted.picks[:1]
    assert choose(llm_context([], labels=6, has_model=True, cold_start="random")[0]) is None
    assert chat.asked == []


def test_the_delay_doubles_with_each_failure_in_a_row_up_to_an_hour(llm_context):
    for expected_s in (60, 120, 240):
        asked, _ = llm_context([down()])
        failed = choose(asked)
        assert retry_at(failed) - failed.at == pytest.approx(expected_s)
        asked.folder.selection.write(replace(failed, at=failed.at - expected_s - 1))
    assert retry_at(replace(failed, at=0.0, failures=50)) == 3600
    assert choose(llm_context(picking(6, sentiment))[0]).failures == 0


def test_an_llm_that_is_away_for_months_is_still_asked_once_an_hour(llm_context):
    asked, _ = llm_context([down()])
    failed = replace(choose(asked), at=5.0, failures=100_000)
    assert retry_at(failed) == 5.0 + 3600
    asked.folder.selection.write(failed)
    assert choose(llm_context([down()])[0]).failures == 100_001


def test_an_llm_that_failed_is_asked_at_once_after_the_clock_was_set_back(llm_context):
    asked, _ = llm_context([down()])
    failed = choose(asked)
    asked.folder.selection.write(replace(failed, at=failed.at + 1e6))
    assert choose(llm_context(picking(6, sentiment))[0]).picks


def test_a_prompt_for_pasting_knows_which_task_is_under_each_number(llm_context):
    asked, chat = llm_context([])
    write_paste_prompt(asked, np.random.default_rng(0))
    prompt = asked.folder.paste_prompt.read()
    text_of = {text.task_id: text.text for text in POOL}
    assert len(prompt.task_ids) == 18
    assert prompt.select == 6
    for number, task_id in enumerate(prompt.task_ids):
        assert f'{number}: "{text_of[task_id]}"' in prompt.text
    assert chat.asked == []


def test_a_prompt_stays_as_it_is_while_enough_of_its_texts_want_labels(llm_context):
    asked, _ = llm_context([])
    write_paste_prompt(asked, np.random.default_rng(0))
    first = asked.folder.paste_prompt.read()
    for left, is_kept in ((6, True), (5, False)):
        gone = set(first.task_ids[left:])
        pool = tuple(text for text in POOL if text.task_id not in gone)
        write_paste_prompt(replace(asked, synced=replace(asked.synced, pool=pool)), np.random.default_rng(1))
        assert (asked.folder.paste_prompt.read() == first) is is_kept
