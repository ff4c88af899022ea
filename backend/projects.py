"""What is kept of a project on disk, beside Label Studio's own truth."""

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from model.errors import VersionError
from model.registry import Registry
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

    @property
    def name(self) -> str:
        """Its model_version in Label Studio: `<model>.<publication>`."""
        return f"{self.model}.{self.number}"

    @cached_property
    def places(self) -> dict[int, int]:
        """Place in the order by task id."""
        return {task_id: place for place, task_id in enumerate(self.task_ids_N.tolist())}


_READ_TRIES = 3
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
    def embeddings_file(self) -> Path:
        """Embeddings of the pool under the untrained encoder."""
        return self.path / "embeddings.npz"

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

    def save_publication(self, publication: Publication) -> None:
        """Write a publication's arrays, then make it the one in use."""
        self.path.mkdir(parents=True, exist_ok=True)
        arrays = self.path / f"order-{publication.number}.npz"
        beside = self.path / ".order.tmp.npz"
        np.savez_compressed(
            beside,
            task_ids_N=publication.task_ids_N,
            text_digests_N=publication.text_digests_N,
            proba_N_C=publication.proba_N_C,
            is_explore_N=publication.is_explore_N,
            reasons_N=np.array(publication.reasons_N, dtype=np.str_),
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
                reasons_N=tuple(arrays["reasons_N"].tolist()),
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
