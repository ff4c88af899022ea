"""The folder of a project: all records that this backend has on disk."""

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from backend.store.documents import Document, Journal
from backend.store.publications import Publications
from backend.store.selections import LLMLabel, PastePrompt, Selection
from backend.store.sync_record import SyncRecord
from model.learner.registry import Registry


@dataclass(frozen=True)
class Connection:
    """The last /setup request of Label Studio.

    Attributes:
        host: name and port of this backend as Label Studio reaches it; identifies our webhook.
        extra_params: the project's own settings, by key.
    """

    host: str
    extra_params: Mapping[str, Any]


@dataclass(frozen=True)
class Identity:
    """The project that a folder belongs to. Projects of a recreated database may have had the same id.

    Attributes:
        created_at: ISO time when Label Studio created the project.
    """

    created_at: str


@dataclass(frozen=True)
class RoundRecord:
    """A round that published an order.

    Attributes:
        at: end of the round, in seconds since 1970.
        labels: number of labelled tasks.
        model: number of the model version that made the order; 0 without a model version.
        publication: name of the order.
        strategy: the query strategy.
        left: number of tasks that needed an annotation.
        seconds: duration of the round.
    """

    at: float
    labels: int
    model: int
    publication: str
    strategy: str
    left: int
    seconds: float


NOT_CONNECTED = Connection("", {})

_CONNECTION = TypeAdapter(Connection)
_IDENTITY = TypeAdapter[Identity | None](Identity | None)
_SELECTION = TypeAdapter[Selection | None](Selection | None)
_LLM_LABELS = TypeAdapter(dict[int, LLMLabel])
_PASTE_PROMPT = TypeAdapter[PastePrompt | None](PastePrompt | None)
_SYNC_RECORD = TypeAdapter[SyncRecord | None](SyncRecord | None)
_NAMES = TypeAdapter(list[str])
_ROUND = TypeAdapter(RoundRecord)
_QUESTIONS = "questions"
PUBLICATION_NAME = re.compile(r"^(\d+)\.(\d+)$")


class ProjectFolder:
    """The folder of one project under MODEL_DIR, with one property for each record.

    Each further question of a project has a folder of its own inside, for its model versions and embeddings.
    """

    def __init__(self, model_dir: Path, project_id: int, place: int = 0) -> None:
        """Name the folder; nothing is created.

        Args:
            model_dir: MODEL_DIR.
            project_id: the project.
            place: place of the question among the project's; the first question has the project's own folder.
        """
        self.project_id = project_id
        self._model_dir = model_dir
        self.path = model_dir / "projects" / str(project_id)
        if place:
            self.path = self.path / _QUESTIONS / str(place)
        self.versions_folder = self.path / "versions"
        self.registry = Registry(self.versions_folder)
        self.embeddings_folder = self.path / "embeddings"
        self.tasks_file = self.path / "tasks.sqlite"
        self.publications = Publications(self.path)
        self.llm_folder = self.path / "llm"

    @property
    def connection(self) -> Document[Connection]:
        """The last /setup request; empty before the first."""
        return Document(self.path / "connection.json", _CONNECTION, NOT_CONNECTED)

    @property
    def selection(self) -> Document[Selection | None]:
        """The last choice of an LLM or a pasted answer, or the reason why the LLM failed to choose."""
        return Document(self.path / "selection.json", _SELECTION, None)

    @property
    def llm_labels(self) -> Document[dict[int, LLMLabel]]:
        """An LLM's labels by task id: people check some of them, and others may train the classifier."""
        return Document(self.path / "llm_labels.json", _LLM_LABELS, {})

    @property
    def llm_failure(self) -> Document[Selection | None]:
        """The last failure of an LLM to label texts; None if the last try succeeded."""
        return Document(self.path / "llm_failure.json", _SELECTION, None)

    @property
    def paste_prompt(self) -> Document[PastePrompt | None]:
        """The prompt that people paste into a chat window; None before the first."""
        return Document(self.path / "paste.json", _PASTE_PROMPT, None)

    @property
    def sync_record(self) -> Document[SyncRecord | None]:
        """The state of the project after its last full round; None before the first."""
        return Document(self.path / "synced.json", _SYNC_RECORD, None)

    @property
    def started_publications(self) -> Document[list[str]]:
        """Names of all publications whose import was started, oldest first.

        A name is written before the first prediction, so that a later round finds the predictions of a killed round.
        """
        return Document(self.path / "publications.json", _NAMES, [])

    @property
    def rounds(self) -> Journal[RoundRecord]:
        """One record for each round that published an order."""
        return Journal(self.path / "rounds.jsonl", _ROUND)

    def of_question(self, place: int) -> "ProjectFolder":
        """The folder of one of the project's questions; the first question has the project's own."""
        return ProjectFolder(self._model_dir, self.project_id, place) if place else self

    def of_further_questions(self) -> list["ProjectFolder"]:
        """The folders that further questions have so far, in order."""
        places = sorted(int(path.name) for path in (self.path / _QUESTIONS).glob("*") if path.name.isdigit())
        return [self.of_question(place) for place in places]

    def exists(self) -> bool:
        """Whether the project has a folder."""
        return self.path.exists()

    def belong_to(self, created_at: str) -> None:
        """Rename the folder if it belongs to an earlier project with the same id, from before a recreated database.

        Args:
            created_at: ISO time when Label Studio created the present project.
        """
        identity = Document[Identity | None](self.path / "identity.json", _IDENTITY, None)
        owner = identity.read()
        if owner is not None and owner.created_at != created_at:
            connection = self.connection.read()
            aside = self.path.with_name(f"{self.project_id}.{re.sub(r'[^0-9]', '', owner.created_at)}")
            shutil.rmtree(aside, ignore_errors=True)
            self.path.rename(aside)
            self.connection.write(connection)
        if owner is None or owner.created_at != created_at:
            identity.write(Identity(created_at))


def known_projects(model_dir: Path) -> list[int]:
    """Return the ids of all projects that have a folder, in order."""
    names = (path.name for path in (model_dir / "projects").glob("*"))
    return sorted(int(name) for name in names if name.isdigit())
