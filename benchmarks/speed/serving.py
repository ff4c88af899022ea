"""/predict of a real server against a transformers pipeline, called as in the public example."""

import json
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

from backend.store.order.head import Publication
from backend.store.order.table import Places
from backend.store.project_folder import ProjectFolder
from backend.studio.config.kinds import read_tasks
from examples.servers import backend_server, free_port
from model.text_digests import text_digests
from model.types import LabelSet

REPETITIONS = 3
PUBLISHED_TASKS = 15_000


@dataclass(frozen=True)
class Answered:
    """Median texts per second for the same texts, answered in each way.

    Attributes:
        pipeline: a transformers pipeline, text by text, fp32.
        predict: one request to /predict; the model answers every text.
        published: one request to /predict; the published order answers every text.
    """

    name: str
    pipeline: float
    predict: float
    published: float


class PredictClient:
    """Asks a backend about one project, whose classifier is in use."""

    def __init__(self, folder: ProjectFolder, url: str, label_set: LabelSet) -> None:
        choices = "".join(f'<Choice value="{label}"/>' for label in label_set.labels)
        question = f'<Choices name="label" toName="text" choice="single">{choices}</Choices>'
        self.config = f'<View><Text name="text" value="$text"/>{question}</View>'
        self.folder = folder
        self._http = httpx.Client(base_url=url, timeout=600.0)

    def seconds(self, texts: Sequence[str]) -> float:
        """Seconds of one /predict request with these texts as tasks 1, 2, 3 …; checks that each gets a label."""
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
        """Publish an order of these texts as tasks 1, 2, 3 …."""
        (task,) = read_tasks(self.config)
        label_set = task.label_set
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
            results_N=tuple(task.results(task.answers(proba_N_C.astype(np.float32)))),
        )
        self.folder.publications.write(head, places)


@contextmanager
def serving(folder: ProjectFolder, model_dir: Path, label_set: LabelSet) -> Iterator[PredictClient]:
    """Run the backend without a Label Studio, so that no round takes processor time."""
    settings = {"LABEL_STUDIO_URL": f"http://127.0.0.1:{free_port()}", "LABEL_STUDIO_API_KEY": "none"}
    with backend_server(model_dir, settings) as server:
        server.await_health()
        yield PredictClient(folder, server.url, label_set)


def compare(server: PredictClient, version: Path, name: str, texts: Sequence[str]) -> Answered:
    """Time every way alternately, REPETITIONS times.

    The pipeline has the version's encoder and an untrained head of the same size: the head changes the answers but not
    the time.
    """
    one_by_one = _pipeline(version, server)
    server.seconds(texts[:10])
    one_by_one(list(texts[:10]))
    taken: dict[str, list[float]] = {"pipeline": [], "predict": [], "published": []}
    for repetition in range(REPETITIONS):
        # New texts, so that neither a publication nor a cache answers them.
        fresh = [f"{text} {repetition}" for text in texts]
        began = time.monotonic()
        one_by_one(fresh)
        taken["pipeline"].append(time.monotonic() - began)
        taken["predict"].append(server.seconds(fresh))
        server.publish(texts, 1)
        taken["published"].append(server.seconds(texts))
    rates = {way: len(texts) / statistics.median(seconds) for way, seconds in taken.items()}
    return Answered(name, **rates)


def _pipeline(version: Path, server: PredictClient) -> Any:
    labels = len(read_tasks(server.config)[0].label_set.labels)
    model = AutoModelForSequenceClassification.from_pretrained(version / "encoder", num_labels=labels)
    return pipeline("text-classification", model=model, tokenizer=AutoTokenizer.from_pretrained(version / "encoder"))


def published_seconds(server: PredictClient, texts: Sequence[str]) -> list[float]:
    """Seconds of requests for PUBLISHED_TASKS published tasks, one figure a repetition."""
    many = [f"{texts[number % len(texts)]} {number}" for number in range(PUBLISHED_TASKS)]
    server.publish(many, 2)
    server.seconds(many)
    return [server.seconds(many) for _ in range(REPETITIONS)]
