"""The one policy of a round: from facts to what is due, and how many tasks Label Studio gets of an order.

Pure: nothing is read, asked or written here.
"""

import math
from dataclasses import dataclass

from backend.settings import ProjectSettings
from backend.store.sync_record import Facts, OrderFacts

# A full training follows when the labels grew by a quarter, so that the total cost stays linear in the labels.
GROWTH = 0.25
# The reason of an order that differs from the one before only in that it knows more labels.
NEW_LABELS = "new labels"
# Each further person has one task open, and opens the next before a round hears of the first.
TASKS_A_PERSON = 2
# Before the next label replaces an order: two batches, in one import.
LIVE_BATCHES, LIVE_MOST = 2, 100
# While nothing is ordered for minutes: one import.
LONG_WORK = 250


@dataclass(frozen=True)
class Plan:
    """What a round has to do.

    Attributes:
        train: train BERT.
        order: publish a new order.
        why: the reason for a new order, in a few words; empty if none is due.
        look_again_after_s: seconds until time alone makes a round due; None if time changes nothing.
    """

    train: bool
    order: bool
    why: str
    look_again_after_s: float | None

    @property
    def is_empty(self) -> bool:
        """Nothing is due now."""
        return not self.train and not self.order and self.look_again_after_s != 0.0


def plan(facts: Facts, now: float) -> Plan:
    """Decide what a round has to do.

    Args:
        facts: how the project stands.
        now: the time, in seconds since 1970.
    """
    why = _reason_to_order(facts)
    wait_s = None if facts.ask_llm_at is None else max(0.0, facts.ask_llm_at - now)
    return Plan(facts.asked_to_train or labels_until_training(facts) <= 0, bool(why), why, wait_s)


def labels_until_training(facts: Facts) -> int:
    """How many more labels have to come or change before a training is due; 0 or less: it is due now."""
    if facts.labels_since_failure is not None:
        return facts.retrain_every - facts.labels_since_failure
    if not facts.can_teach:
        # Labels of one class teach nothing. Any further label may be of another class.
        return max(1, facts.retrain_every - facts.labels)
    if facts.trained_labels is None:
        return facts.retrain_every - facts.labels
    if facts.is_outdated:
        return 0
    return max(facts.retrain_every, math.ceil(GROWTH * facts.trained_labels)) - facts.changed_labels


def live_queue(settings: ProjectSettings, people: int) -> int:
    """How many tasks are written of an order that the next label replaces.

    Args:
        settings: the project's.
        people: how many people are at work.
    """
    return min(LIVE_BATCHES * settings.query_size, LIVE_MOST) + _further(people)


def long_queue(settings: ProjectSettings, people: int) -> int:
    """How many tasks without a label people are to have while nothing is ordered for minutes.

    Args:
        settings: the project's.
        people: how many people are at work.
    """
    return min(LONG_WORK, settings.queue_size) + _further(people)


def least_left(queued: int, settings: ProjectSettings, people: int) -> int:
    """With fewer tasks left than these, an order is used up: a batch, or half of an order that is shorter than two.

    Args:
        queued: how many tasks were written.
        settings: the project's.
        people: how many people are at work.
    """
    return min(settings.query_size + _further(people), max(1, queued // 2))


def _further(people: int) -> int:
    return TASKS_A_PERSON * max(0, people - 1)


def _reason_to_order(facts: Facts) -> str:
    if not facts.waiting:
        return ""
    if facts.order is None:
        return "first order"
    return _reason_to_replace(facts.order, facts)


def _reason_to_replace(order: OrderFacts, facts: Facts) -> str:
    hands_over = order.hand_over_at is not None and facts.labels >= order.hand_over_at
    reasons = (
        ("model version changed", not order.model_fits),
        ("settings changed", not order.settings_fit),
        ("new or changed tasks", not order.tasks_fit),
        ("batch used up", order.labels_since >= facts.query_size),
        (order.llm_reason, bool(order.llm_reason)),
        ("another strategy decides", hands_over),
        ("queue used up", order.left < min(order.least_left, facts.waiting)),
        (NEW_LABELS, order.follows_labels and not order.has_all_labels),
    )
    return next((reason for reason, holds in reasons if holds), "")
