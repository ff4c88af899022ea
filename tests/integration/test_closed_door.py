"""Strangers who send what Label Studio sends: nothing of theirs reaches a project that Label Studio did not connect."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from backend.studio.webhooks import HEADER
from examples.servers import Server
from tests.annotators import Person, choices_config, reviews, until_published
from tests.servers import LEGACY_TOKEN, BackendServer, backend, eventually

CONFIG = choices_config(["neg", "pos"])
# More than a round takes that has nothing to do.
AWHILE_S = 4.0


@pytest.fixture(scope="module")
def other(studio: Server, small_encoder: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackendServer]:
    """A second Shortlist on the same Label Studio."""
    folder = tmp_path_factory.mktemp("other")
    with backend(folder, studio.url, LEGACY_TOKEN, BERT_MODEL=small_encoder) as server:
        yield server


def _forged(server: BackendServer, project_id: int, host: str = "") -> list[int]:
    """Send all that Label Studio would send for a project; return the statuses."""
    headers = {"Host": host} if host else {}
    setup = {"project": f"{project_id}.1767193600", "schema": CONFIG, "extra_params": {"query_size": 3}}
    event = {"project": {"id": project_id}, "annotation": {"task": 1}}
    bodies = [
        ("/webhook", {**event, "action": "ANNOTATION_CREATED"}),
        ("/setup", setup),
        ("/webhook", {**event, "action": "START_TRAINING"}),
        ("/train", {"project": project_id}),
    ]
    return [server.http.post(path, json=body, headers=headers).status_code for path, body in bodies]


def _of_label_studio(owner: Person, project_id: int) -> tuple[object, ...]:
    """All of a project that a backend could change."""
    project = owner.project(project_id)
    hooks = [hook["headers"] for hook in owner.call("GET", "/api/webhooks/", project=project_id)]
    return project["model_version"], project["sampling"], len(owner.predictions(project_id)), hooks


def _shows_nothing(server: BackendServer, project_id: int) -> bool:
    pages = [server.http.get(f"/projects/{project_id}/prompt"), server.http.get(f"/projects/{project_id}/status")]
    return pages[0].status_code == 404 and not any(text in page.text for page in pages for text in reviews(8))


def test_a_project_that_never_connected_stays_as_it_is_whatever_strangers_send(
    owner: Person, quick: BackendServer, title: str
) -> None:
    project_id = owner.create_project(title, CONFIG, list(reviews(8)))
    before = _of_label_studio(owner, project_id)

    assert _forged(quick, project_id) == [404, 200, 404, 404]
    time.sleep(AWHILE_S)

    assert _of_label_studio(owner, project_id) == before
    assert _shows_nothing(quick, project_id)


def test_a_project_of_another_backend_stays_as_it_is_though_a_stranger_names_that_backends_address(
    owner: Person, quick: BackendServer, other: BackendServer, title: str
) -> None:
    project_id = owner.create_project(title, CONFIG, list(reviews(8)))
    owner.connect(project_id, other.url)
    until_published(owner, other, project_id)
    before = _of_label_studio(owner, project_id)

    _forged(quick, project_id, other.url.removeprefix("http://"))
    time.sleep(AWHILE_S)

    other.until_settled(project_id)
    assert _of_label_studio(owner, project_id) == before
    assert _shows_nothing(quick, project_id)


def test_a_strangers_setup_changes_no_setting_of_a_connected_project(
    owner: Person, quick: BackendServer, title: str
) -> None:
    project_id = owner.create_project(title, CONFIG, list(reviews(8)))
    owner.connect(project_id, quick.url, query_size=7)
    publication = until_published(owner, quick, project_id).name

    _forged(quick, project_id)
    time.sleep(AWHILE_S)

    assert quick.folder(project_id).connection.read().extra_params == {"query_size": 7}
    assert until_published(owner, quick, project_id).name == publication


def test_a_project_that_was_disconnected_while_the_backend_stood_still_is_not_taken_over_again(
    owner: Person, studio: Server, small_encoder: str, title: str, tmp_path: Path
) -> None:
    gold = reviews(12)
    project_id = owner.create_project(title, CONFIG, list(gold))
    settings = {"BERT_MODEL": small_encoder, "RETRAIN_EVERY": "2"}
    with backend(tmp_path, studio.url, LEGACY_TOKEN, **settings) as server:
        backend_id = owner.connect(project_id, server.url)
        until_published(owner, server, project_id)
    owner.call("DELETE", f"/api/ml/{backend_id}")
    owner.call("PATCH", f"/api/projects/{project_id}/", {"sampling": "Sequential sampling"})
    owner.label_both(project_id, gold, 2)
    before = _of_label_studio(owner, project_id)

    with backend(tmp_path, studio.url, LEGACY_TOKEN, **settings) as server:
        eventually(lambda: not server.folder(project_id).is_known(), "the project to be forgotten", 60.0)
        _forged(server, project_id)
        time.sleep(AWHILE_S)

        assert _of_label_studio(owner, project_id) == before
        assert _shows_nothing(server, project_id)

        owner.connect(project_id, server.url)
        assert until_published(owner, server, project_id).name > "0.1"


def test_webhooks_carry_a_secret_that_connect_rotates(owner: Person, quick: BackendServer, title: str) -> None:
    gold = reviews(8)
    project_id = owner.create_project(title, CONFIG, list(gold))
    owner.connect(project_id, quick.url, retrain_every=100)
    until_published(owner, quick, project_id)

    def secret() -> str:
        hooks = owner.call("GET", "/api/webhooks/", project=project_id)
        return str(next(hook["headers"].get(HEADER, "") for hook in hooks if hook["url"] == f"{quick.url}/webhook"))

    first = eventually(secret, "the webhook's secret")
    rotated = quick.command("connect", "--project", str(project_id), "--url", quick.url)
    second = secret()
    event = {"action": "ANNOTATION_CREATED", "project": {"id": project_id}}
    answers = [quick.http.post("/webhook", json=event, headers={HEADER: value}) for value in (first, second)]

    assert "new secret" in rotated.stdout
    assert re.fullmatch(rf"{project_id}\.[0-9a-f]{{64}}", first)
    assert first != second
    assert [answer.status_code for answer in answers] == [401, 201]
    log = quick.log.read_text(encoding="utf-8")
    assert first.partition(".")[2] not in log
    assert second.partition(".")[2] not in log


def test_what_the_backend_writes_is_for_its_own_user_alone(owner: Person, quick: BackendServer, title: str) -> None:
    project_id = owner.create_project(title, CONFIG, list(reviews(8)))
    owner.connect(project_id, quick.url)
    until_published(owner, quick, project_id)

    written = [path for path in quick.model_dir.rglob("*") if not path.is_symlink()]

    assert any(path.name == "tasks.sqlite" for path in written)
    assert {str(path): oct(path.stat().st_mode) for path in written if path.stat().st_mode & 0o077} == {}


def test_a_foreign_page_gets_nothing_and_moves_nothing(owner: Person, quick: BackendServer, title: str) -> None:
    project_id = owner.create_project(title, CONFIG, list(reviews(30)))
    owner.connect(project_id, quick.url, query_size=6, retrain_every=100)
    until_published(owner, quick, project_id)
    address = f"{quick.url}/projects/{project_id}/prompt"

    rebound = httpx.get(address, headers={"Host": "evil.example"})
    plain = httpx.post(f"{quick.url}/train", content=b'{"project": 1}', headers={"Content-Type": "text/plain"})
    foreign = httpx.post(f"{quick.url}/train", json={"project": 1}, headers={"Origin": "http://evil.example"})

    assert (rebound.status_code, plain.status_code, foreign.status_code) == (403, 415, 403)
    assert not [text for text in reviews(30) if text in rebound.text]
    assert httpx.get(address).status_code == 200
