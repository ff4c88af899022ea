import pytest

from backend.errors import PublicationError, TurnLostError
from backend.rounds.ordering import Ordered
from backend.rounds.publish import extend, next_number, publish, switch
from backend.store.project_folder import ProjectFolder
from backend.studio.client import SAMPLING
from tests.fakes import FakeLabelStudio, FakeTurn, a_project, a_publication, some_places


@pytest.fixture
def folder(tmp_path) -> ProjectFolder:
    return ProjectFolder(tmp_path, 1)


def ignore(done: int, total: int) -> None:
    """Ignore the progress."""


def an_order(size: int, **different) -> Ordered:
    return Ordered(a_publication(size, **different), some_places(size))


def published(folder: ProjectFolder, client: FakeLabelStudio, *numbers: int, size: int = 2) -> None:
    for number in numbers:
        publish(client, folder, an_order(size, number=number), FakeTurn().check, ignore)
    client.calls.clear()


class TurnLostAfter:
    """The check of a turn that holds for some checks and is lost then."""

    def __init__(self, checks: int) -> None:
        self._left = checks

    def __call__(self) -> None:
        if self._left == 0:
            raise TurnLostError("another worker runs a round of the project now")
        self._left -= 1


def order_held(client: FakeLabelStudio, version: str = "3.7") -> list[int]:
    """The tasks as annotators get them by a version's predictions."""
    held = [raw for raw in client.predictions.values() if raw["model_version"] == version]
    return [raw["task"] for raw in sorted(held, key=lambda raw: raw["score"])]


@pytest.mark.parametrize(
    ("begun", "stored", "number"),
    [
        ([], {}, 1),
        (["0.1", "0.2"], {}, 3),
        ([], {"3.12": 5, "3.11": 5}, 13),
        (["3.2"], {"1.9": 5}, 10),
        (["2.10"], {"10.2": 5}, 11),
        (["0.1"], {"bert": 900, "v1.50": 3, "1.50-beta": 3, "77": 1, "Shortlist": 1, "": 4}, 2),
    ],
)
def test_a_publication_number_is_new_to_us_and_to_label_studio(folder, begun, stored, number):
    folder.started_publications.write(begun)
    assert next_number(folder, stored) == number


def test_predictions_are_written_before_annotators_are_switched_to_them(folder):
    client = FakeLabelStudio()
    publish(client, folder, an_order(4), FakeTurn().check, ignore)
    assert client.calls == ["import 4", "use 3.7"]
    assert folder.publications.name() == "3.7"
    assert folder.started_publications.read() == ["3.7"]


def test_a_failed_import_leaves_the_previous_order_in_use_and_is_recorded(folder):
    client = FakeLabelStudio()
    published(folder, client, 7)
    client.is_failing = True
    with pytest.raises(PublicationError):
        publish(client, folder, an_order(4, number=8), FakeTurn().check, ignore)
    assert client.calls == ["import 4"]
    assert client.current.model_version == folder.publications.name() == "3.7"
    assert folder.started_publications.read() == ["3.7", "3.8"]


def test_the_queue_is_written_and_the_rest_keeps_its_rank_for_predict(folder):
    client = FakeLabelStudio()
    publish(client, folder, an_order(5, queued=2), FakeTurn().check, ignore)
    written = [(raw["task"], raw["score"], raw["model_version"]) for raw in client.predictions.values()]
    assert written == [(10, 0.0, "3.7"), (11, 0.25, "3.7")]
    with folder.publications.open() as order:
        assert order.find([14])[14].place == 4


def test_annotators_with_our_order_are_not_switched(folder):
    client = FakeLabelStudio()
    project = a_project(model_version="3.7", sampling=SAMPLING)
    assert not switch(client, folder, project, "3.7")
    assert client.calls == []


@pytest.mark.parametrize(
    "different", [{"model_version": "Shortlist"}, {"sampling": "Sequential sampling"}], ids=["version", "sampling"]
)
def test_annotators_who_get_another_order_are_switched_back(folder, different):
    client = FakeLabelStudio()
    project = a_project(**{"model_version": "3.7", "sampling": SAMPLING, **different})
    assert switch(client, folder, project, "3.7")
    assert client.calls == ["use 3.7"]


def test_a_publication_in_use_grows_under_its_own_name(folder):
    client = FakeLabelStudio()
    publish(client, folder, an_order(6, queued=2), FakeTurn().check, ignore)
    extend(client, folder, 5, ignore)
    assert client.calls == ["import 2", "use 3.7", "import 3"]
    assert order_held(client) == [10, 11, 12, 13, 14]
    assert folder.publications.current().queued == 5


def test_a_publication_grows_no_longer_than_its_order(folder):
    client = FakeLabelStudio()
    publish(client, folder, an_order(4, queued=2), FakeTurn().check, ignore)
    extend(client, folder, 500, ignore)
    assert folder.publications.current().queued == 4


@pytest.mark.parametrize("queued", [0, 3])
def test_a_long_enough_publication_is_not_extended(folder, queued):
    client = FakeLabelStudio()
    publish(client, folder, an_order(4, queued=3), FakeTurn().check, ignore)
    client.calls.clear()
    extend(client, folder, queued, ignore)
    assert client.calls == []


def test_before_the_first_publication_there_is_nothing_to_extend(folder):
    client = FakeLabelStudio()
    extend(client, folder, 5, ignore)
    assert client.calls == []


def test_a_round_killed_while_a_publication_grew_writes_no_task_twice(folder):
    client = FakeLabelStudio()
    publish(client, folder, an_order(6, queued=2), FakeTurn().check, ignore)
    short = folder.publications.current()
    extend(client, folder, 4, ignore)
    folder.publications.lengthen(short)
    extend(client, folder, 5, ignore)
    assert order_held(client) == [10, 11, 12, 13, 14]


def test_a_publication_that_cannot_grow_stays_as_it_is(folder):
    client = FakeLabelStudio()
    publish(client, folder, an_order(6, queued=2), FakeTurn().check, ignore)
    client.is_failing = True
    with pytest.raises(PublicationError):
        extend(client, folder, 5, ignore)
    assert folder.publications.current().queued == 2


@pytest.mark.parametrize("checks", [0, 1])
def test_a_round_that_lost_its_turn_does_not_switch_annotators_to_its_order(folder, checks):
    client = FakeLabelStudio()
    published(folder, client, 7)
    with pytest.raises(TurnLostError):
        publish(client, folder, an_order(4, number=8), TurnLostAfter(checks), ignore)
    assert client.current.model_version == "3.7"
    assert "use 3.8" not in client.calls
