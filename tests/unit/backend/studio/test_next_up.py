"""The Data Manager's tab "Next up", over a fake Label Studio."""

import logging
import time

import pytest

from backend.commands.doctor.project_folder import look_at_tab
from backend.errors import LabelStudioError
from backend.rounds.round import Round
from backend.settings import Settings
from backend.store.applied import NextUpTab
from backend.store.project_folder import ProjectFolder
from backend.studio.answers import Tab
from backend.studio.next_up import TRY_AGAIN_S, show_next_up
from tests.fake_tasks import WholeLabelStudio
from tests.fakes import FakeLabelStudio, FakeTurn, a_context


class Forbidding(FakeLabelStudio):
    """A Label Studio that lets the API key's owner make no tab."""

    def make_tab(self, project_id, data):
        raise LabelStudioError("Label Studio refuses a tab of project 1 (403)", "ask an administrator")


@pytest.fixture
def folder(tmp_path) -> ProjectFolder:
    return ProjectFolder(tmp_path, 1)


@pytest.fixture
def studio() -> FakeLabelStudio:
    return FakeLabelStudio()


def titles(studio: FakeLabelStudio) -> list[str]:
    return [tab.title for tab in studio.shown_tabs]


def test_the_tab_shows_unlabelled_tasks_in_the_order_of_their_places(studio, folder):
    studio.shown_tabs = [Tab(id=4, data={"title": "All"})]
    show_next_up(studio, folder)
    assert titles(studio) == ["All", "Next up"]
    made = studio.shown_tabs[-1].data
    assert made["ordering"] == ["tasks:predictions_score"]
    (condition,) = made["filters"]["items"]
    assert (condition["filter"], condition["operator"], condition["value"]) == (
        "filter:tasks:completed_at",
        "empty",
        "true",
    )
    assert made["hiddenColumns"] == {
        "explore": ["tasks:completed_at"],
        "labeling": ["tasks:id", "tasks:completed_at", "tasks:predictions_score"],
    }
    assert folder.next_up.read().view_id == studio.shown_tabs[-1].id


def test_where_there_is_no_tab_label_studios_own_is_made_first(studio, folder):
    """Otherwise the Data Manager would open with unlabelled tasks alone: Label Studio makes its own where none is."""
    show_next_up(studio, folder)
    assert titles(studio) == ["Default", "Next up"]
    default = studio.shown_tabs[0].data
    assert default["filters"]["items"] == default["ordering"] == []
    assert default["hiddenColumns"]["explore"] == ["tasks:predictions_score"]


def test_a_tab_of_that_title_is_taken_as_it_is(studio, folder):
    studio.shown_tabs = [Tab(id=4, data=None), Tab(id=5, data={"title": "Next up", "ordering": ["-tasks:id"]})]
    show_next_up(studio, folder)
    assert [tab.id for tab in studio.shown_tabs] == [4, 5]
    assert studio.shown_tabs[1].data == {"title": "Next up", "ordering": ["-tasks:id"]}
    assert folder.next_up.read().view_id == 5


def test_a_tab_that_somebody_deleted_stays_deleted(studio, folder):
    show_next_up(studio, folder)
    studio.shown_tabs.clear()
    show_next_up(studio, folder)
    assert titles(studio) == []


def test_a_refusal_is_one_line_in_the_log_and_a_finding_and_is_tried_again_later(folder, caplog):
    studio = Forbidding()
    with caplog.at_level(logging.WARNING):
        show_next_up(studio, folder)
        show_next_up(studio, folder)
    assert [record.getMessage() for record in caplog.records] == [
        "event=no_tab project=1 code=label_studio reason=Label Studio refuses a tab of project 1 (403): "
        "ask an administrator"
    ]
    (finding,) = look_at_tab("project 1", folder)
    assert not finding.is_well
    assert "no tab 'Next up': Label Studio refuses a tab" in finding.found
    folder.next_up.write(NextUpTab(time.time() - TRY_AGAIN_S - 1, problem="it refused"))
    able = FakeLabelStudio()
    show_next_up(able, folder)
    assert titles(able) == ["Default", "Next up"]
    assert list(look_at_tab("project 1", folder)) == []


def test_a_round_makes_the_tab_and_publishes_whether_it_can_or_not(tmp_path, encoder):
    class Studio(WholeLabelStudio):
        def make_tab(self, project_id, data):
            raise LabelStudioError("Label Studio refuses", "")

    settings = Settings(model_dir=tmp_path, bert_model=encoder, cold_start="random")
    refusing = Studio(["good film", "bad film"])
    Round(a_context(settings, refusing, FakeTurn(1, 1))).run()
    folder = ProjectFolder(tmp_path, 1)
    assert folder.publications.name() == "0.1"
    assert folder.next_up.read().problem == "Label Studio refuses"
    folder.next_up.remove()
    able = WholeLabelStudio(["good film", "bad film"])
    Round(a_context(settings, able, FakeTurn(1, 1))).run()
    assert titles(able) == ["Default", "Next up"]
