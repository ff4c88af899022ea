"""Processes that die, stop or are kept busy by strangers: the backend is sound again within a minute."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from examples.servers import Server
from tests.annotators import Person, choices_config, reviews, until_published
from tests.servers import LEGACY_TOKEN, BackendServer, backend, eventually

CONFIG = choices_config(["neg", "pos"])
SOUND_AGAIN_S = 60.0


@pytest.fixture(scope="module")
def server(studio: Server, small_encoder: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackendServer]:
    """A backend of this module's own, whose processes may be killed."""
    with backend(tmp_path_factory.mktemp("killed"), studio.url, LEGACY_TOKEN, BERT_MODEL=small_encoder) as started:
        yield started


def ready(server: BackendServer) -> dict[str, bool]:
    """Which parts /ready calls well."""
    return {name: part["is_well"] for name, part in server.http.get("/ready").json()["parts"].items()}


def after_training(server: BackendServer, project_id: int) -> dict[str, Any] | None:
    """The status once the project is trained and all is ready; None before, and while no web server listens."""
    try:
        status = server.status(project_id)
        return status if status.get("model") == 1 and server.http.get("/ready").is_success else None
    except httpx.TransportError:
        return None


def test_all_parts_are_ready_where_all_is_well(server: BackendServer, owner: Person) -> None:
    answer = eventually(lambda: found if (found := server.http.get("/ready")).is_success else None, "readiness")
    assert set(answer.json()["parts"]) == {"redis", "worker", "disk", "label_studio", "rounds"}


@pytest.mark.parametrize("victim", ["redis", "worker", "web"])
def test_a_process_that_is_killed_comes_back_and_no_label_is_lost(
    server: BackendServer, owner: Person, title: str, victim: str
) -> None:
    gold = reviews(12)
    project_id = owner.create_project(title, CONFIG, list(gold))
    owner.connect(project_id, server.url, retrain_every=4)
    until_published(owner, server, project_id)
    before = server.child_pid(victim)

    os.kill(before, signal.SIGKILL)
    owner.label_both(project_id, gold, 4)

    status = eventually(lambda: after_training(server, project_id), "a training and readiness", SOUND_AGAIN_S)
    assert status["labels"] >= 4
    assert server.child_pid(victim) != before


def test_a_redis_that_stands_still_is_said_while_the_server_stays_alive(
    server: BackendServer, owner: Person, title: str
) -> None:
    project_id = owner.create_project(title, CONFIG, ["a text"])
    owner.connect(project_id, server.url)
    until_published(owner, server, project_id)
    pid = server.child_pid("redis")
    os.kill(pid, signal.SIGSTOP)
    try:
        eventually(lambda: not ready(server)["redis"], "the redis to be missed", 30.0)
        assert server.http.get("/health").is_success
        answer = server.http.post("/webhook", json={"action": "ANNOTATION_CREATED", "project": {"id": project_id}})
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "redis_unavailable")
    finally:
        os.kill(pid, signal.SIGCONT)
    eventually(lambda: ready(server)["redis"], "the redis to be found again", SOUND_AGAIN_S)


def test_requests_that_are_never_finished_take_no_thread_from_others(server: BackendServer) -> None:
    address = urlsplit(server.url)
    begun = b"POST /webhook HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n"
    with ExitStack() as stack:
        for number in range(200):
            half_sent = stack.enter_context(socket.create_connection((str(address.hostname), int(address.port or 80))))
            half_sent.sendall(begun if number % 2 else begun + b'\r\n{"action"')
        began = time.monotonic()
        assert server.http.get("/health").is_success
        assert time.monotonic() - began < 1.0, "Label Studio waits one second for /health"


def test_labels_are_seen_within_a_minute_though_the_webhook_is_gone(
    server: BackendServer, owner: Person, title: str
) -> None:
    gold = reviews(12)
    project_id = owner.create_project(title, CONFIG, list(gold))
    owner.connect(project_id, server.url, retrain_every=4)
    until_published(owner, server, project_id)
    server.until_settled(project_id)
    for webhook in owner.call("GET", "/api/webhooks/", project=project_id):
        owner.call("DELETE", f"/api/webhooks/{webhook['id']}/", project=project_id)

    owner.label_both(project_id, gold, 4)

    server.until(project_id, lambda status: status["model"] == 1, "a training without any event", SOUND_AGAIN_S + 30)
