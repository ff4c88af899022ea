import pytest

from backend.errors import PublicationError
from backend.rounds.clean_up import MAX_STALE, MAX_STALE_IN_SMALL, REMOVED_AT_ONCE, clean_up
from backend.rounds.ordering import Ordered
from backend.rounds.publish import publish
from backend.store.project_folder import ProjectFolder
from tests.fakes import FakeLabelStudio, FakeTurn, a_publication, some_places


@pytest.fixture
def folder(tmp_path) -> ProjectFolder:
    return ProjectFolder(tmp_path, 1)


def ignore(done: int, total: int) -> None:
    """Ignore the progress."""


def an_order(size: int, **different) -> Ordered:
    return Ordered(a_publication(size, **different), some_places(size))


def always() -> bool:
    return True


def do_not_stop() -> bool:
    return False


def published(folder: ProjectFolder, client: FakeLabelStudio, *numbers: int, size: int = 2) -> None:
    for number in numbers:
        publish(client, folder, an_order(size, number=number), FakeTurn().check, ignore)
    client.calls.clear()


def test_the_newest_two_publications_are_kept(folder):
    client = FakeLabelStudio()
    published(folder, client, 1, 2, 3, 4)
    assert clean_up(client, folder, always, ignore)
    assert client.prediction_counts(1) == {"3.3": 2, "3.4": 2}
    assert folder.started_publications.read() == ["3.3", "3.4"]


def test_predictions_of_other_models_are_not_ours_to_remove(folder):
    client = FakeLabelStudio(stored={"bert": 3, "9.1": 3, "": 2})
    published(folder, client, 1, 2, 3)
    clean_up(client, folder, always, ignore)
    assert client.prediction_counts(1) == {"bert": 3, "9.1": 3, "": 2, "3.2": 2, "3.3": 2}


def test_predictions_of_a_killed_round_are_removed_later(folder):
    client = FakeLabelStudio()
    published(folder, client, 1)
    client.is_failing = True
    with pytest.raises(PublicationError):
        publish(client, folder, an_order(4, number=2), FakeTurn().check, ignore)
    client.is_failing = False
    published(folder, client, 3, 4)
    clean_up(client, folder, always, ignore)
    assert client.prediction_counts(1) == {"3.3": 2, "3.4": 2}


def test_the_publication_in_use_is_kept_though_a_newer_one_was_begun(folder):
    client = FakeLabelStudio()
    published(folder, client, 1, 2)
    client.is_failing = True
    for number in (3, 4):
        with pytest.raises(PublicationError):
            publish(client, folder, an_order(4, number=number), FakeTurn().check, ignore)
    clean_up(client, folder, always, ignore)
    assert client.prediction_counts(1) == {"3.2": 2, "3.4": 1}


def test_a_small_publication_goes_in_one_request_and_a_large_one_prediction_by_prediction(folder):
    client = FakeLabelStudio()
    published(folder, client, 1, size=REMOVED_AT_ONCE + 1)
    published(folder, client, 2, size=REMOVED_AT_ONCE)
    published(folder, client, 3, 4)
    assert clean_up(client, folder, always, ignore)
    assert client.calls == ["delete 3.2", *["delete"] * (REMOVED_AT_ONCE + 1)]


def test_cleaning_up_makes_way_for_waiting_rounds_and_goes_on_later(folder):
    client = FakeLabelStudio()
    published(folder, client, 1, 2, 3, 4)
    answers = iter([True, False])
    assert not clean_up(client, folder, lambda: next(answers), ignore)
    assert client.calls == ["delete 3.1"]
    assert clean_up(client, folder, always, ignore)
    assert client.calls == ["delete 3.1", "delete 3.2"]
    assert client.prediction_counts(1) == {"3.3": 2, "3.4": 2}
    assert folder.started_publications.read() == ["3.3", "3.4"]


@pytest.mark.parametrize(
    ("stale", "removed"),
    [
        ({"3.1": MAX_STALE}, []),
        ({"3.1": MAX_STALE + 1}, ["delete"]),
        ({"3.1": REMOVED_AT_ONCE, "3.2": MAX_STALE}, ["delete 3.1"]),
        ({f"3.{number}": REMOVED_AT_ONCE for number in range(1, MAX_STALE_IN_SMALL // REMOVED_AT_ONCE + 1)}, []),
        (
            {f"3.{number}": REMOVED_AT_ONCE for number in range(1, MAX_STALE_IN_SMALL // REMOVED_AT_ONCE + 3)},
            ["delete 3.1", "delete 3.2"],
        ),
    ],
    ids=["many", "too many", "too many in all", "many small", "too many small"],
)
def test_too_many_stale_predictions_do_not_make_way(folder, stale, removed):
    client = FakeLabelStudio(stored=stale)
    folder.started_publications.write(list(stale))
    published(folder, client, 50, 51)
    assert not clean_up(client, folder, do_not_stop, ignore)
    assert client.calls == removed


def test_cleaning_up_says_how_far_it_is(folder):
    client, heard = FakeLabelStudio(), []
    published(folder, client, 1, 2, size=3)
    published(folder, client, 3, 4)
    clean_up(client, folder, always, lambda done, total: heard.append((done, total)))
    assert heard == [(3, 6), (6, 6)]


def test_without_old_publications_nothing_is_deleted(folder):
    client = FakeLabelStudio()
    published(folder, client, 1, 2)
    assert clean_up(client, folder, always, ignore)
    assert client.calls == []
    assert folder.started_publications.read() == ["3.1", "3.2"]
