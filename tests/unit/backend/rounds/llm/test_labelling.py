from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pytest

from backend.rounds.context import InUse
from backend.rounds.llm.checking import checks_so_far, labels_that_train
from backend.rounds.llm.labelling import CHECKED, SURE, UNSURE, with_llm_labels
from backend.rounds.order import Order
from backend.rounds.standing import Standing
from backend.settings import LLMLabels
from backend.store.selections import LLMLabel, Picked, Selection
from model.errors import LLMUnavailableError
from model.text_digests import text_digest
from tests.fake_chats import labelling
from tests.unit.backend.films import FILMS, POOL, sentiment

LLM = "mistral mistral-large-latest"


def in_pool_order(size: int = len(POOL), explore=()) -> Order:
    is_explore_N = np.isin(np.arange(size), explore)
    return Order(np.arange(size), is_explore_N, tuple(f"margin {row}" for row in range(size)))


@dataclass(frozen=True)
class BroughtIn:
    """What an LLM's labels made of the order of a project with one question."""

    order: Order
    shown: Mapping[int, tuple[str, ...]]
    blind: frozenset[int]


def brought_in(asked, ordered=None, selection=None, seed=0) -> BroughtIn:
    ordered = ordered or in_pool_order(len(asked.synced.pool))
    standing = Standing(asked, InUse(), selection)
    labelled = with_llm_labels([standing], ordered, nothing_predicted, np.random.default_rng(seed))
    (shown,) = labelled.shown
    return BroughtIn(labelled.order, shown, labelled.blind)


def nothing_predicted(place: int, rows_M) -> list[str]:
    raise AssertionError("without conditions nobody needs a prediction")


def test_before_a_classifier_the_next_batch_is_labelled_by_the_llm(llm_context):
    asked, chat = llm_context(labelling(sentiment))
    labelled = brought_in(asked, in_pool_order(explore=[1]))
    # A batch of 6, but for what was drawn at random.
    assert labelled.shown == {100 + row: (sentiment(FILMS[row]),) for row in (0, 2, 3, 4, 5, 6)}
    assert labelled.order.rows_N.tolist() == list(range(len(POOL)))
    assert len(chat.asked) == 1


def test_picks_with_an_expected_label_are_not_labelled_again(llm_context):
    asked, chat = llm_context([])
    picks = tuple(Picked(100 + row, "neg", 3, 3) for row in range(6))
    labelled = brought_in(asked, selection=Selection("activellm", "mistral x", 1.0, picks))
    assert labelled.shown == {100 + row: ("neg",) for row in range(6)}
    assert chat.asked == []


def test_a_guess_that_is_no_label_of_the_project_is_not_shown(llm_context):
    asked, _ = llm_context(lambda _: LLMUnavailableError("down"))
    picks = (Picked(100, "so-so", 3, 3), Picked(101, "", 3, 3))
    assert brought_in(asked, selection=Selection("activellm", "mistral x", 1.0, picks)).shown == {}


@pytest.mark.parametrize("use", ["off", "show"])
def test_with_a_classifier_nothing_is_asked_unless_labels_are_routed(llm_context, use):
    asked, chat = llm_context([], labels=8, has_model=True, llm_labels=use)
    labelled = brought_in(asked)
    assert (labelled.shown, labelled.blind) == ({}, frozenset())
    assert chat.asked == []


def test_with_llm_labels_off_the_llm_is_not_asked_for_labels(llm_context):
    asked, chat = llm_context([], llm_labels="off")
    picks = (Picked(100, "neg", 3, 3),)
    assert brought_in(asked, selection=Selection("activellm", "mistral x", 1.0, picks)).shown == {}
    assert chat.asked == []


def routed(llm_context, seed=0, **own):
    """Eight labels, a classifier, and an LLM that contradicts itself on plots; places 2 and 5 are random."""
    asked, _ = llm_context(
        lambda messages: labelling(lambda text: _of_two_minds(text, messages))(messages),
        labels=8,
        has_model=True,
        **{"llm_labels": "route", **own},
    )
    return asked, brought_in(asked, in_pool_order(32, explore=[2, 5]), seed=seed)


def _of_two_minds(text: str, messages) -> str:
    """Answer two wordings differently for plots."""
    if text.startswith("plot"):
        return "neg" if "people who train a classifier" in messages[0].content else "pos"
    return sentiment(text)


def test_texts_that_the_llm_is_unsure_of_come_first(llm_context):
    asked, labelled = routed(llm_context)
    order, pool = labelled.order, asked.synced.pool
    kinds = [reason.split(";")[0] for reason in order.reasons_N[:14]]
    assert order.rows_N[[2, 5]].tolist() == [2, 5]
    assert sorted(order.rows_N.tolist()) == list(range(32))
    first_sure = kinds.index(SURE)
    assert UNSURE not in kinds[first_sure:]
    assert CHECKED in kinds
    for place, row in enumerate(order.rows_N[:14].tolist()):
        if kinds[place] == UNSURE:
            assert pool[row].text.startswith("plot")


def test_a_fifth_of_the_sure_labels_is_checked_blind_and_the_rest_is_shown(llm_context):
    asked, labelled = routed(llm_context)
    text_of = {text.task_id: text.text for text in asked.synced.pool}
    sure = len(labelled.blind) + len(labelled.shown)
    assert len(labelled.blind) == int(np.ceil(sure / 5))
    assert not labelled.blind & labelled.shown.keys()
    assert all(labels == (sentiment(text_of[task_id]),) for task_id, labels in labelled.shown.items())


