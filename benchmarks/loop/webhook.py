"""How long the backend takes to answer webhooks of many annotators at a human pace."""

import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import numpy as np

from benchmarks.loop.event_recorder import event_recorder
from benchmarks.loop.project import BenchProject
from benchmarks.loop.watch import LoopError

EVENT = "ANNOTATION_CREATED"
# Pause between labels of a quick annotator: 3 s on average.
PAUSE_S = (2.0, 4.0)
# Label Studio gives up after 1 s; slower answers are measured too.
TIMEOUT_S = 30.0
_RECORDING_S = 10.0


def record_event(project: BenchProject) -> dict[str, Any]:
    """Give a label and return the ANNOTATION_CREATED webhook that Label Studio sends.

    Raises:
        LoopError: no webhook came.
    """
    with event_recorder() as (url, events):
        body = {"url": url, "project": project.project_id, "send_payload": True, "send_for_all_actions": True}
        hook = project.call("POST", "/api/webhooks/", body)
        project.annotate_next()
        deadline = time.monotonic() + _RECORDING_S
        while not (found := [event for event in events if event["action"] == EVENT]):
            if time.monotonic() > deadline:
                raise LoopError(f"Label Studio sent no {EVENT} within {_RECORDING_S:.0f} s of an annotation")
            time.sleep(0.05)
        project.call("DELETE", f"/api/webhooks/{hook['id']}/")
    return found[0]


def bodies(event: Mapping[str, Any], task_ids: Sequence[int], annotators: int) -> list[bytes]:
    """One body for each annotator: the event, with another task in each."""
    return [
        json.dumps(
            {
                **event,
                "task": {**event["task"], "id": task_id},
                "annotation": {**event["annotation"], "task": task_id},
            }
        ).encode()
        for task_id in np.resize(task_ids, annotators).tolist()
    ]


@contextmanager
def annotating(url: str, events: Sequence[bytes]) -> Iterator[list[float]]:
    """Post every event repeatedly, each in a thread of its own.

    Yields:
        The growing list of answer times in seconds; infinite for a failed request.
    """
    seconds: list[float] = []
    over = threading.Event()
    # Like Label Studio, open a connection for every webhook.
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    with (
        httpx.Client(base_url=url, timeout=TIMEOUT_S, limits=limits) as http,
        ThreadPoolExecutor(len(events)) as annotators,
    ):
        posting = [annotators.submit(_annotate, http, body, seed, seconds, over) for seed, body in enumerate(events)]
        try:
            yield seconds
        finally:
            over.set()
    for annotator in posting:
        annotator.result()


def _annotate(http: httpx.Client, body: bytes, seed: int, seconds: list[float], over: threading.Event) -> None:
    rng = np.random.default_rng(seed)
    pause_s = rng.uniform(0, PAUSE_S[1])
    while not over.wait(pause_s):
        began = time.perf_counter()
        is_taken = _post(http, body)
        taken_s = time.perf_counter() - began
        seconds.append(taken_s if is_taken else float("inf"))
        pause_s = rng.uniform(*PAUSE_S)


def _post(http: httpx.Client, body: bytes) -> bool:
    try:
        return http.post("/webhook", content=body, headers={"Content-Type": "application/json"}).is_success
    except httpx.TransportError:
        return False
