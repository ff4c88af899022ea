"""`find` over a fake Label Studio: forty texts about films."""

import pytest

from backend.applying.finding import Found, look_for, sought
from backend.applying.reading import look_on, read_now
from backend.commands.rest.find import tell_found
from backend.errors import ConfigurationError
from backend.rounds.round import Round
from backend.settings import Settings
from backend.store.applied import Wish
from backend.store.project_folder import ProjectFolder
from backend.studio.marks import marked
from backend.work.classifiers import Classifiers
from model.progress import ignore_progress
from tests.fake_tasks import WholeLabelStudio
from tests.fakes import FakeRounds, FakeTurn, a_context
from tests.unit.backend.films import FILMS


class Project:
    def __init__(self, settings: Settings, *more: str) -> None:
        self.settings = settings
        self.studio = WholeLabelStudio((*FILMS, *more))
        self.studio.extra_params = {"names": "off", "explore": 0.1}
        self.folder = ProjectFolder(settings.model_dir, 1)
        self.round()

    def round(self) -> None:
        Round(a_context(self.settings, self.studio, FakeTurn(1, 1), Classifiers(1))).run()

    def find(self, words: str = "", like: int = 0, label: str = "", count: int = 4) -> Found:
        context = look_on(self.settings, self.studio, FakeRounds(), 1, ignore_progress)
        return look_for(context, sought(read_now(context), words, like, label), count)

    def next_reasons(self) -> dict[int, str]:
        with self.folder.publications.open() as order:
            return {place.task_id: place.reason for place in order.places(0, 40)}


@pytest.fixture
def project(tmp_path, encoder) -> Project:
    return Project(Settings(model_dir=tmp_path, bert_model=encoder), "FILM  lovely")


def test_the_nearest_texts_share_the_words(project):
    found = project.find("lovely")
    assert [text.split()[-1] for text in found.texts.values()] == ["lovely"] * 4
    assert found.reason == "find: lovely"


def test_a_copy_is_found_once_and_labelled_texts_are_not_found(project):
    project.studio.annotate(FILMS.index("plot lovely") + 1, "pos")
    found = project.find("lovely", count=10)
    lovely = [text for text in found.texts.values() if "lovely" in text]
    assert sorted(lovely) == ["a lovely", "cast lovely", "film lovely", "the lovely"]


def test_texts_like_that_of_a_task_leave_the_task_itself_out(project):
    asked = FILMS.index("plot dull") + 1
    found = project.find(like=asked)
    assert asked not in found.texts
    assert next(iter(found.texts.values())).endswith("dull")
    assert found.reason == f"find: like task {asked}"


def test_a_label_is_known_by_what_people_labelled(project):
    for text in ("film awful", "plot awful"):
        project.studio.annotate(FILMS.index(text) + 1, "neg")
    found = project.find(label="neg", count=2)
    assert all("awful" in text for text in found.texts.values())


def test_found_texts_come_next_until_the_search_ends(project):
    found = project.find("lovely", count=3)
    project.folder.wish.write(Wish(5.0, found.reason, tuple(found.texts)))
    project.round()
    assert list(project.next_reasons().items())[:3] == [(task_id, "find: lovely") for task_id in found.texts]
    project.folder.wish.remove()
    project.round()
    assert "find: lovely" not in project.next_reasons().values()


@pytest.mark.parametrize(
    ("asked", "said"),
    [({"words": "  "}, "no word"), ({"like": 999}, "no task 999"), ({"label": "odd"}, "no label 'odd'; it has 'neg'")],
)
def test_what_cannot_be_looked_for_is_said(project, asked, said):
    with pytest.raises(ConfigurationError, match=said):
        project.find(**asked)


def test_where_every_text_is_labelled_nothing_is_found_and_the_command_says_so(project):
    for task_id in project.studio.tasks_now:
        project.studio.annotate(task_id, "pos")
    found = project.find("lovely")
    assert found.texts == {}
    assert list(tell_found(found, "")) == ["Nothing was found: no text is left to label."]


def test_texts_are_found_like_that_of_a_task_that_apply_labelled(project):
    asked = FILMS.index("plot dull") + 1
    items = [{"from_name": "sentiment", "to_name": "text", "type": "choices", "value": {"choices": ["neg"]}}]
    project.studio.annotate_as_us(asked, marked(items, "3.apply-1"), "a-uuid")
    project.round()
    found = project.find(like=asked)
    assert next(iter(found.texts.values())).endswith("dull")


def test_words_that_are_no_utf_8_are_looked_for_all_the_same(project):
    found = project.find("lovely caf\udce9")
    assert found.reason == "find: lovely caf?"
    assert all("lovely" in text for text in found.texts.values())
    project.folder.wish.write(Wish(5.0, found.reason, tuple(found.texts)))
