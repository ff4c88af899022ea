"""/predict of a real server, against a transformers pipeline that is called as the public example calls it."""

import json
import os
import socket
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

from backend.commands.serving import Child
from backend.store.project_folder import ProjectFolder
from backend.store.publications import Places, Publication
from backend.studio.labeling_config import read_labeling_config
from backend.studio.results import results_of
from model.text_digests import text_digests
from model.types import LabelSet

REPETITIONS = 3
PUBLISHED_TASKS = 15_000
START_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Answered:
    """The same texts, by each way; texts a second, medians.

    Attributes:
        pipeline: one by one, fp32.
        predict: one request, every text by the model.
        published: one request, every text from the published order.
    """

    name: str
    pipeline: float
    predict: float
    published: float


class Server:
    """`serve` with one project whose classifier is in use."""

    def __init__(self, folder: ProjectFolder, url: str, label_set: LabelSet) -> None:
        choices = "".join(f'<Choice value="{label}"/>' for label in label_set.labels)
        question = f'<Choices name="label" toName="text" choice="single">{choices}</Choices>'
        self.config = f'<View><Text name="text" value="$text"/>{question}</View>'
        self.folder = folder
        self._http = httpx.Client(base_url=url, timeout=600.0)

    def seconds(self, texts: Sequence[str]) -> float:
        """How long one request with these texts as tasks 1, 2, 3 … takes; each is answered with a label."""
        tasks = [{"id": number, "data": {"text": text}} for number, text in enumerate(texts, start=1)]
        body = json.dumps({"project": self.folder.project_id, "label_config": self.config, "tasks": tasks})
        began = time.monotonic()
        answer = self._http.post("/predict", content=body, headers={"Content-Type": "application/json"})
        taken_s = time.monotonic() - began
        results: list[dict[str, Any]] = answer.raise_for_status().json()["results"]
        if not all(result["result"] for result in results):
            raise RuntimeError(f"/predict left texts without a label: {results[0]}")
        return taken_s

    def publish(self, texts: Sequence[str], number: int) -> None:
        """Make an order of these texts, as tasks 1, 2, 3 …, the one in use."""
        label_set = read_labeling_config(self.config).label_set
        proba_N_C = np.random.default_rng(0).dirichlet(np.ones(len(label_set.labels)), size=len(texts))
        head = Publication(
            number=number,
            model=1,
            queued=len(texts),
            size=len(texts),
            settings_digest="",
            labelled_tasks=0,
            label_set=label_set,
        )
        places = Places(
            task_ids_N=np.arange(1, len(texts) + 1),
            text_digests_N=text_digests(texts),
            reasons_N=("margin: score 0.50, place 1",) * len(texts),
            results_N=results_of(read_labeling_config(self.config), proba_N_C.astype(np.float32)),
        )
        self.folder.publications.write(head, places)


@contextmanager
def serving(folder: ProjectFolder, model_dir: Path, label_set: LabelSet) -> Iterator[Server]:
    """Run `python -m backend serve`; there is no Label Studio, so that no round does anything meanwhile."""
    port, nobody = _free_port(), _free_port()
    environment = {
        **os.environ,
        "PORT": str(port),
        "MODEL_DIR": str(model_dir),
        "LABEL_STUDIO_URL": f"http://127.0.0.1:{nobody}",
        "LABEL_STUDIO_API_KEY": "none",
    }
    log = model_dir / "serve.log"
    child = Child("serve", [sys.executable, "-m", "backend", "serve"], environment, log)
    child.start()
    try:
        url = f"http://127.0.0.1:{port}"
        _await(url, log)
        yield Server(folder, url, label_set)
    finally:
        child.stop()


def _free_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return int(door.getsockname()[1])


def _await(url: str, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            httpx.get(f"{url}/health", timeout=2.0).raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.2)
        else:
            return
    raise RuntimeError(f"`serve` did not start in {START_TIMEOUT_S:.0f} s; its log says:\n{log.read_text()[-2000:]}")


def compare(server: Server, version: Path, name: str, texts: Sequence[str]) -> Answered:
    """Time each way in turn, again and again.

    The pipeline has the version's encoder and a head of the same size; that head is not ours, which changes its answers
    and not its time.
    """
    one_by_one = _pipeline(version, server)
    server.seconds(texts[:10])
    one_by_one(list(texts[:10]))
    taken: dict[str, list[float]] = {"pipeline": [], "predict": [], "published": []}
    for repetition in range(REPETITIONS):
        # What was never published, nor asked before.
        fresh = [f"{text} {repetition}" for text in texts]
        began = time.monotonic()
        one_by_one(fresh)
        taken["pipeline"].append(time.monotonic() - began)
        taken["predict"].append(server.seconds(fresh))
        server.publish(texts, 1)
        taken["published"].append(server.seconds(texts))
    rates = {way: len(texts) / statistics.median(seconds) for way, seconds in taken.items()}
    return Answered(name, **rates)


def _pipeline(version: Path, server: Server) -> Any:
    labels = len(read_labeling_config(server.config).label_set.labels)
    model = AutoModelForSequenceClassification.from_pretrained(version / "encoder", num_labels=labels)
    return pipeline("text-classification", model=model, tokenizer=AutoTokenizer.from_pretrained(version / "encoder"))


def published_seconds(server: Server, texts: Sequence[str]) -> list[float]:
    """How long one request for PUBLISHED_TASKS tasks takes, all of them published."""
    many = [f"{texts[number % len(texts)]} {number}" for number in range(PUBLISHED_TASKS)]
    server.publish(many, 2)
    server.seconds(many)
    return [server.seconds(many) for _ in range(REPETITIONS)]
