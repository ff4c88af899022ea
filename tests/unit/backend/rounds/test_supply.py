"""A crowd of people labels while a round works for long: more of the order in use is written."""

import threading
from dataclasses import replace

import numpy as np
import pytest

from backend.errors import TurnLostError
from backend.rounds import supply as supply_module
from backend.rounds.ordering import Ordered
from backend.rounds.publish import publish
from backend.rounds.supply import Supply, supplying
from backend.rounds.sync import Synced
from backend.settings import Settings
from backend.store.connection import Connection
from model.progress import ignore_progress
from model.types import PoolText, Targets
from tests.fakes import (
    SENTIMENT,
    FakeLabelStudio,
    FakeTurn,
    a_context,
    a_project,
    a_publication,
    labeling_config,
    some_places,
    the_task,
)

SIZE, WRITTEN = 1000, 100


class Project:
    """A connected project whose order has 1,000 tasks, the first 100 of them written to Label Studio."""

    def __init__(self, settings: Settings, people: int = 1) -> None:
        self.studio = FakeLabelStudio(a_project())
        self.turn = FakeTurn()
        self.context = a_context(settings, self.studio, self.turn)
        self.folder = self.context.folder
        self.folder.connection.write(Connection("http://backend:9090", {}, 5))
        places = some_places(SIZE)
        ordered = Ordered(a_publication(SIZE, queued=WRITTEN), places)
        publish(self.studio, self.folder, ordered, self.turn.check, ignore_progress)
        self.studio.calls.clear()
        pool = tuple(PoolText(task_id, f"text {task_id}") for task_id in places.task_ids_N.tolist())
        nobody = Targets((), (), np.zeros((0, 2), dtype=np.float32), SENTIMENT)
        own = settings.for_project({})
        self.synced = Synced(self.studio.current, the_task(labeling_config()), own, nobody, pool, "bert", people=people)
        self.supply = Supply(self.context, self.synced)

    def label(self, tasks: int) -> None:
        """People label so many further tasks."""
        now = self.studio.current
        self.studio.current = replace(now, labelled_tasks=now.labelled_tasks + tasks)

    @property
    def written(self) -> int:
        """How many tasks of the order Label Studio has."""
        order = self.folder.publications.current()
        assert order is not None
        assert len(self.studio.predictions) == order.queued
        return order.queued


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings(model_dir=tmp_path)


def test_before_long_work_people_get_250_texts_and_two_for_each_further_person(settings):
    project = Project(settings, people=50)
    project.supply.look(fill=True)
    assert project.written == 250 + 2 * 49


def test_people_who_used_half_of_the_texts_get_as_many_as_before(settings):
    project = Project(settings)
    project.supply.look(fill=True)
    project.label(100)
    project.supply.look()
    assert project.written == 250
    project.label(26)
    project.supply.look()
    assert project.written == 250 + 126


def test_a_crowd_faster_than_any_training_gets_text_after_text_until_the_order_ends(settings):
    project = Project(settings, people=50)
    for _ in range(60):
        project.label(17)
        project.supply.look()
        assert project.written >= min(SIZE, project.studio.current.labelled_tasks + 50)
    assert project.written == SIZE


def test_a_project_that_was_disconnected_meanwhile_gets_no_more(settings):
    project = Project(settings)
    project.studio.listed = []
    project.supply.look(fill=True)
    assert project.written == WRITTEN


def test_a_round_that_lost_its_turn_writes_no_more(settings):
    project = Project(settings)
    project.turn.has_lost = True
    with pytest.raises(TurnLostError):
        project.supply.look(fill=True)
    assert project.written == WRITTEN


def test_while_a_round_trains_people_are_supplied(settings, monkeypatch):
    project = Project(settings)
    is_supplied = threading.Event()
    grow = project.folder.publications.lengthen
    monkeypatch.setattr(supply_module, "LOOK_EVERY_S", 0.01)
    with supplying(project.context, [project.synced], is_long=True):
        assert project.written == 250
        monkeypatch.setattr(
            type(project.folder.publications), "lengthen", lambda _, head: (grow(head), is_supplied.set())
        )
        project.label(200)
        assert is_supplied.wait(10.0)
    assert project.written == 450


def test_a_label_studio_that_refuses_stops_no_training(settings, monkeypatch, caplog):
    project = Project(settings)
    project.studio.is_failing = True
    with supplying(project.context, [project.synced], is_long=True):
        pass
    assert "not_supplied" in caplog.text
    assert project.folder.publications.current().queued == WRITTEN
