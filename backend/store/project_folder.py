"""What is kept of a project on disk, beside Label Studio's own truth."""

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from backend.store.documents import Document, Journal
from backend.store.selections import LLMLabel, PastePrompt, Selection
from model.errors import VersionError
from model.files import replacing
from model.learner.registry import Registry
from model.types import BoolArray, FloatArray, IntArray, LabelSet


@dataclass(frozen=True)
class Connection:
    """What Label Studio said when it connected.

    Attributes:
        host: name and port under which Label Studio reaches us; tells our webhook from others.
        extra_params: the project's own settings.
    """

    host: str
    extra_params: Mapping[str, Any]


@dataclass(frozen=True)
class Identity:
    """Which of all projects that ever had its id a folder belongs to."""

    created_at: str


@dataclass(frozen=True)
class RoundRecord:
    """One round that published.

    Attributes:
        at: when it ended, in seconds since 1970.
        labels: labelled tasks that it knew of.
        model: number of the model version behind its order; 0 for none.
        publication: the name of its order.
        strategy: the query strategy that chose.
        left: tasks that still wanted labels.
        seconds: how long it took.
    """

    at: float
    labels: int
    model: int
    publication: str
    strategy: str
    left: int
    seconds: float


@dataclass(frozen=True)
class Publication:
    """One order as it was written to Label Studio; immutable.

    Attributes:
        number: 1, 2, 3 …; a number is never used twice in a project.
        model: number of the model version behind it; 0 before there is one.
        queued: how many tasks, from the first on, were written to Label Studio.
        settings_digest: of what shaped the order (labeling config and settings).
        labelled_tasks: how many tasks had labels when it was made.
        task_ids_N: every task that was ordered, first = next.
        text_digests_N: which text each had.
        proba_N_C: class probabilities; N x 0 before there is a model.
        is_explore_N: drawn at random, and published without a pre-annotation.
        reasons_N: why each task stands where it does.
        strategy: what decided.
        labels_sha256: stands for the labels that it knew of.
        is_live: made between trainings, because people had labelled more.
        selected_at: when the LLM chose what stands in front, in seconds since 1970; 0 if it had no say.
        llm_labels: labels by task id that an LLM gave, to be shown in place of a classifier's.
        blind: tasks that are published without a pre-annotation, besides those drawn at random: an LLM's label of
            theirs is checked.
    """

    number: int
    model: int
    queued: int
    settings_digest: str
    labelled_tasks: int
    label_set: LabelSet
    task_ids_N: IntArray
    text_digests_N: IntArray
    proba_N_C: FloatArray
    is_explore_N: BoolArray
    reasons_N: tuple[str, ...]
    strategy: str = ""
    labels_sha256: str = ""
    is_live: bool = False
    selected_at: float = 0.0
    llm_labels: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    blind: frozenset[int] = frozenset()

    @property
    def name(self) -> str:
        """Its model_version in Label Studio: `<model>.<publication>`."""
        return f"{self.model}.{self.number}"

    @cached_property
    def places(self) -> dict[int, int]:
        """Place in the order by task id."""
        return {task_id: place for place, task_id in enumerate(self.task_ids_N.tolist())}


_CONNECTION = TypeAdapter(Connection)
_IDENTITY = TypeAdapter[Identity | None](Identity | None)
_SELECTION = TypeAdapter[Selection | None](Selection | None)
_LLM_LABELS = TypeAdapter(dict[int, LLMLabel])
_PASTE_PROMPT = TypeAdapter[PastePrompt | None](PastePrompt | None)
_SYNCED = TypeAdapter(dict[str, Any])
_HEAD = TypeAdapter[dict[str, Any] | None](dict[str, Any] | None)
_NAMES = TypeAdapter(list[str])
_ROUND = TypeAdapter(RoundRecord)
_READ_TRIES = 3
# How many tasks status says the reasons of.
SHOWN_NEXT = 10
PUBLICATION_NAME = re.compile(r"^(\d+)\.(\d+)$")