def test_checks_stay_checks_however_often_the_order_is_made(llm_context):
    _, first = routed(llm_context, seed=0)
    _, second = routed(llm_context, seed=1)
    assert first.blind <= second.blind


def test_too_many_contradicted_checks_stop_the_use_of_llm_labels(llm_context):
    asked, chat = llm_context([], labels=12, has_model=True, llm_labels="route")
    wrong = {100 + row: "neg" if sentiment(FILMS[row]) == "pos" else "pos" for row in range(12)}
    checks = {id_: LLMLabel((label,), True, True, text_digest(FILMS[id_ - 100]), LLM) for id_, label in wrong.items()}
    asked.folder.llm_labels.write(checks)
    assert checks_so_far(asked.folder, asked.synced, LLM).is_paused
    labelled = brought_in(asked)
    assert labelled.order.rows_N.tolist() == list(range(28))
    assert labelled.shown == {}
    assert chat.asked == []
    assert labels_that_train(asked.folder, replace(asked.synced, settings=_training(asked)), LLM) is not None
    assert len(labels_that_train(asked.folder, replace(asked.synced, settings=_training(asked)), LLM)) == 0


def _training(asked):
    return asked.synced.settings.model_copy(update={"llm_labels": LLMLabels.TRAIN})


@pytest.mark.parametrize("use", ["off", "show", "route"])
def test_the_llms_labels_train_only_with_llm_labels_train(llm_context, use):
    asked, _ = routed(llm_context)
    own = asked.synced.settings.model_copy(update={"llm_labels": LLMLabels(use)})
    assert labels_that_train(asked.folder, replace(asked.synced, settings=own), LLM) is None


def test_sure_labels_train_but_checks_and_texts_that_people_labelled_do_not(llm_context):
    asked, labelled = routed(llm_context)
    weak = labels_that_train(asked.folder, replace(asked.synced, settings=_training(asked)), LLM)
    assert set(weak.task_ids) == set(labelled.shown)
    assert not set(weak.task_ids) & {*labelled.blind, *asked.synced.targets.task_ids}
    said = [asked.synced.targets.label_set.labels[row] for row in weak.targets_N_C.argmax(axis=1)]
    assert said == [sentiment(text) for text in weak.texts]


def test_a_changed_text_has_no_llm_label(llm_context):
    asked, labelled = routed(llm_context)
    changed = tuple(replace(text, text=f"{text.text} a") for text in asked.synced.pool)
    weak = labels_that_train(asked.folder, replace(asked.synced, settings=_training(asked), pool=changed), LLM)
    assert labelled.shown
    assert len(weak) == 0


def test_an_llm_that_fails_leaves_the_order_as_it_was(llm_context):
    asked, _ = llm_context(lambda _: LLMUnavailableError("down"), labels=8, has_model=True, llm_labels="route")
    labelled = brought_in(asked)
    assert labelled.order.rows_N.tolist() == list(range(32))
    assert labelled.shown == {}


def test_checks_of_another_llm_a_changed_text_or_a_deleted_label_do_not_count(llm_context):
    asked, _ = llm_context([], labels=12, has_model=True, llm_labels="route")
    wrong = {100 + row: "neg" if sentiment(FILMS[row]) == "pos" else "pos" for row in range(12)}

    def total(**different) -> int:
        label = LLMLabel(("neg",), True, True, 0, LLM)
        asked.folder.llm_labels.write(
            {
                id_: replace(label, labels=(said,), text_digest=text_digest(FILMS[id_ - 100]), **different)
                if "text_digest" not in different
                else replace(label, labels=(said,), **different)
                for id_, said in wrong.items()
            }
        )
        return checks_so_far(asked.folder, asked.synced, LLM).total

    assert total() == 12
    assert total(source="mistral small") == 0
    assert total(text_digest=5) == 0


def test_skipped_texts_are_neither_labelled_nor_moved_forward(llm_context):
    asked, _ = routed(llm_context)
    pool = tuple(replace(text, is_skipped=row < 4) for row, text in enumerate(asked.synced.pool))
    labelled = brought_in(replace(asked, synced=replace(asked.synced, pool=pool)), in_pool_order(32))
    assert labelled.order.rows_N[:4].tolist() == [0, 1, 2, 3]
    assert not {100 + 8 + row for row in range(4)} & {*labelled.shown, *labelled.blind}


def test_checks_stay_blind_while_the_llm_does_not_answer(llm_context):
    _, first = routed(llm_context)
    asked, _ = llm_context(lambda _: LLMUnavailableError("down"), labels=8, has_model=True, llm_labels="route")
    assert first.blind
    assert brought_in(asked).blind == first.blind


def test_after_a_failure_to_label_the_llm_is_asked_again_only_after_a_delay(llm_context):
    failing, _ = llm_context(lambda _: LLMUnavailableError("down"), labels=8, has_model=True, llm_labels="route")
    brought_in(failing)
    assert failing.folder.llm_failure.read().failure_code == "llm_unavailable"
    soon, chat = llm_context([], labels=8, has_model=True, llm_labels="route")
    brought_in(soon)
    assert chat.asked == []
    failing.folder.llm_failure.write(replace(failing.folder.llm_failure.read(), at=1.0))
    _, labelled = routed(llm_context)
    assert labelled.shown
    assert failing.folder.llm_failure.read() is None
