from dataclasses import replace

import pytest

from backend.rounds.plan import NEW_LABELS, Plan, labels_until_training, plan
from backend.store.sync_record import Facts, OrderFacts

NOW = 1000.0
FITTING = OrderFacts(
    model_fits=True,
    settings_fit=True,
    tasks_fit=True,
    labels_since=0,
    llm_reason="",
    hand_over_at=None,
    left=40,
    least_left=32,
    follows_labels=False,
    has_all_labels=True,
)
RESTING = Facts(
    labels=100,
    waiting=900,
    can_teach=True,
    trained_labels=100,
    is_outdated=False,
    changed_labels=0,
    retrain_every=16,
    query_size=32,
    order=FITTING,
)


def facts(**different) -> Facts:
    """A project at rest, but for what is said."""
    of_order = {name: different.pop(name) for name in list(different) if name in FITTING.__dataclass_fields__}
    return replace(RESTING, order=replace(FITTING, **of_order), **different)


@pytest.mark.parametrize(
    ("different", "train", "why"),
    [
        ({}, False, ""),
        # Trainings.
        ({"asked_to_train": True}, True, ""),
        ({"changed_labels": 24}, False, ""),
        ({"changed_labels": 25}, True, ""),
        ({"trained_labels": 16, "changed_labels": 15}, False, ""),
        ({"trained_labels": 16, "changed_labels": 16}, True, ""),
        ({"is_outdated": True}, True, ""),
        ({"trained_labels": None, "labels": 15}, False, ""),
        ({"trained_labels": None, "labels": 16}, True, ""),
        ({"can_teach": False, "trained_labels": None, "labels": 500}, False, ""),
        ({"can_teach": False, "asked_to_train": True}, True, ""),
        ({"changed_labels": 25, "labels_since_failure": 15}, False, ""),
        ({"changed_labels": 25, "labels_since_failure": 16}, True, ""),
        # Orders, the first reason that holds.
        ({"model_fits": False}, False, "model version changed"),
        ({"settings_fit": False}, False, "settings changed"),
        ({"tasks_fit": False}, False, "new or changed tasks"),
        ({"labels_since": 31}, False, ""),
        ({"labels_since": 32}, False, "batch used up"),
        ({"llm_reason": "the LLM chose"}, False, "the LLM chose"),
        ({"hand_over_at": 101}, False, ""),
        ({"hand_over_at": 100}, False, "another strategy decides"),
        ({"left": 32}, False, ""),
        ({"left": 31}, False, "queue used up"),
        ({"left": 31, "waiting": 31}, False, ""),
        ({"left": 0, "waiting": 0}, False, ""),
        ({"follows_labels": True}, False, ""),
        ({"has_all_labels": False}, False, ""),
        ({"follows_labels": True, "has_all_labels": False}, False, NEW_LABELS),
        ({"follows_labels": True, "has_all_labels": False, "left": 0}, False, "queue used up"),
        # Nothing is put in order where nothing waits.
        ({"model_fits": False, "waiting": 0}, False, ""),
    ],
    ids=str,
)
def test_what_a_round_has_to_do(different, train, why):
    assert plan(facts(**different), NOW) == Plan(train, bool(why), why, None)


def test_the_first_order_is_always_due():
    assert plan(replace(RESTING, order=None), NOW).why == "first order"
    assert plan(replace(RESTING, order=None, waiting=0), NOW).why == ""


@pytest.mark.parametrize(("at", "seconds", "is_empty"), [(None, None, True), (1060.0, 60.0, True), (999.0, 0.0, False)])
def test_an_llm_that_failed_is_asked_again_when_its_time_has_come(at, seconds, is_empty):
    planned = plan(facts(ask_llm_at=at), NOW)
    assert (planned.look_again_after_s, planned.is_empty) == (seconds, is_empty)


@pytest.mark.parametrize(("labels", "missing"), [(0, 16), (2, 14), (15, 1), (16, 0), (30, -14)])
def test_the_first_training_waits_for_retrain_every_labels(labels, missing):
    assert labels_until_training(facts(trained_labels=None, labels=labels)) == missing


@pytest.mark.parametrize("labels", [1, 15, 16, 500])
def test_labels_of_one_class_alone_never_train(labels):
    assert labels_until_training(facts(can_teach=False, trained_labels=None, labels=labels)) == max(1, 16 - labels)


@pytest.mark.parametrize(("before", "missing"), [(16, 16), (64, 16), (65, 17), (100, 25), (1000, 250)])
def test_the_next_training_waits_until_labels_grew_by_a_quarter_but_for_retrain_every_at_least(before, missing):
    assert labels_until_training(facts(trained_labels=before)) == missing


def is_quiet_after(annotations: int, **different) -> bool:
    return plan(facts(**different).after(annotations), NOW).is_empty


@pytest.mark.parametrize(
    ("different", "quiet_for"),
    [
        # A batch, a training, whichever comes first.
        ({}, 25),
        ({"query_size": 20}, 20),
        ({"labels_since": 10}, 22),
        # Where labels count at once, every one calls for an order.
        ({"follows_labels": True}, 1),
        # A label more may be of another class.
        ({"can_teach": False, "trained_labels": None, "labels": 500}, 1),
        ({"can_teach": False, "trained_labels": None, "labels": 10}, 6),
        # After a failure the next try waits for as many labels as any training.
        ({"changed_labels": 90, "labels_since_failure": 0}, 16),
        ({"hand_over_at": 105}, 5),
    ],
    ids=str,
)
def test_annotations_that_only_count_are_quiet_until_something_may_be_due(different, quiet_for):
    assert is_quiet_after(quiet_for - 1, **different)
    assert not is_quiet_after(quiet_for, **different)
