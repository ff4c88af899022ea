import pytest

from backend.store.connection import Connection, Setup, WebhookSecret
from backend.store.figures import RoundRecord
from backend.store.project_folder import ProjectFolder, known_projects
from tests.fakes import write_publication

BORN, BORN_AGAIN = "2026-01-01T00:00:00+00:00", "2026-02-02T00:00:00+00:00"


@pytest.fixture
def folder(tmp_path) -> ProjectFolder:
    """The folder of a project with one round."""
    home = ProjectFolder(tmp_path, 5)
    home.belong_to(BORN)
    return home


def test_a_connection_is_remembered(tmp_path):
    folder = ProjectFolder(tmp_path, 6)
    assert not folder.exists()
    assert folder.connection.read() == Connection("", {})
    folder.connection.write(Connection("http://localhost:9090", {"query_size": 5}))
    assert folder.connection.read() == Connection("http://localhost:9090", {"query_size": 5})
    assert folder.exists()


def test_a_project_that_connected_with_an_empty_request_exists(tmp_path):
    folder = ProjectFolder(tmp_path, 6)
    folder.connection.write(Connection("", {}))
    assert folder.exists()


def test_the_folder_of_the_same_project_stays(folder):
    write_publication(folder, 3)
    folder.belong_to(BORN)
    assert folder.publications.name() == "3.7"


def test_another_project_with_the_same_id_gets_an_empty_folder_with_the_connection(folder, tmp_path):
    folder.connection.write(Connection("http://localhost:9090", {"query_size": 5}))
    write_publication(folder, 3)
    folder.belong_to(BORN_AGAIN)
    assert folder.publications.name() == ""
    assert folder.connection.read() == Connection("http://localhost:9090", {"query_size": 5})
    assert len(list((tmp_path / "projects").glob("5.*/order-7.sqlite"))) == 1
    write_publication(folder, 2, number=1)
    folder.belong_to(BORN_AGAIN)
    assert folder.publications.name() == "3.1"


def test_projects_that_were_set_aside_or_are_not_connected_are_not_known(folder, tmp_path):
    folder.belong_to(BORN_AGAIN)
    for other in (12, 3):
        ProjectFolder(tmp_path, other).connection.write(Connection("", {}))
    assert known_projects(tmp_path) == [3, 12]


def test_a_project_that_asked_to_be_connected_is_known_and_not_connected_yet(tmp_path):
    folder = ProjectFolder(tmp_path, 6)
    folder.setup.write(Setup(1.0))
    assert folder.is_known()
    assert not folder.is_connected()


def test_a_forgotten_project_leaves_its_folder_only_if_something_was_made_there(tmp_path):
    bare, used = ProjectFolder(tmp_path, 6), ProjectFolder(tmp_path, 7)
    for folder in (bare, used):
        folder.setup.write(Setup(1.0))
        folder.connection.write(Connection("http://localhost:9090"))
        folder.webhook_secret.write(WebhookSecret("geheim"))
    write_publication(used, 3)
    for folder in (bare, used):
        folder.forget()
        assert not folder.is_known()
        assert folder.webhook_secret.read() == WebhookSecret()
    assert not bare.exists()
    assert used.publications.name() == "3.7"


def test_nothing_is_known_before_the_first_project(tmp_path):
    assert known_projects(tmp_path / "nowhere") == []


def a_round(labels: int) -> RoundRecord:
    return RoundRecord(1.0, labels, 1, "1.1", "hybrid", 40, 2.5)


def test_rounds_come_oldest_first(folder):
    assert folder.rounds.read() == []
    folder.rounds.append(a_round(16))
    folder.rounds.append(a_round(32))
    assert folder.rounds.read() == [a_round(16), a_round(32)]


def test_a_half_written_round_does_not_hide_other_rounds(folder):
    folder.rounds.append(a_round(16))
    with (folder.path / "rounds.jsonl").open("a") as file:
        file.write('{"labels": 3')
    assert folder.rounds.read() == [a_round(16)]
    folder.rounds.append(a_round(48))
    assert folder.rounds.read() == [a_round(16), a_round(48)]


def test_projects_do_not_share_anything(folder, tmp_path):
    write_publication(folder, 3)
    assert ProjectFolder(tmp_path, 55).publications.current() is None


def test_each_further_question_has_a_folder_inside_the_projects(tmp_path):
    folder = ProjectFolder(tmp_path, 7)
    second = folder.of_question(1)
    assert folder.of_question(0) is folder
    assert second.path.parent.parent == folder.path
    assert folder.of_further_questions() == []
    second.selection.write(None)
    assert [each.path for each in folder.of_further_questions()] == [second.path]
