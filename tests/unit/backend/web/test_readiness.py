import json
import shutil
from collections import namedtuple
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from backend.errors import RedisUnavailableError
from backend.settings import Settings
from backend.store.connection import Connection
from backend.web.app import create_app
from backend.web.classifying import WebClassifier
from backend.web.service import Service
from backend.work.states import FAILED, RoundState
from tests.fakes import FakeRounds

Usage = namedtuple("Usage", "total used free")


class Studio(BaseHTTPRequestHandler):
    """Refuses a request without an API key in Label Studio's own words; a test may make it ill."""

    status = 401

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        said = {
            "status_code": self.status,
            "version": "1.23.2",
            "detail": "Authentication credentials were not provided.",
        }
        self.wfile.write(json.dumps(said).encode() if self.status == 401 else b"<h1>Bad Gateway</h1>")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def studio_url(monkeypatch) -> Iterator[str]:
    monkeypatch.setattr(Studio, "status", 401)
    with HTTPServer(("127.0.0.1", 0), Studio) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def service(tmp_path, studio_url) -> Service:
    return Service(Settings(model_dir=tmp_path, label_studio_url=studio_url), FakeRounds(), WebClassifier())


@pytest.fixture
def look(service):
    """Ask /ready once; the status, and what is said of each part that is not well."""

    def look() -> tuple[int, dict[str, str]]:
        answer = create_app(service).test_client().get("/ready")
        parts = answer.get_json()["parts"]
        return answer.status_code, {name: part["said"] for name, part in parts.items() if not part["is_well"]}

    return look


def test_all_is_well(look):
    assert look() == (200, {})


def test_redis_that_is_away_is_said_and_all_that_needs_it(look, service, monkeypatch):
    def refuse(*_: object) -> None:
        raise RedisUnavailableError("Redis does not answer")

    for name in ("ping", "living_workers"):
        monkeypatch.setattr(service.rounds, name, refuse)
    assert look() == (503, {"redis": "Redis does not answer", "worker": "Redis does not answer"})


def test_without_a_worker_it_is_not_ready(look, service):
    service.rounds.workers_alive = 0
    status, said = look()
    assert status == 503
    assert "python -m backend worker" in said["worker"]


def test_a_disk_that_is_nearly_full_is_said(look, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(2**40, 2**40, 2**20))
    status, said = look()
    assert (status, list(said)) == (503, ["disk"])
    assert said["disk"].startswith("1 MB are free")


def test_a_folder_that_cannot_be_written_is_said(look, monkeypatch):
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("backend.web.readiness.write_whole", refuse)
    assert "cannot be written" in look()[1]["disk"]


def test_a_label_studio_that_is_ill_is_said(look, monkeypatch):
    monkeypatch.setattr(Studio, "status", 502)
    status, said = look()
    assert status == 503
    assert "502" in said["label_studio"]


def test_the_fault_of_one_project_is_its_own_and_that_of_all_is_everybodys(look, service, monkeypatch):
    for project_id in (1, 2):
        service.folder(project_id).connection.write(Connection("http://localhost:9090"))
    failed = RoundState(FAILED, {}, "no question", "unsupported_config")
    monkeypatch.setattr(service.rounds, "state", lambda id_: failed if id_ == 1 else service.rounds.current)
    assert look() == (200, {})
    service.rounds.current = failed
    status, said = look()
    assert status == 503
    assert "status of project 1, 2" in said["rounds"]


def test_what_was_found_is_kept_for_seconds(service, monkeypatch):
    browser = create_app(service).test_client()
    browser.get("/ready")
    service.rounds.workers_alive = 0
    assert browser.get("/ready").status_code == 200
    monkeypatch.setattr("backend.web.readiness.KEPT_S", -1.0)
    assert browser.get("/ready").status_code == 503
