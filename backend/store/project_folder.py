"""What is kept of a project on disk, beside Label Studio's own truth."""

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


_CONNECTION = TypeAdapter(Connection)
_IDENTITY = TypeAdapter[Identity | None](Identity | None)
_SELECTION = TypeAdapter[Selection | None](Selection | None)
_LLM_LABELS = TypeAdapter(dict[int, LLMLabel])
_PASTE_PROMPT = TypeAdapter[PastePrompt | None](PastePrompt | None)
_SYNC_RECORD = TypeAdapter[SyncRecord | None](SyncRecord | None)
_NAMES = TypeAdapter(list[str])
_ROUND = TypeAdapter(RoundRecord)
PUBLICATION_NAME = re.compile(r"^(\d+)\.(\d+)$")


class ProjectFolder:
    """One project's folder under MODEL_DIR: every record of it, by name."""

    def __init__(self, model_dir: Path, project_id: int) -> None:
        self.project_id = project_id
        self.path = model_dir / "projects" / str(project_id)
        self.registry = Registry(self.path / "versions")
        self.embeddings_folder = self.path / "embeddings"
        self.tasks_file = self.path / "tasks.sqlite"
        self.publications = Publications(self.path)
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
    def sync_record(self) -> Document[SyncRecord | None]:
        """How the project stood after its last round; None before the first."""
        return Document(self.path / "synced.json", _SYNC_RECORD, None)

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


def known_projects(model_dir: Path) -> list[int]:
    """Every project that has a folder."""
    names = (path.name for path in (model_dir / "projects").glob("*"))
    return sorted(int(name) for name in names if name.isdigit())
