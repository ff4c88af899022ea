"""Whole rounds on a fake Label Studio: what annotators get while a version waits, and once a person promoted it."""

import pytest

from backend.rounds.round import Round
from backend.store.waiting import promote, waiting_of
from backend.work.classifiers import Classifiers
from backend.work.requests import Requested
from tests.fake_tasks import WholeLabelStudio
from tests.fakes import FakeTurn, a_context, chosen
from tests.unit.backend.rounds.judging.conftest import FILMS, lazily, rightly

OWN = {"names": "off", "cold_start": "random", "strategy": "margin"}


class BusyLabelStudio(WholeLabelStudio):
    """A Label Studio during whose import a person may do something."""

    meanwhile = staticmethod(lambda: None)

    def import_predictions(self, *given):
        self.meanwhile()
        super().import_predictions(*given)


@pytest.fixture
def studio():
    studio = BusyLabelStudio(FILMS)
    studio.extra_params = OWN
    return studio


@pytest.fixture
def label(settings, studio):
    """Label tasks, and run the round that hears of it."""
    cache = Classifiers(1)

    def label(rows, how=rightly, trains=False) -> None:
        for row in rows:
            studio.answer(row + 1, chosen("pos" if how(row) else "neg"))
        turn = FakeTurn()
        turn.requested = Requested(len(rows), trains, frozenset(row + 1 for row in rows))
        Round(a_context(settings, studio, turn, cache)).run()

    return label


@pytest.fixture
def waiting(label, folder):
    """A project whose second version waits, since its labels were lazy."""
    label(range(24))
    label(range(24, 120), lazily, trains=True)
    (waiting,) = waiting_of(folder)
    assert waiting.version == 2
    return folder


def test_while_a_version_waits_annotators_get_orders_of_the_current_one_that_know_every_label(waiting, label, studio):
    assert studio.current.model_version.startswith("1.")
    before = studio.current.model_version
    label([120])
    assert studio.current.model_version.startswith("1.")
    assert studio.current.model_version != before
    assert waiting.publications.current().labelled_tasks == 121
    assert waiting.registry.current().number == 1


def test_the_round_after_a_promotion_publishes_an_order_of_the_promoted_version(waiting, label, studio):
    promote(waiting)
    label([])
    assert studio.current.model_version.startswith("2.")
    assert waiting_of(waiting) == []


def test_a_promotion_during_a_round_is_not_undone_at_its_end(waiting, label, studio):
    studio.meanwhile = lambda: promote(waiting) if waiting_of(waiting) else None
    label([120])
    assert waiting.registry.current().number == 2
    label([])
    assert studio.current.model_version.startswith("2.")


def test_a_rollback_during_a_round_is_not_undone_at_its_end(waiting, label, studio):
    promote(waiting)
    label([])
    studio.meanwhile = lambda: waiting.registry.point(1)
    label([120])
    assert waiting.registry.current().number == 1
    studio.meanwhile = lambda: None
    label([])
    assert studio.current.model_version.startswith("1.")


def test_good_labels_mend_what_lazy_ones_did(waiting, label, studio):
    label(range(24, 120), rightly, trains=True)
    assert waiting.registry.current().number == 3
    assert waiting_of(waiting) == []
    assert studio.current.model_version.startswith("3.")


def test_a_round_keeps_the_pace_and_the_history(waiting, folder):
    assert [record.version for record in folder.history.read().records] == [1, 2]
    # The fake's people give a label a second.
    assert folder.sync_record.read().pace is None
