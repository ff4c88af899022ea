import json
import re
import threading
import tracemalloc
from io import RawIOBase

import pytest
from flask import Response
from werkzeug.test import create_environ, run_wsgi_app

from backend.store.connection import Connection
from backend.store.selections import PastePrompt
from backend.studio.contract import MOST_TASKS
from backend.web.entrance import limits
from backend.web.entrance.limits import LARGE_BODY_BYTES, MAX_BODY_BYTES, OTHER_MAX_BODY_BYTES
from backend.web.events import LOOK_AGAIN_S
from tests.fakes import labeling_config
from tests.worst_cases import within

MIB = 1024 * 1024
PREDICT = {"project": "1.1767193600", "label_config": labeling_config()}
BODIES = [
    ("/predict", MAX_BODY_BYTES["shortlist.predict"]),
    ("/train", MAX_BODY_BYTES["shortlist.start_training"]),
    ("/setup", MAX_BODY_BYTES["shortlist.setup"]),
    ("/versions", OTHER_MAX_BODY_BYTES),
]


class Endless(RawIOBase):
    """A request's body of a size, made while it is read."""

    def __init__(self, size: int) -> None:
        self.left, self.read_bytes = size, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        count = min(len(buffer), self.left)
        buffer[:count] = b"[" * count
        self.left -= count
        self.read_bytes += count
        return count


def send(browser, path: str, size: int, is_chunked: bool = False) -> tuple:
    """Post a body of a size; with or without saying its size first. Returns the answer and the bytes that were read."""
    body = Endless(size)
    told = {"wsgi.input_terminated": True} if is_chunked else {"CONTENT_LENGTH": str(size)}
    environ = create_environ(path, method="POST", content_type="application/json") | told | {"wsgi.input": body}
    content, status, headers = run_wsgi_app(browser.application, environ)
    return Response(content, status, headers), body.read_bytes


@pytest.mark.parametrize("is_chunked", [False, True], ids=["told", "chunked"])
@pytest.mark.parametrize(("path", "limit"), BODIES)
def test_a_larger_body_than_an_endpoint_needs_is_refused_with_the_limit(browser, path, limit, is_chunked):
    answer, read = send(browser, path, 10 * limit, is_chunked)
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (413, "too_large")
    assert f"{limit:,} bytes" in answer.get_json()["error"]["message"]
    assert read <= limit + MIB


@pytest.mark.parametrize("is_chunked", [False, True], ids=["told", "chunked"])
def test_an_event_that_is_too_large_to_read_asks_for_a_look_at_every_project(browser, service, is_chunked):
    for project_id in (3, 7):
        service.folder(project_id).connection.write(Connection("localhost:9090", {}))
    answer, read = send(browser, "/webhook", 81 * MIB, is_chunked)
    assert (answer.status_code, answer.get_json()) == (201, {"status": "queued", "projects": 2})
    assert [asked["project"] for asked in service.rounds.requests] == [3, 7]
    assert service.rounds.named == [(set(), False)] * 2
    assert service.rounds.later == [(3, LOOK_AGAIN_S), (7, LOOK_AGAIN_S)]
    assert read <= MAX_BODY_BYTES["shortlist.receive_event"] + MIB


def test_three_webhooks_of_81_megabytes_take_no_more_memory_than_a_small_one(browser):
    tracemalloc.start()
    senders = [threading.Thread(target=send, args=(browser, "/webhook", 81 * MIB, True)) for _ in range(3)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 32 * MIB


def large(tasks: int) -> bytes:
    body = json.dumps({**PREDICT, "tasks": [{"id": n, "data": {"text": "x" * 100}} for n in range(tasks)]}).encode()
    assert len(body) > LARGE_BODY_BYTES
    return body


def test_large_bodies_are_answered_one_at_a_time_and_small_ones_meanwhile(browser, monkeypatch):
    monkeypatch.setattr(limits, "LARGE_BODY_WAIT_S", 0.05)
    limits._large_body.acquire()
    try:
        answer = browser.post("/predict", data=large(20_000), content_type="application/json")
        assert (answer.status_code, answer.get_json()["error"]["code"]) == (503, "busy")
        assert browser.post("/predict", json={**PREDICT, "tasks": []}).status_code == 200
    finally:
        limits._large_body.release()
    for _ in range(2):
        assert browser.post("/predict", data=large(20_000), content_type="application/json").status_code == 200
    assert (
        browser.post("/predict", data=b"[" * (LARGE_BODY_BYTES + 1), content_type="application/json").status_code == 400
    )
    assert browser.post("/predict", data=large(20_000), content_type="application/json").status_code == 200


def test_more_tasks_than_label_studio_sends_are_refused_with_the_number(browser):
    answer = browser.post("/predict", json={**PREDICT, "tasks": [{"id": 1, "data": {}}] * (MOST_TASKS + 1)})
    assert answer.status_code == 400
    assert "at most 50,000 at once" in answer.get_json()["error"]["message"]


@pytest.mark.parametrize("size", [300_000, 1_000_000])
def test_a_task_full_of_brackets_is_answered_in_two_seconds(browser, size):
    config = labeling_config().replace("<Text ", "<HyperText ")
    task = {"id": 1, "data": {"text": "<" * size}}
    with within(2.0):
        assert browser.post("/predict", json={**PREDICT, "label_config": config, "tasks": [task]}).status_code == 200


def test_a_form_holds_the_longest_answer_and_a_longer_one_is_told_its_length(browser, service):
    service.folder(1).connection.write(Connection("http://localhost:9090"))
    prompt = PastePrompt("choose", (10, 11, 12, 13), 2, ("neg", "pos"), 7.5)
    service.folder(1).paste_prompt.write(prompt)
    page = browser.get("/projects/1/prompt").text
    (token,) = re.findall(r'name="form_token" value="(\w+)"', page)
    for answer, status in (("語" * 100_000, 422), ("x" * 2 * MIB, 413)):
        assert browser.post("/projects/1/prompt", data={"form_token": token, "answer": answer}).status_code == status
