"""Fakes of Label Studio, of the queue of rounds and of a turn, and a random encoder of 16 dimensions."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import BertConfig, BertModel, BertTokenizerFast

from backend.errors import PublicationError, TurnLostError
from backend.rounds.context import RoundContext
from backend.rounds.order import RANDOM_SAMPLE
from backend.settings import Settings
from backend.store.order.head import Publication
from backend.store.order.table import Places
from backend.store.project_folder import ProjectFolder
from backend.store.sync_record import Facts, SyncRecord
from backend.studio.answers import Column, Tab
from backend.studio.client import SAMPLING
from backend.studio.config.kinds import read_tasks
from backend.studio.records import MLBackend, Project
from backend.studio.results import NO_RESULT
from backend.work.classifiers import Classifiers
from backend.work.requests import Requested
from backend.work.states import IDLE, RoundState
from model.learner.training import do_not_stop
from model.links import ONE_OF
from model.progress import Progress
from model.tasks.classification.llm import Checks
from model.tasks.task import Task
from model.text_digests import text_digests
from model.types import LabelSet, ResultItem

PRAISE = ("good", "fine", "great", "lovely")
BLAME = ("bad", "poor", "awful", "dull")
NEUTRAL = ("film", "plot", "cast", "the", "a")
SENTIMENT = LabelSet(("neg", "pos"), is_multilabel=False)


def tiny_encoder(folder: Path, layers: int = 1) -> str:
    """Write a small BERT that knows 13 words and tells praise from blame and plots from films; use it as BERT_MODEL."""
    folder.mkdir(parents=True, exist_ok=True)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *PRAISE, *BLAME, *NEUTRAL]
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    size = {"hidden_size": 16, "num_hidden_layers": layers, "num_attention_heads": 2, "intermediate_size": 32}
    torch.manual_seed(0)
    encoder = BertModel(BertConfig(vocab_size=len(words), max_position_embeddings=32, **size), add_pooling_layer=False)
    meanings = encoder.get_input_embeddings().weight.data
    for row, word in enumerate(words):
        meanings[row, 0] += (word in PRAISE) - (word in BLAME)
        meanings[row, 1] += (word == "film") - (word == "plot")
    encoder.save_pretrained(folder)
    return str(folder)


def labeling_config(*labels: str, choice: str = "single") -> str:
    """A labeling config with one text and one question."""
    choices = "".join(f'<Choice value="{label}"/>' for label in labels or SENTIMENT.labels)
    question = f'<Choices name="sentiment" toName="text" choice="{choice}">{choices}</Choices>'
    return f'<View><Text name="text" value="$text"/>{question}</View>'


def a_project(**different: Any) -> Project:
    """A project with ten tasks that nobody has labelled."""
    project = Project(
        project_id=1,
        created_at="2026-01-01T00:00:00+00:00",
        title="Films",
        label_config=labeling_config(),
        model_version="",
        sampling="Sequential sampling",
        tasks=10,
        labelled_tasks=0,
        annotations=0,
    )
    return replace(project, **different)


def the_task(label_config: str) -> Task:
    """The only question of a labeling config."""
    (task,) = read_tasks(label_config)
    return task


def chosen(*labels: str, control: str = "sentiment") -> tuple[ResultItem, ...]:
    """The result of an annotation that chooses labels."""
    return (ResultItem(control, "choices", {"choices": list(labels)}),)


(POS,) = the_task(labeling_config()).results(ONE_OF.answers(np.array([[0.25, 0.75]])))


def a_publication(size: int = 4, **different: Any) -> Publication:
    """The head of an order of so many tasks."""
    publication = Publication(
        number=7,
        model=3,
        queued=size,
        size=size,
        settings_digest="",
        labelled_tasks=0,
        label_set=SENTIMENT,
    )
    return replace(publication, **different)


def some_places(size: int = 4, **different: Any) -> Places:
    """Tasks 10, 11 … in that order with the texts "text 10" …, all said to be "pos" with 0.75; the last is random."""
    task_ids_N = np.arange(10, 10 + size)
    places = Places(
        task_ids_N=task_ids_N,
        text_digests_N=text_digests(f"text {id_}" for id_ in task_ids_N),
        reasons_N=(*["margin: score 0.50, place 1"] * (size - 1), RANDOM_SAMPLE)[:size],
        results_N=(*[POS] * (size - 1), NO_RESULT)[:size],
    )
    return replace(places, **different)


def write_publication(
    folder: ProjectFolder, size: int = 4, places: Places | None = None, **different: Any
) -> Publication:
    """Make an order the one in use, without a Label Studio."""
    return folder.publications.write(a_publication(size, **different), places or some_places(size))


class FakeLabelStudio:
    """Keeps one project's predictions in memory; `calls` lists the calls that changed something, in order."""

    def __init__(self, project: Project | None = None, stored: Mapping[str, int] | None = None) -> None:
        self.calls: list[str] = []
        self.current = project or a_project()
        self.is_failing = False
        self.extra_params: dict[str, Any] = {}
        self.listed = [MLBackend(5, "http://backend:9090")]
        # Which of the listed ML backends this backend is: it answers with its proof when Label Studio calls it.
        self.reaches_us = {5}
        self.has_webhook = True
        self.webhook_headers: dict[str, str] = {}
        self.shown_tabs: list[Tab] = []
        self.folder: ProjectFolder | None = None
        self._next_id = 1
        self.predictions: dict[int, dict[str, Any]] = {}
        for version, count in (stored or {}).items():
            self._store([{"model_version": version, "task": task} for task in range(count)])

    def _store(self, predictions: Iterable[Mapping[str, Any]]) -> None:
        for prediction in predictions:
            self.predictions[self._next_id] = dict(prediction)
            self._next_id += 1

    def project(self, project_id: int) -> Project:
        return self.current

    def ml_backends(self, project_id: int) -> list[MLBackend]:
        return [replace(one, extra_params=self.extra_params) for one in self.listed]

    def call_backends(self, project_id: int) -> list[MLBackend]:
        proof = self.folder.proof.read() if self.folder else ""
        return [
            replace(one, is_reached=True, model_version=proof) if one.backend_id in self.reaches_us else one
            for one in self.ml_backends(project_id)
        ]

    def set_webhook_headers(self, project_id: int, is_ours: Callable[[str], bool], headers: Mapping[str, str]) -> bool:
        if self.has_webhook:
            self.webhook_headers = dict(headers)
        return self.has_webhook

    def import_predictions(
        self, project_id: int, predictions: Sequence[Mapping[str, Any]], on_progress: Progress
    ) -> None:
        self.calls.append(f"import {len(predictions)}")
        if self.is_failing:
            self._store(predictions[:1])
            raise PublicationError("stored 1")
        self._store(predictions)
        on_progress(len(predictions), len(predictions))

    def tabs(self, project_id: int) -> list[Tab]:
        return list(self.shown_tabs)

    def columns(self, project_id: int) -> list[Column]:
        return [
            Column(id="text", parent="data", visibility_defaults={"explore": True, "labeling": True}),
            Column(id="id", visibility_defaults={"explore": True, "labeling": False}),
            Column(id="completed_at", visibility_defaults={"explore": True, "labeling": False}),
            Column(id="predictions_score", visibility_defaults={"explore": False, "labeling": False}),
        ]

    def make_tab(self, project_id: int, data: Mapping[str, Any]) -> int:
        self.shown_tabs.append(Tab(id=100 + len(self.shown_tabs), data=dict(data)))
        return self.shown_tabs[-1].id

    def use_model_version(self, project_id: int, model_version: str) -> None:
        self.calls.append(f"use {model_version}")
        self.current = replace(self.current, model_version=model_version, sampling=SAMPLING)

    def prediction_counts(self, project_id: int) -> dict[str, int]:
        return dict(Counter(prediction["model_version"] for prediction in self.predictions.values()))

    def prediction_ids(self, project_id: int, model_versions: Collection[str]) -> list[int]:
        return [id_ for id_, raw in self.predictions.items() if raw["model_version"] in model_versions]

    def predicted_tasks(self, project_id: int, model_version: str) -> set[int]:
        return {raw["task"] for raw in self.predictions.values() if raw["model_version"] == model_version}

    def delete_predictions(self, project_id: int, model_version: str) -> None:
        self.calls.append(f"delete {model_version}")
        for id_ in self.prediction_ids(project_id, [model_version]):
            del self.predictions[id_]

    def delete_prediction(self, prediction_id: int) -> None:
        self.calls.append("delete")
        self.predictions.pop(prediction_id, None)


