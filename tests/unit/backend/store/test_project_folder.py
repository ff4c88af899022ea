import numpy as np
import pytest

from backend.store.project_folder import Connection, ProjectFolder, RoundRecord, known_projects
from model.errors import VersionError
from tests.fakes import a_publication

BORN, BORN_AGAIN = "2026-01-01T00:00:00+00:00", "2026-02-02T00:00:00+00:00"


@pytest.fixture
def folder(tmp_path) -> ProjectFolder:
    """A project that had a round already."""
    home = ProjectFolder(tmp_path, 5)
    home.belong_to(BORN)
    return home


def test_a_publication_comes_back_as_it_went(folder):
    went = a_publication(3)
    folder.save_publication(went)
    came = folder.publication()
    for name, value in vars(went).items():
        np.testing.assert_array_equal(getattr(came, name), value, err_msg=name)
    assert came.label_set == went.label_set
    assert came.places == {10: 0, 11: 1, 12: 2}
    assert came.name == folder.published_name() == "3.7"


def test_a_publication_without_a_model_or_without_tasks_comes_back_too(folder):
    folder.save_publication(a_publication(2, model=0, proba_N_C=np.zeros((2, 0), dtype=np.float32)))
    assert folder.publication().proba_N_C.shape == (2, 0)
    folder.save_publication(a_publication(0))
    assert folder.publication().places == {}


def test_reasons_come_back_in_any_script_and_length(folder):
    reasons = ("margin: score 0.50, place 1", "", "wie 'größer' — 例え")
    folder.save_publication(a_publication(3, reasons_N=reasons))
    assert folder.publication().reasons_N == reasons


def test_a_publication_of_an_earlier_release_is_read(folder):
    went = a_publication(2)
    folder.save_publication(went)
    arrays = folder.path / "order-7.npz"
    with np.load(arrays) as written:
        kept = {name: written[name] for name in written.files if name != "reasons_json"}
    np.savez_compressed(arrays, **kept, reasons_N=np.array(went.reasons_N))
    assert folder.publication().reasons_N == went.reasons_N


def test_before_the_first_publication_there_is_none(folder):
    assert folder.publication() is None
    assert folder.published_name() == ""


def test_the_last_publication_is_the_one_in_use_and_the_arrays_of_others_are_dropped(folder):
    for number in (1, 2):
        folder.save_publication(a_publication(3, number=number))
    assert folder.publication().number == 2
    assert [path.name for path in folder.path.glob("*.npz")] == ["order-2.npz"]


def test_a_publication_whose_arrays_are_gone_is_an_error_that_names_the_project(folder):
    folder.save_publication(a_publication(3))
    next(folder.path.glob("order-*.npz")).unlink()
    with pytest.raises(VersionError, match="project 5"):
        folder.publication()


def test_a_connection_is_remembered(tmp_path):
    folder = ProjectFolder(tmp_path, 6)
    assert not folder.exists()
    assert folder.connection.read() == Connection("", {})
    folder.connection.write(Connection("localhost:9090", {"query_size": 5}))
    assert folder.connection.read() == Connection("localhost:9090", {"query_size": 5})
    assert folder.exists()


def test_a_project_that_connected_without_saying_anything_exists_all_the_same(tmp_path):
    folder = ProjectFolder(tmp_path, 6)
    folder.connection.write(Connection("", {}))
    assert folder.exists()


def test_a_project_stays_at_home(folder):
    folder.save_publication(a_publication(3))
    folder.belong_to(BORN)
    assert folder.published_name() == "3.7"


def test_a_stranger_of_the_same_number_finds_an_empty_house_but_for_how_it_connected(folder, tmp_path):
    folder.connection.write(Connection("localhost:9090", {"query_size": 5}))
    folder.save_publication(a_publication(3))
    folder.belong_to(BORN_AGAIN)
    assert folder.published_name() == ""
    assert folder.connection.read() == Connection("localhost:9090", {"query_size": 5})
    assert len(list((tmp_path / "projects").glob("5.*/order-7.npz"))) == 1
    folder.save_publication(a_publication(2, number=1))
    folder.belong_to(BORN_AGAIN)
    assert folder.published_name() == "3.1"


def test_projects_that_were_set_aside_are_not_known(folder, tmp_path):
    folder.belong_to(BORN_AGAIN)
    for other in (12, 3):
        ProjectFolder(tmp_path, other).connection.write(Connection("", {}))
    assert known_projects(tmp_path) == [3, 5, 12]


def test_nothing_is_known_before_the_first_project(tmp_path):
    assert known_projects(tmp_path / "nowhere") == []


def a_round(labels: int) -> RoundRecord:
    return RoundRecord(1.0, labels, 1, "1.1", "hybrid", 40, 2.5)


def test_rounds_come_oldest_first(folder):
    assert folder.rounds.read() == []
    folder.rounds.append(a_round(16))
    folder.rounds.append(a_round(32))
    assert folder.rounds.read() == [a_round(16), a_round(32)]


def test_a_round_that_was_written_half_does_not_hide_the_others(folder):
    folder.rounds.append(a_round(16))
    with (folder.path / "rounds.jsonl").open("a") as file:
        file.write('{"labels": 3')
    assert folder.rounds.read() == [a_round(16)]
    folder.rounds.append(a_round(48))
    assert folder.rounds.read() == [a_round(16), a_round(48)]


def test_what_label_studio_said_last_is_remembered(folder):
    assert folder.synced.read() == {}
    folder.synced.write({"labels": 3})
    assert folder.synced.read() == {"labels": 3}


def test_projects_do_not_share_anything(folder, tmp_path):
    folder.save_publication(a_publication(3))
    assert ProjectFolder(tmp_path, 55).publication() is None
