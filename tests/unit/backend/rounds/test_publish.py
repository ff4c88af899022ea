import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from backend.errors import PublicationError
from backend.rounds.publish import (
    MAX_STALE,
    MAX_STALE_IN_SMALL,
    REMOVED_AT_ONCE,
    clean_up,
    empty_prediction,
    extend,
    next_number,
    prediction,
    publish,
    rank_score,
    switch,
)
from backend.store.project_folder import ProjectFolder
from backend.studio.client import SAMPLING
from backend.studio.labeling_config import read_labeling_config
from tests.fakes import FakeLabelStudio, a_project, a_publication, labeling_config

QUESTION = read_labeling_config(labeling_config())


@pytest.fixture
def folder(tmp_path) -> ProjectFolder:
    return ProjectFolder(tmp_path, 1)


def ignore(done: int, total: int) -> None:
    """Nobody looks."""


def always() -> bool:
    return True


def do_not_stop() -> bool:
    return False


def published(folder: ProjectFolder, client: FakeLabelStudio, *numbers: int, size: int = 2) -> None:
    for number in numbers:
        publish(client, folder, a_publication(size, number=number), QUESTION, ignore)
    client.calls.clear()


def order_held(client: FakeLabelStudio, version: str = "3.7") -> list[int]:
    """The tasks as annotators get them by a version's predictions."""
    held = [raw for raw in client.predictions.values() if raw["model_version"] == version]
    return [raw["task"] for raw in sorted(held, key=lambda raw: raw["score"])]


def test_the_next_task_scores_nothing_and_the_last_one():
    assert [rank_score(place, 5) for place in range(5)] == [0, 0.25, 0.5, 0.75, 1]


def test_a_lone_task_is_next():
    assert rank_score(0, 1) == 0


@given(some.integers(2, 1_000_000), some.data())
def test_scores_rise_with_the_place_and_stay_where_label_studio_keeps_them(size, data):
    place = data.draw(some.integers(0, size - 2))
    assert 0 <= rank_score(place, size) < rank_score(place + 1, size) <= 1


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
def test_a_publication_number_is_one_that_nobody_has_seen(folder, begun, stored, number):
    folder.started_publications.write(begun)
    assert next_number(folder, stored) == number


def test_predictions_are_written_before_annotators_are_switched_to_them(folder):
    client = FakeLabelStudio()
    publish(client, folder, a_publication(4), QUESTION, ignore)
    assert client.calls == ["import 4", "use 3.7"]
    assert folder.published_name() == "3.7"
    assert folder.started_publications.read() == ["3.7"]


def test_an_import_that_fails_leaves_the_order_before_in_use_and_is_remembered(folder):
    client = FakeLabelStudio()
    published(folder, client, 7)
    client.is_failing = True
    with pytest.raises(PublicationError):
        publish(client, folder, a_publication(4, number=8), QUESTION, ignore)
    assert client.calls == ["import 4"]
    assert client.current.model_version == folder.published_name() == "3.7"
    assert folder.started_publications.read() == ["3.7", "3.8"]


def test_the_queue_is_written_and_the_rest_keeps_its_rank_for_predict(folder):
    client = FakeLabelStudio()
    publish(client, folder, a_publication(5, queued=2), QUESTION, ignore)
    written = [(raw["task"], raw["score"], raw["model_version"]) for raw in client.predictions.values()]
    assert written == [(10, 0.0, "3.7"), (11, 0.25, "3.7")]
    assert folder.publication().places[14] == 4


def test_a_text_carries_what_the_model_says_and_one_drawn_at_random_carries_nothing():
    publication = a_publication(4)
    (item,) = prediction(publication, QUESTION, 0)["result"]
    assert (item["value"], item["score"]) == ({"choices": ["pos"]}, 0.75)
    assert prediction(publication, QUESTION, 3) == {"model_version": "3.7", "score": 1.0, "result": []}


def test_before_there_is_a_model_no_text_carries_anything():
    publication = a_publication(4, model=0, proba_N_C=np.zeros((4, 0)))
    assert [prediction(publication, QUESTION, place)["result"] for place in range(4)] == [[]] * 4


def test_a_task_of_which_nothing_is_known_comes_last():
    assert empty_prediction("3.7") == {"model_version": "3.7", "score": 1.0, "result": []}


def test_annotators_who_get_our_order_already_are_left_alone(folder):
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


def test_what_a_killed_round_wrote_is_removed_in_time(folder):
    client = FakeLabelStudio()
    published(folder, client, 1)
    client.is_failing = True
    with pytest.raises(PublicationError):
        publish(client, folder, a_publication(4, number=2), QUESTION, ignore)
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
            publish(client, folder, a_publication(4, number=number), QUESTION, ignore)
    clean_up(client, folder, always, ignore)
    assert client.prediction_counts(1) == {"3.2": 2, "3.4": 1}


def test_a_small_publication_goes_in_one_request_and_a_large_one_prediction_by_prediction(folder):
    client = FakeLabelStudio()
    published(folder, client, 1, size=REMOVED_AT_ONCE + 1)
    published(folder, client, 2, size=REMOVED_AT_ONCE)
    published(folder, client, 3, 4)
    assert clean_up(client, folder, always, ignore)
    assert client.calls == ["delete 3.2", *["delete"] * (REMOVED_AT_ONCE + 1)]


def test_cleaning_up_makes_way_for_whoever_waits_and_goes_on_later(folder):
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


def test_where_nothing_is_stale_nothing_is_touched(folder):
    client = FakeLabelStudio()
    published(folder, client, 1, 2)
    assert clean_up(client, folder, always, ignore)
    assert client.calls == []
    assert folder.started_publications.read() == ["3.1", "3.2"]


def test_a_publication_in_use_grows_under_its_own_name(folder):
    client = FakeLabelStudio()
    publish(client, folder, a_publication(6, queued=2), QUESTION, ignore)
    longer = extend(client, folder, folder.publication(), QUESTION, 5, ignore)
    assert client.calls == ["import 2", "use 3.7", "import 3"]
    assert order_held(client) == [10, 11, 12, 13, 14]
    assert longer.queued == folder.publication().queued == 5


def test_a_publication_grows_no_longer_than_its_order(folder):
    client = FakeLabelStudio()
    publish(client, folder, a_publication(4, queued=2), QUESTION, ignore)
    assert extend(client, folder, folder.publication(), QUESTION, 500, ignore).queued == 4


@pytest.mark.parametrize("queued", [0, 3])
def test_a_publication_that_is_long_enough_is_left_alone(folder, queued):
    client = FakeLabelStudio()
    publication = a_publication(4, queued=3)
    published(folder, client)
    assert extend(client, folder, publication, QUESTION, queued, ignore) is publication
    assert client.calls == []


def test_a_round_killed_while_a_publication_grew_writes_no_task_twice(folder):
    client = FakeLabelStudio()
    publish(client, folder, a_publication(6, queued=2), QUESTION, ignore)
    short = folder.publication()
    extend(client, folder, short, QUESTION, 4, ignore)
    folder.save_publication(short)
    extend(client, folder, folder.publication(), QUESTION, 5, ignore)
    assert order_held(client) == [10, 11, 12, 13, 14]


def test_a_publication_that_cannot_grow_stays_as_it_is(folder):
    client = FakeLabelStudio()
    publish(client, folder, a_publication(6, queued=2), QUESTION, ignore)
    client.is_failing = True
    with pytest.raises(PublicationError):
        extend(client, folder, folder.publication(), QUESTION, 5, ignore)
    assert folder.publication().queued == 2
