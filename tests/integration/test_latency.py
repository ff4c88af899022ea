"""Annotators never wait for us: not while BERT trains, nor while orders are published and old ones removed."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import numpy as np
import pytest

from benchmarks.loop.event_recorder import event_recorder
from tests.annotators import Person, choices_config, until_published
from tests.banking import intents, questions
from tests.servers import ROUND_TIMEOUT_S, BackendServer

WEBHOOK_P99_S = 0.1
# Label Studio gives up on a webhook after this long.
ANNOTATION_MORE_S = 1.0
POOL = 300
LABELLED_FIRST = 16


def _timed_annotation(person: Person, task_id: int, label: str) -> float:
    began = time.perf_counter()
    answer = person.post_annotation(task_id, label)
    seconds = time.perf_counter() - began
    assert answer.status_code == 201, f"an annotation was lost: {answer.status_code} {answer.text[:300]}"
    return seconds


def _pause(pause_s: float, is_over: Callable[[], bool]) -> None:
    """Sleep, but look once a second whether the wait is over."""
    end = time.monotonic() + pause_s
    while (left_s := end - time.monotonic()) > 0 and not (left_s > 1.0 and is_over()):
        time.sleep(min(left_s, 1.0))


@contextmanager
def _posting(backend: BackendServer, event: dict[str, Any], pause_s: float = 0.02) -> Iterator[list[float]]:
    """Post an event over and over in a thread; the growing list of how long each answer took, in seconds."""
    seconds: list[float] = []
    over = threading.Event()

    def post() -> None:
        with httpx.Client(base_url=backend.url, timeout=30.0) as http:
            while not over.wait(pause_s):
                began = time.perf_counter()
                answer = http.post("/webhook", json=event)
                seconds.append(time.perf_counter() - began if answer.status_code == 201 else float("inf"))

    thread = threading.Thread(target=post)
    thread.start()
    try:
        yield seconds
    finally:
        over.set()
        thread.join()


def _recorded_event(owner: Person, labels: list[str], title: str) -> dict[str, Any]:
    """An ANNOTATION_CREATED as Label Studio sends it."""
    project_id = owner.create_project(f"recorded {title}", choices_config(labels), ["a text"])
    with event_recorder() as (url, events):
        hook = {"url": url, "project": project_id, "send_payload": True, "send_for_all_actions": True}
        owner.call("POST", "/api/webhooks/", hook)
        owner.annotate(owner.tasks(project_id)[0]["id"], labels[0])
    [event] = [event for event in events if event["action"] == "ANNOTATION_CREATED"]
    return event


# A quiet machine needs two minutes, a core that six other programs use needs eleven.
@pytest.mark.timeout(900)
def test_annotators_never_wait_while_bert_trains_publishes_and_cleans_up(
    owner: Person, real: BackendServer, title: str
) -> None:
    gold = dict(questions("pool")[:POOL])
    labels = intents()
    alone = owner.create_project(f"alone {title}", choices_config(labels), list(gold)[:40])
    baseline = [_timed_annotation(owner, task["id"], gold[task["data"]["text"]]) for task in owner.tasks(alone)]

    project_id = owner.create_project(title, choices_config(labels), list(gold))
    backend_id = owner.connect(project_id, real.url, retrain_every=1000, query_size=1000)
    until_published(owner, real, project_id)
    event = {**_recorded_event(owner, labels, title), "project": owner.project(project_id)}
    with _posting(real, event) as idle:
        time.sleep(2.0)
    until_published(owner, real, project_id)

    # A training and three publications, so that one is removed; people annotate all the while.
    removed = f"event=removed project={project_id} "
    waiting = owner.tasks(project_id)
    taken: dict[str, list[float]] = {}

    def annotate_until(is_over: Callable[[], bool], pause_s: float, growth: float = 1.0) -> None:
        deadline = time.monotonic() + ROUND_TIMEOUT_S
        while not is_over():
            assert time.monotonic() < deadline, f"not after {ROUND_TIMEOUT_S:.0f} s: {real.status(project_id)}"
            state = real.status(project_id)["state"]
            task = waiting.pop()
            seconds = _timed_annotation(owner, task["id"], gold[task["data"]["text"]])
            taken.setdefault(state, []).append(seconds)
            # After half of the texts annotate slowly: a slow machine must not run out of texts.
            _pause(pause_s if len(waiting) > POOL // 2 else max(pause_s, 2.0), is_over)
            pause_s *= growth

    def has_published(times: int) -> Callable[[], bool]:
        return lambda: real.status(project_id)["rounds"] >= times

    annotate_until(lambda: len(waiting) == POOL - LABELLED_FIRST, 0.0)
    with _posting(real, event) as busy:
        owner.call("POST", f"/api/ml/{backend_id}/train", {})
        annotate_until(has_published(2), 0.2)
        # Other settings make a third order, and that one more to remove.
        other = {"retrain_every": 1000, "query_size": 1000, "strategy": "entropy"}
        owner.call(
            "PATCH",
            f"/api/ml/{backend_id}",
            {"project": project_id, "url": real.url, "extra_params": json.dumps(other)},
        )
        annotate_until(has_published(3), 0.2)
    # Removing stops for every round, and every annotation asks for a round. A slow machine needs longer pauses.
    annotate_until(lambda: removed in real.log.read_text("utf-8"), 4.0, growth=1.5)

    annotated = [seconds for each in taken.values() for seconds in each]
    assert "training" in taken, f"nobody annotated while BERT trained: {sorted(taken)}"
    assert "publishing" in taken, f"nobody annotated while an order was published: {sorted(taken)}"
    assert max(annotated) < max(baseline) + ANNOTATION_MORE_S
    # Fewer posts have no 99th percentile; a fast machine trains and publishes in five seconds.
    assert len(busy) > 100
    p99_s, idle_p99_s = (float(np.quantile(seconds, 0.99)) for seconds in (busy, idle))
    assert p99_s < max(WEBHOOK_P99_S, 2 * idle_p99_s), f"p99 {p99_s:.3f} s; without training {idle_p99_s:.3f} s"
    assert owner.project(project_id)["total_annotations_number"] == len(annotated)
