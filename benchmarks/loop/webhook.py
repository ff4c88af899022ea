"""Many annotators at once: what a webhook takes to be answered, at a human pace."""

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
# A quick annotator's: one label every 3 s.
PAUSE_S = (2.0, 4.0)
# Label Studio itself waits no longer than 1 s; what takes longer is measured all the same.
TIMEOUT_S = 30.0
_RECORDING_S = 10.0


def record_event(project: BenchProject) -> dict[str, Any]:
    """An ANNOTATION_CREATED as Label Studio sends it, of a label given just now.

    Raises:
        LoopError: none came.
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
    """The event once for each annotator, who each label a task of their own."""
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
    """Post each event again and again, a thread each.

    Yields:
        The growing list of how long each answer took, in seconds; infinite where it was none.
    """
    seconds: list[float] = []
    over = threading.Event()
    # Label Studio opens a connection for every webhook, too.
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
