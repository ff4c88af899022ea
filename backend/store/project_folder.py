"""The folder of a project: all records that this backend has on disk."""

import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from backend.errors import UnknownProjectError
from backend.store.applied import Checked, Errand, ErrandReport, NextUpTab, Run, Sample, Wish
from backend.store.connection import Connection, Identity, Setup, WebhookSecret
from backend.store.documents import Document, Journal
from backend.store.figures import Pause, QuestionFigures, RoundRecord, TrainingRecord
from backend.store.judging import Decision, History, StopAnswers
from backend.store.order.publications import Publications
from backend.store.selections import Draft, LLMLabel, PastePrompt, Selection
from backend.store.sync_record import SyncRecord
from model.learner.registry import Registry

_SETUP = TypeAdapter[Setup | None](Setup | None)
_CONNECTION = TypeAdapter(Connection)
_WEBHOOK_SECRET = TypeAdapter(WebhookSecret)
_PROOF = TypeAdapter(str)
_LABEL_CONFIG = TypeAdapter(str)
_IDENTITY = TypeAdapter[Identity | None](Identity | None)
_SELECTION = TypeAdapter[Selection | None](Selection | None)
_LLM_LABELS = TypeAdapter(dict[int, LLMLabel])
_DRAFTS = TypeAdapter(dict[int, Draft])
_PASTE_PROMPT = TypeAdapter[PastePrompt | None](PastePrompt | None)
_SYNC_RECORD = TypeAdapter[SyncRecord | None](SyncRecord | None)
_NAMES = TypeAdapter(list[str])
_HISTORY = TypeAdapter[History | None](History | None)
_STOP_ANSWERS = TypeAdapter[StopAnswers | None](StopAnswers | None)
_DECISION = TypeAdapter[Decision | None](Decision | None)
_ROUND = TypeAdapter(RoundRecord)
_PAUSE = TypeAdapter[Pause | None](Pause | None)
_TRAINING = TypeAdapter(TrainingRecord)
_FIGURES = TypeAdapter[QuestionFigures | None](QuestionFigures | None)
_RUNS = TypeAdapter(list[Run])
_SAMPLE = TypeAdapter[Sample | None](Sample | None)
_WISH = TypeAdapter[Wish | None](Wish | None)
_ERRAND = TypeAdapter[Errand | None](Errand | None)
_ERRAND_REPORT = TypeAdapter[ErrandReport | None](ErrandReport | None)
_CHECKED = TypeAdapter[Checked | None](Checked | None)
_NEXT_UP = TypeAdapter[NextUpTab | None](NextUpTab | None)
_QUESTIONS, _EMBEDDINGS = "questions", "embeddings"


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
        self.shared_embeddings_folder = self.path / _EMBEDDINGS
        if place:
            self.path = self.path / _QUESTIONS / str(place)
        self.versions_folder = self.path / "versions"
        self.registry = Registry(self.versions_folder)
        self.embeddings_folder = self.path / _EMBEDDINGS
        self.tasks_file = self.path / "tasks.sqlite"
        self.publications = Publications(self.path)
        self.llm_folder = self.path / "llm"

    @property
    def setup(self) -> Document[Setup | None]:
        """The last /setup request; None before the first."""
        return Document(self.path / "setup.json", _SETUP, None)

    @property
    def connection(self) -> Document[Connection]:
        """The project's connection to this backend, as Label Studio tells it; it exists while there is one."""
        return Document(self.path / "connection.json", _CONNECTION, Connection())

    @property
    def webhook_secret(self) -> Document[WebhookSecret]:
        """The secret of the project's webhook."""
        return Document(self.path / "webhook.json", _WEBHOOK_SECRET, WebhookSecret())

    @property
    def proof(self) -> Document[str]:
        """The answer to /setup by which a round recognizes this backend; empty unless a round is asking."""
        return Document(self.path / "proof.json", _PROOF, "")

    @property
    def label_config(self) -> Document[str]:
        """The labeling config of the last full round, as XML; empty before the first."""
        return Document(self.path / "labeling.json", _LABEL_CONFIG, "")

    @property
    def selection(self) -> Document[Selection | None]:
        """The last choice of an LLM or a pasted answer, or the reason why the LLM failed to choose."""
        return Document(self.path / "selection.json", _SELECTION, None)

    @property
    def llm_labels(self) -> Document[dict[int, LLMLabel]]:
        """An LLM's labels by task id: people check some of them, and others may train the classifier."""
        return Document(self.path / "llm_labels.json", _LLM_LABELS, {})

    @property
    def drafts(self) -> Document[dict[int, Draft]]:
        """An LLM's drafts of free text, by task id; nothing is trained on them."""
        return Document(self.path / "drafts.json", _DRAFTS, {})

    @property
    def llm_failure(self) -> Document[Selection | None]:
        """The last failure of an LLM to label texts or draft answers; None if the last try succeeded."""
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

    @property
    def of_project(self) -> "ProjectFolder":
        """The project's own folder, which is also that of its first question."""
        return ProjectFolder(self._model_dir, self.project_id)

    @property
    def history(self) -> Document[History | None]:
        """The question's model versions and their differences; None before the first training."""
        return Document(self.path / "history.json", _HISTORY, None)

    @property
    def stop_answers(self) -> Document[StopAnswers | None]:
        """The newest model version's answers to the stop set; None before the first training."""
        return Document(self.path / "stop_answers.json", _STOP_ANSWERS, None)

    @property
    def gate(self) -> Document[Decision | None]:
        """Whether the newest model version took the place of the one before it; None before there were two."""
        return Document(self.path / "gate.json", _DECISION, None)

    @property
    def pause(self) -> Document[Pause | None]:
        """The pause; the document exists while the project is paused and rounds neither train nor publish."""
        return Document(self.path / "pause.json", _PAUSE, None)

    @property
    def trainings(self) -> Journal[TrainingRecord]:
        """One record for each training of the question."""
        return Journal(self.path / "trainings.jsonl", _TRAINING)

    @property
    def figures(self) -> Document[QuestionFigures | None]:
        """The question's figures after the last round that changed anything; None before the first."""
        return Document(self.path / "figures.json", _FIGURES, None)

    @property
    def applied(self) -> Document[list[Run]]:
        """The runs of `apply` whose labels Label Studio has, or whose writing was begun, oldest first."""
        return Document(self.path / "applied.json", _RUNS, [])

    @property
    def sample(self) -> Document[Sample | None]:
        """Labels of `apply` that wait for people to look at a sample; None without any."""
        return Document(self.path / "sample.json", _SAMPLE, None)

    @property
    def wish(self) -> Document[Wish | None]:
        """The texts of the last search; None before the first search, and after its end."""
        return Document(self.path / "wish.json", _WISH, None)

    @property
    def errand(self) -> Document[Errand | None]:
        """The last errand that somebody asked for on the project's page; only web processes write it."""
        return Document(self.path / "errand.json", _ERRAND, None)

    @property
    def errand_report(self) -> Document[ErrandReport | None]:
        """The progress of an errand; only workers write it."""
        return Document(self.path / "errand_report.json", _ERRAND_REPORT, None)

    @property
    def checked(self) -> Document[Checked | None]:
        """The last check of a promise on the page; None before the first."""
        return Document(self.path / "checked.json", _CHECKED, None)

    @property
    def next_up(self) -> Document[NextUpTab | None]:
        """The Data Manager's tab "Next up"; None before Label Studio was asked for it."""
        return Document(self.path / "next_up.json", _NEXT_UP, None)

    def of_question(self, place: int) -> "ProjectFolder":
        """The folder of one of the project's questions; the first question has the project's own."""
        return ProjectFolder(self._model_dir, self.project_id, place) if place else self

    def of_further_questions(self) -> list["ProjectFolder"]:
        """The folders that further questions have so far, in order."""
        places = sorted(int(path.name) for path in (self.path / _QUESTIONS).glob("*") if path.name.isdecimal())
        return [self.of_question(place) for place in places]

    def exists(self) -> bool:
        """Whether the project has a folder."""
        return self.path.exists()

    def check_exists(self) -> None:
        """See that something is kept of the project.

        Raises:
            UnknownProjectError: it has no folder.
        """
        if not self.exists():
            raise UnknownProjectError(
                f"project {self.project_id} is unknown here: connect it in Label Studio → Settings → Model, "
                "or set MODEL_DIR to the folder of the backend that knows it"
            )

    def is_connected(self) -> bool:
        """Whether the project is connected to this backend, as far as the last round knows."""
        return self.connection.exists()

    def is_known(self) -> bool:
        """Whether the project is connected, or asked to be and waits for a round to find out."""
        return self.is_connected() or self.setup.exists()

    def forget(self) -> None:
        """Forget that the project is connected. Models and labels stay, for the day on which it connects again."""
        for document in self._of_connection():
            document.remove()
        with suppress(OSError):
            # A folder with other files stays.
            self.path.rmdir()

    def _of_connection(self) -> list[Document[Any]]:
        return [self.connection, self.setup, self.webhook_secret, self.proof]

    def belong_to(self, created_at: str) -> None:
        """Rename the folder if it belongs to an earlier project with the same id, from before a recreated database.

        Args:
            created_at: ISO time when Label Studio created the present project.
        """
        identity = Document[Identity | None](self.path / "identity.json", _IDENTITY, None)
        owner = identity.read()
        if owner is not None and owner.created_at != created_at:
            connection = [(document, document.read()) for document in self._of_connection() if document.exists()]
            aside = self.path.with_name(f"{self.project_id}.{re.sub(r'[^0-9]', '', owner.created_at)}")
            shutil.rmtree(aside, ignore_errors=True)
            self.path.rename(aside)
            for document, record in connection:
                document.write(record)
        if owner is None or owner.created_at != created_at:
            identity.write(Identity(created_at))


def known_projects(model_dir: Path) -> list[int]:
    """Return the ids of all projects that are connected or asked to be, in order."""
    ids = [int(path.name) for path in (model_dir / "projects").glob("*") if path.name.isdecimal()]
    return sorted(project_id for project_id in ids if ProjectFolder(model_dir, project_id).is_known())
