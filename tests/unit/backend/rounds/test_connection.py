"""A round acts on a project only if Label Studio names this backend as the project's ML backend."""

import time

import pytest

from backend.errors import NotConnectedError, NotReachedError
from backend.rounds.connection import GRACE_S, confirm_connection
from backend.rounds.round import Round
from backend.settings import Settings
from backend.store.connection import Connection, Setup
from backend.store.project_folder import ProjectFolder
from backend.studio.records import MLBackend
from backend.studio.webhooks import secret_header
from tests.fake_tasks import WholeLabelStudio
from tests.fakes import FakeLabelStudio, FakeTurn, a_context, write_publication
from tests.unit.backend.films import FILMS

OURS, OTHER = MLBackend(5, "http://backend:9090"), MLBackend(6, "http://other:9090", is_reached=True)
UNREACHED = MLBackend(6, "http://other:9090")


@pytest.fixture
def settings(tmp_path, encoder) -> Settings:
    return Settings(model_dir=tmp_path, bert_model=encoder, query_size=5, queue_size=20, recipe="head")


@pytest.fixture
def folder(settings) -> ProjectFolder:
    return ProjectFolder(settings.model_dir, 1)


def long_ago() -> Setup:
    return Setup(time.time() - GRACE_S - 1)


def a_studio(*listed: MLBackend, reaches_us=(5,), studio=None) -> FakeLabelStudio:
    """A Label Studio whose project has some ML backends; those of `reaches_us` are this backend."""
    studio = studio or WholeLabelStudio(FILMS)
    studio.listed, studio.reaches_us = list(listed), set(reaches_us)
    return studio


def test_a_backend_that_answers_with_the_proof_is_this_one_whatever_its_address(settings, folder):
    studio = a_studio(OTHER, MLBackend(9, "https://proxy.example/shortlist/"), reaches_us=[9])
    studio.extra_params = {"QUERY_SIZE": 7}
    assert confirm_connection(a_context(settings, studio))
    assert folder.connection.read() == Connection("https://proxy.example/shortlist/", {"query_size": 7}, 9)
    assert folder.proof.read() == ""


def test_a_backend_that_proved_itself_is_not_called_again(settings, folder):
    assert confirm_connection(a_context(settings, a_studio(OURS)))
    assert confirm_connection(a_context(settings, a_studio(OURS, reaches_us=[])))


def test_an_address_that_was_changed_in_label_studio_has_to_prove_itself_anew(settings, folder):
    assert confirm_connection(a_context(settings, a_studio(OURS)))
    with pytest.raises(NotConnectedError):
        confirm_connection(
            a_context(settings, a_studio(MLBackend(5, "http://other:9090", is_reached=True), reaches_us=[]))
        )


@pytest.mark.parametrize("listed", [(), (OTHER,)], ids=["no ML backend", "another ML backend"])
@pytest.mark.parametrize("asked", [None, long_ago()], ids=["an event", "a /setup"])
def test_a_project_that_label_studio_does_not_connect_to_us_is_left_as_it_is_and_forgotten(
    settings, folder, listed, asked
):
    if asked:
        folder.setup.write(asked)
    studio = a_studio(*listed, reaches_us=[])
    with pytest.raises(NotConnectedError, match="does not name this backend"):
        Round(a_context(settings, studio)).run()
    assert (studio.calls, studio.asked, studio.webhook_headers) == ([], [], {})
    assert not folder.exists()


def test_right_after_a_setup_a_round_waits_for_label_studio_to_store_the_ml_backend(settings, folder):
    folder.setup.write(Setup(time.time()))
    turn, studio = FakeTurn(), a_studio()
    Round(a_context(settings, studio, turn)).run()
    assert turn.again_in_s is not None
    assert studio.calls == []
    assert folder.is_known()
    studio.listed = [OURS]
    studio.reaches_us = {5}
    Round(a_context(settings, studio)).run()
    assert studio.calls == ["import 20", "use 0.1"]


def test_a_setup_from_before_the_clock_was_set_back_keeps_no_project_waiting(settings, folder):
    folder.setup.write(Setup(time.time() + 86_400))
    with pytest.raises(NotConnectedError):
        confirm_connection(a_context(settings, a_studio()))
    assert not folder.is_known()


def test_a_backend_that_label_studio_does_not_reach_may_be_this_one_so_a_later_round_asks_again(settings, folder):
    folder.setup.write(long_ago())
    studio = a_studio(UNREACHED, reaches_us=[])
    with pytest.raises(NotReachedError, match="http://other:9090"):
        Round(a_context(settings, studio)).run()
    assert studio.calls == []
    assert folder.is_known()


def test_a_disconnected_project_gets_no_further_order_and_its_texts_are_shown_no_more(settings, folder):
    studio = a_studio(OURS)
    Round(a_context(settings, studio)).run()
    studio.listed = []
    studio.annotate(1)
    before = list(studio.calls)
    with pytest.raises(NotConnectedError):
        Round(a_context(settings, studio, FakeTurn(changes=1))).run()
    assert studio.calls == before
    assert not folder.is_connected()


def test_a_project_that_is_disconnected_during_a_round_gets_no_order_of_that_round(settings, folder, monkeypatch):
    monkeypatch.setattr("backend.rounds.round._CONFIRM_AGAIN_S", 0.0)
    studio = a_studio(OURS)
    studio.while_reading.append(studio.listed.clear)
    with pytest.raises(NotConnectedError):
        Round(a_context(settings, studio)).run()
    assert studio.calls == []


def test_a_project_that_connects_again_finds_what_was_learned(settings, folder):
    confirm_connection(a_context(settings, a_studio(OURS)))
    write_publication(folder, 3)
    with pytest.raises(NotConnectedError):
        confirm_connection(a_context(settings, a_studio()))
    assert confirm_connection(a_context(settings, a_studio(MLBackend(7, OURS.url), reaches_us=[7])))
    assert folder.publications.name() == "3.7"


def test_behind_label_studio_mls_own_server_an_ml_backend_of_the_project_has_to_be_listed(settings, folder):
    folder.setup.write(Setup(time.time(), is_from_plugin=True))
    assert not confirm_connection(a_context(settings, a_studio()))
    assert confirm_connection(a_context(settings, a_studio(OTHER, reaches_us=[])))


def test_a_round_gives_the_webhook_a_secret_of_the_project(settings, folder):
    studio = a_studio(OURS)
    Round(a_context(settings, studio)).run()
    secret = folder.webhook_secret.read().current
    assert len(secret) == 64
    assert studio.webhook_headers == secret_header(1, secret)


def test_a_recreated_label_studio_keeps_the_connection_of_its_new_project(settings, folder):
    studio = a_studio(OURS)
    Round(a_context(settings, studio)).run()
    secret = folder.webhook_secret.read()
    folder.belong_to("2030-01-01T00:00:00+00:00")
    assert folder.connection.read().backend_id == 5
    assert folder.webhook_secret.read() == secret