class FakeRounds:
    """Remembers requests; a test sets the state."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.named: list[tuple[set[int], bool]] = []
        self.later: list[tuple[int, float]] = []
        self.forgotten: list[int] = []
        # Projects whose errand waits or runs.
        self.errands: set[int] = set()
        self.current = RoundState(IDLE, {}, "", "")
        # While a round runs, a request is scored on one core; tests should take no more.
        self.is_running = True
        self.workers_alive = 1

    def living_workers(self) -> int:
        return self.workers_alive

    def request(
        self,
        project_id: int,
        *,
        changes: int = 0,
        train: bool = False,
        task_ids: Collection[int] = (),
        are_all_named: bool = True,
    ) -> str:
        self.named.append((set(task_ids), are_all_named))
        self.requests.append({"project": project_id, "changes": changes, "train": train})
        return f"round-{project_id}"

    def request_later(self, project_id: int, delay_s: float) -> None:
        self.later.append((project_id, delay_s))

    def forget(self, project_id: int) -> None:
        self.forgotten.append(project_id)

    def request_errand(self, project_id: int) -> bool:
        is_new = not self.has_errand(project_id)
        self.errands.add(project_id)
        return is_new

    def has_errand(self, project_id: int) -> bool:
        return project_id in self.errands

    def drop_errand(self, project_id: int) -> None:
        self.errands.discard(project_id)

    def state(self, project_id: int) -> RoundState:
        return self.current

    def length(self) -> int:
        return len(self.requests)

    def anybody_waits(self) -> bool:
        return self.length() > 0

    def anybody_runs(self) -> bool:
        return self.is_running

    def ping(self) -> None:
        """Do nothing: Redis always answers."""


class FakeTurn:
    """A turn without Redis: it keeps what a round reports in lists."""

    def __init__(self, project_id: int = 1, changes: int = 0, asked_to_train: bool = False) -> None:
        self.project_id = project_id
        self.deaths = 0
        self.requested = Requested(changes, asked_to_train)
        self.again_in_s: float | None = None
        self.has_lost = False
        self.steps: list[str] = []
        self.done: list[tuple[int, int]] = []
        self.returns_in: list[float] = []
        self.ended: list[tuple[str, str]] = []
        self.is_honoured: bool | None = None
        self.switches_back = True

    def take(self) -> bool:
        return True

    def is_lost(self) -> bool:
        return self.has_lost

    def check(self) -> None:
        if self.has_lost:
            raise TurnLostError("another worker runs a round of the project now")

    def step(self, name: str) -> None:
        self.steps.append(name)

    def progress(self, done: int, total: int, loss: float | None = None) -> None:
        self.done.append((done, total))

    def come_back(self, delay_s: float) -> None:
        self.returns_in.append(delay_s)
        self.again_in_s = min(self.returns_in)

    def may_switch(self) -> bool:
        return self.switches_back

    def next_delay_s(self) -> int:
        return 5

    def end(self, error: str = "", code: str = "", *, is_honoured: bool | None = None) -> None:
        self.ended.append((error, code))
        self.is_honoured = not error if is_honoured is None else is_honoured


def a_context(
    settings: Settings,
    client: Any = None,
    turn: Any = None,
    classifiers: Classifiers | None = None,
    should_stop: Callable[[], bool] = do_not_stop,
    queue: Any = None,
) -> RoundContext:
    """A round of project 1, by default with nobody outside."""
    folder = ProjectFolder(settings.model_dir, 1)
    client, turn, queue = client or FakeLabelStudio(), turn or FakeTurn(), queue or FakeRounds()
    if isinstance(client, FakeLabelStudio):
        client.folder = folder
    return RoundContext(settings, folder, client, queue, turn, classifiers or Classifiers(1), should_stop)


def a_sync_record(**different: Any) -> SyncRecord:
    """A project with 12 labels and 30 texts to label, at rest."""
    facts = Facts(
        labels=12,
        waiting=30,
        can_teach=True,
        trained_labels=None,
        is_outdated=False,
        changed_labels=0,
        retrain_every=16,
        query_size=32,
        order=None,
    )
    record = SyncRecord(
        identity=(),
        annotations=12,
        facts=facts,
        labels=12,
        left=30,
        has_llm_a_say=True,
        failure=None,
        llm_checks=Checks(),
        names=None,
    )
    return replace(record, **different)
