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

from backend.store.selections import LLMLabel, PastePrompt, Selection
from model.errors import VersionError
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


_READ_TRIES = 3
# How many tasks status says the reasons of.
SHOWN_NEXT = 10
PUBLICATION_NAME = re.compile(r"^(\d+)\.(\d+)$")


class ProjectFolder:
    """One project's folder under MODEL_DIR; every file in it is replaced whole."""

    def __init__(self, model_dir: Path, project_id: int) -> None:
        self.project_id = project_id
        self.path = model_dir / "projects" / str(project_id)

    @property
    def registry(self) -> Registry:
        """The model versions."""
        return Registry(self.path / "versions")

    @property
    def embeddings_folder(self) -> Path:
        """Embeddings of the texts, by encoder."""
        return self.path / "embeddings"

    @property
    def tasks_file(self) -> Path:
        """Its tasks and annotations as last read."""
        return self.path / "tasks.sqlite"

    @property
    def llm_folder(self) -> Path:
        """What an LLM answered, and what that cost."""
        return self.path / "llm"

    def selection(self) -> Selection | None:
        """What an LLM chose last."""
        raw = self._read("selection.json")
        return None if raw is None else Selection.from_json(raw)

    def save_selection(self, selection: Selection) -> None:
        """Remember what an LLM chose, or that it failed."""
        self._write("selection.json", selection.to_json())

    def llm_labels(self) -> dict[int, LLMLabel]:
        """What an LLM said of tasks, by their ids."""
        raw = self._read("llm_labels.json") or {}
        return {int(task_id): LLMLabel(**{**label, "labels": tuple(label["labels"])}) for task_id, label in raw.items()}

    def save_llm_labels(self, labels: Mapping[int, LLMLabel]) -> None:
        """Remember them: those that people check, and those that may train."""
        self._write("llm_labels.json", {str(task_id): asdict(label) for task_id, label in labels.items()})

    def paste_prompt(self) -> PastePrompt | None:
        """What people with a chat window and no key may paste into it."""
        raw = self._read("paste.json")
        return None if raw is None else PastePrompt.from_json(raw)

    def drop_paste_prompt(self) -> None:
        """Nobody is asked by chat window any more."""
        (self.path / "paste.json").unlink(missing_ok=True)

    def llm_failure(self) -> Selection | None:
        """Why an LLM's labels could not be had the last time they were wanted; None if they could."""
        raw = self._read("llm_failure.json")
        return None if raw is None else Selection.from_json(raw)

    def save_llm_failure(self, failure: Selection | None) -> None:
        """Remember it, or that all is well again."""
        if failure is None:
            (self.path / "llm_failure.json").unlink(missing_ok=True)
        else:
            self._write("llm_failure.json", failure.to_json())

    def save_paste_prompt(self, prompt: PastePrompt) -> None:
        """Keep a prompt for them."""
        self._write("paste.json", prompt.to_json())

    def exists(self) -> bool:
        """Whether anything is known of the project."""
        return self.path.exists()

    def connection(self) -> Connection:
        """What /setup left here; empty if it never came."""
        raw = self._read("connection.json") or {"host": "", "extra_params": {}}
        return Connection(raw["host"], raw["extra_params"])

    def save_connection(self, connection: Connection) -> None:
        """Remember what /setup said."""
        if connection != self.connection() or not self.exists():
            self._write("connection.json", asdict(connection))

    def belong_to(self, created_at: str) -> None:
        """Set what is here aside if it belonged to another project of the same id (a database made anew)."""
        known = self._read("identity.json")
        if known is not None and known["created_at"] != created_at:
            connection = self.connection()
            aside = self.path.with_name(f"{self.project_id}.{re.sub(r'[^0-9]', '', known['created_at'])}")
            shutil.rmtree(aside, ignore_errors=True)
            self.path.rename(aside)
            self._write("connection.json", asdict(connection))
        if known is None or known["created_at"] != created_at:
            self._write("identity.json", {"created_at": created_at})

    def rounds(self) -> list[dict[str, Any]]:
        """A record a finished round that trained or published, oldest first."""
        file = self.path / "rounds.jsonl"
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        return [record for line in lines if (record := _parsed(line)) is not None]

    def add_round(self, record: Mapping[str, Any]) -> None:
        """Append a finished round."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / "rounds.jsonl").open("a", encoding="utf-8") as file:
            # A line break before it too: what a killed process left half written stays a line of its own.
            file.write("\n" + json.dumps(record) + "\n")

    def synced(self) -> dict[str, Any]:
        """How Label Studio stood after the last round, to see cheaply whether anything is due."""
        return self._read("synced.json") or {}

    def save_synced(self, record: Mapping[str, Any]) -> None:
        """Remember how Label Studio stands."""
        self._write("synced.json", record)

    def started_publications(self) -> list[str]:
        """Names of every publication whose import was begun, oldest first, whatever became of it."""
        return list(self._read("publications.json") or [])

    def save_started_publications(self, names: list[str]) -> None:
        """Remember them before the first prediction is written, so that what a killed round left is found again."""
        self._write("publications.json", names)

    def publication(self) -> Publication | None:
        """The one in use."""
        for _ in range(_READ_TRIES):
            raw = self._read("published.json")
            try:
                return None if raw is None else self._read_publication(raw)
            except FileNotFoundError:
                # A worker published between the two reads and removed the arrays; the next look finds the new ones.
                continue
        raise VersionError(f"project {self.project_id}: the published order is missing from {self.path}")

    def published_name(self) -> str:
        """The model_version in use, without reading its arrays; empty before the first."""
        raw = self._read("published.json")
        return "" if raw is None else f"{raw['model']}.{raw['number']}"

    def published_labels(self) -> int:
        """How many labelled tasks the order in use knew of, without reading its arrays."""
        return int((self._read("published.json") or {}).get("labelled_tasks", 0))

    def next_tasks(self) -> list[dict[str, Any]]:
        """The first tasks of the order in use, and why each stands there, without reading its arrays."""
        return list((self._read("published.json") or {}).get("next", []))

    def save_publication(self, publication: Publication) -> None:
        """Write a publication's arrays, then make it the one in use."""
        self.path.mkdir(parents=True, exist_ok=True)
        arrays = self.path / f"order-{publication.number}.npz"
        beside = self.path / ".order.tmp.npz"
        # Uncompressed, this takes 4 ms for 10,000 tasks and 77 labels; compressed it took 100, and loading 15.
        np.savez(
            beside,
            task_ids_N=publication.task_ids_N,
            text_digests_N=publication.text_digests_N,
            proba_N_C=publication.proba_N_C,
            is_explore_N=publication.is_explore_N,
            # An array of strings gives each the room of the longest.
            reasons_json=np.frombuffer(json.dumps(publication.reasons_N).encode(), dtype=np.uint8),
        )
        beside.replace(arrays)
        self._write(
            "published.json",
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

    def _read(self, name: str) -> Any:
        try:
            return json.loads((self.path / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None

    def _write(self, name: str, value: Any) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        beside = self.path / f".{name}.tmp"
        beside.write_text(json.dumps(value), encoding="utf-8")
        beside.replace(self.path / name)


def _reasons(arrays: Mapping[str, Any]) -> tuple[str, ...]:
    """Why each task stands where it does; earlier releases wrote an array of strings."""
    if "reasons_N" in arrays:
        return tuple(arrays["reasons_N"].tolist())
    return tuple(json.loads(arrays["reasons_json"].tobytes()))


def _parsed(line: str) -> dict[str, Any] | None:
    """A record, or None for an empty or half-written line."""
    try:
        record: dict[str, Any] = json.loads(line)
    except ValueError:
        return None
    return record


def known_projects(model_dir: Path) -> list[int]:
    """Every project that has a folder."""
    names = (path.name for path in (model_dir / "projects").glob("*"))
    return sorted(int(name) for name in names if name.isdigit())