class ProjectFolder:
    """One project's folder under MODEL_DIR: every record of it, by name."""

    def __init__(self, model_dir: Path, project_id: int) -> None:
        self.project_id = project_id
        self.path = model_dir / "projects" / str(project_id)
        self.registry = Registry(self.path / "versions")
        self.embeddings_folder = self.path / "embeddings"
        self.tasks_file = self.path / "tasks.sqlite"
        self.llm_folder = self.path / "llm"

    @property
    def connection(self) -> Document[Connection]:
        """What /setup said; empty if it never came."""
        return Document(self.path / "connection.json", _CONNECTION, Connection("", {}))

    @property
    def selection(self) -> Document[Selection | None]:
        """What an LLM, or a person with a chat window, chose last, or why nothing was chosen."""
        return Document(self.path / "selection.json", _SELECTION, None)

    @property
    def llm_labels(self) -> Document[dict[int, LLMLabel]]:
        """An LLM's labels by task id: those that people check, and those that may train."""
        return Document(self.path / "llm_labels.json", _LLM_LABELS, {})

    @property
    def llm_failure(self) -> Document[Selection | None]:
        """Why an LLM gave no labels when they were wanted last; None if it gave them."""
        return Document(self.path / "llm_failure.json", _SELECTION, None)

    @property
    def paste_prompt(self) -> Document[PastePrompt | None]:
        """The prompt for people with a chat window and no API key."""
        return Document(self.path / "paste.json", _PASTE_PROMPT, None)

    @property
    def synced(self) -> Document[dict[str, Any]]:
        """How Label Studio stood after the last round; empty before the first."""
        return Document(self.path / "synced.json", _SYNCED, {})

    @property
    def started_publications(self) -> Document[list[str]]:
        """Names of every publication whose import was begun, oldest first, whatever became of it.

        A name is written before the first prediction is, so that a later round finds what a killed one left.
        """
        return Document(self.path / "publications.json", _NAMES, [])

    @property
    def rounds(self) -> Journal[RoundRecord]:
        """One record for every round that published."""
        return Journal(self.path / "rounds.jsonl", _ROUND)

    def exists(self) -> bool:
        """Whether anything is known of the project."""
        return self.path.exists()

    def belong_to(self, created_at: str) -> None:
        """Set the folder aside if it belongs to an earlier project with the same id (the database was made anew).

        Args:
            created_at: when Label Studio created the project; tells one project from another with its id.
        """
        identity = Document[Identity | None](self.path / "identity.json", _IDENTITY, None)
        known = identity.read()
        if known is not None and known.created_at != created_at:
            connection = self.connection.read()
            aside = self.path.with_name(f"{self.project_id}.{re.sub(r'[^0-9]', '', known.created_at)}")
            shutil.rmtree(aside, ignore_errors=True)
            self.path.rename(aside)
            self.connection.write(connection)
        if known is None or known.created_at != created_at:
            identity.write(Identity(created_at))

    def publication(self) -> Publication | None:
        """The one in use."""
        for _ in range(_READ_TRIES):
            raw = self._head.read()
            try:
                return None if raw is None else self._read_publication(raw)
            except FileNotFoundError:
                # A worker published between the two reads and removed the arrays; the next look finds the new ones.
                continue
        raise VersionError(f"project {self.project_id}: the published order is missing from {self.path}")

    def published_name(self) -> str:
        """The model_version in use, without reading its arrays; empty before the first."""
        raw = self._head.read()
        return "" if raw is None else f"{raw['model']}.{raw['number']}"

    def published_labels(self) -> int:
        """How many labelled tasks the order in use knew of, without reading its arrays."""
        return int((self._head.read() or {}).get("labelled_tasks", 0))

    def next_tasks(self) -> list[dict[str, Any]]:
        """The first tasks of the order in use, and why each stands there, without reading its arrays."""
        return list((self._head.read() or {}).get("next", []))

    def save_publication(self, publication: Publication) -> None:
        """Write a publication's arrays, then make it the one in use."""
        arrays = self.path / f"order-{publication.number}.npz"
        # Uncompressed, this takes 4 ms for 10,000 tasks and 77 labels; compressed it took 100, and loading 15.
        with replacing(arrays) as beside, beside.open("wb") as file:
            np.savez(
                file,
                task_ids_N=publication.task_ids_N,
                text_digests_N=publication.text_digests_N,
                proba_N_C=publication.proba_N_C,
                is_explore_N=publication.is_explore_N,
                # An array of strings gives each the room of the longest.
                reasons_json=np.frombuffer(json.dumps(publication.reasons_N).encode(), dtype=np.uint8),
            )
        self._head.write(
            {
                "number": publication.number,
                "model": publication.model,
                "queued": publication.queued,
                "settings_digest": publication.settings_digest,
                "labelled_tasks": publication.labelled_tasks,
                "label_set": asdict(publication.label_set),
                "strategy": publication.strategy,
                "labels_sha256": publication.labels_sha256,
                "is_live": publication.is_live,
                "selected_at": publication.selected_at,
                "llm_labels": [[task_id, list(labels)] for task_id, labels in publication.llm_labels.items()],
                "blind": sorted(publication.blind),
                "next": [
                    {"task": task_id, "reason": reason}
                    for task_id, reason in zip(
                        publication.task_ids_N[:SHOWN_NEXT].tolist(), publication.reasons_N, strict=False
                    )
                ],
            },
        )
        for old in self.path.glob("order-*.npz"):
            if old != arrays:
                old.unlink(missing_ok=True)

    def _read_publication(self, raw: Mapping[str, Any]) -> Publication:
        with np.load(self.path / f"order-{raw['number']}.npz") as arrays:
            return Publication(
                number=raw["number"],
                model=raw["model"],
                queued=raw["queued"],
                settings_digest=raw["settings_digest"],
                labelled_tasks=raw["labelled_tasks"],
                label_set=LabelSet(tuple(raw["label_set"]["labels"]), raw["label_set"]["is_multilabel"]),
                task_ids_N=arrays["task_ids_N"],
                text_digests_N=arrays["text_digests_N"],
                proba_N_C=arrays["proba_N_C"],
                is_explore_N=arrays["is_explore_N"],
                reasons_N=_reasons(arrays),
                # What was published before an LLM had any part in it says nothing of one.
                strategy=raw.get("strategy", ""),
                labels_sha256=raw.get("labels_sha256", ""),
                is_live=raw.get("is_live", False),
                selected_at=raw.get("selected_at", 0.0),
                llm_labels={task_id: tuple(labels) for task_id, labels in raw.get("llm_labels", [])},
                blind=frozenset(raw.get("blind", [])),
            )

    @property
    def _head(self) -> Document[dict[str, Any] | None]:
        return Document(self.path / "published.json", _HEAD, None)


def _reasons(arrays: Mapping[str, Any]) -> tuple[str, ...]:
    """Why each task stands where it does; earlier releases wrote an array of strings."""
    if "reasons_N" in arrays:
        return tuple(arrays["reasons_N"].tolist())
    return tuple(json.loads(arrays["reasons_json"].tobytes()))


def known_projects(model_dir: Path) -> list[int]:
    """Every project that has a folder."""
    names = (path.name for path in (model_dir / "projects").glob("*"))
    return sorted(int(name) for name in names if name.isdigit())
