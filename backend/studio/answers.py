"""The forms of Label Studio's answers: the fields that we read, checked before anything uses them."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, TypeAdapter


class Owner(BaseModel):
    """The owner of the API key."""

    email: str


class AccessToken(BaseModel):
    """The answer to a personal access token."""

    access: str


class ProjectAnswer(BaseModel):
    """A project's fields and counts; Label Studio may leave out or empty all but the id."""

    id: int
    title: str | None = None
    description: str | None = None
    label_config: str | None = None
    created_at: datetime | None = None
    model_version: str | None = None
    sampling: str | None = None
    task_number: int | None = None
    finished_task_number: int | None = None
    num_tasks_with_annotations: int | None = None
    total_annotations_number: int | None = None


class Identified(BaseModel):
    """Anything that has an id."""

    id: int


class ProjectPage(BaseModel):
    """A page of the list of projects."""

    results: list[Identified]
    next: str | None = None


class TaskPage(BaseModel):
    """A page of the task list; `contract` reads its tasks."""

    tasks: list[dict[str, Any]]
    total: int


class StoredPrediction(BaseModel):
    """A prediction that Label Studio holds."""

    id: int
    task: int | None = None
    model_version: str | None = None


class Imported(BaseModel):
    """The result of a bulk import."""

    created: int


class Webhook(BaseModel):
    """A webhook of a project."""

    id: int
    url: str
    is_active: bool = True
    headers: dict[str, str] | None = None


class MLBackendAnswer(BaseModel):
    """An ML backend of a project."""

    id: int
    url: str
    state: str | None = None
    readable_state: str | None = None
    error_message: str | None = None
    extra_params: Any = None
    model_version: str | None = None


class LiveBackends(BaseModel):
    """A project's ML backends, listed without a call to any of them."""

    live: list[MLBackendAnswer] | None


class Tab(BaseModel):
    """A tab of a project's Data Manager."""

    id: int
    data: dict[str, Any] | None = None

    @property
    def title(self) -> str:
        """The title that people read on the tab; empty without one."""
        return str((self.data or {}).get("title", ""))


class Column(BaseModel):
    """A column that a project's Data Manager can show."""

    id: str
    target: str = "tasks"
    parent: str | None = None
    visibility_defaults: dict[str, bool] = {}

    @property
    def path(self) -> str:
        """Its name in a tab."""
        return f"{self.target}:{f'{self.parent}.' if self.parent else ''}{self.id}"


class Columns(BaseModel):
    """The columns of a project's Data Manager."""

    columns: list[Column]


OWNER = TypeAdapter(Owner)
ACCESS_TOKEN = TypeAdapter(AccessToken)
IDENTIFIED = TypeAdapter(Identified)
PROJECT = TypeAdapter(ProjectAnswer)
PROJECT_PAGE = TypeAdapter(ProjectPage)
TASK_PAGE = TypeAdapter(TaskPage)
EXPORT = TypeAdapter(list[dict[str, Any]])
PREDICTIONS = TypeAdapter(list[StoredPrediction])
IMPORTED = TypeAdapter(Imported)
DELETED = TypeAdapter(dict[str, Any])
VERSION_COUNTS = TypeAdapter(dict[str, int])
WEBHOOKS = TypeAdapter(list[Webhook])
ML_BACKENDS = TypeAdapter(list[MLBackendAnswer])
LIVE_BACKENDS = TypeAdapter(LiveBackends)
TABS = TypeAdapter(list[Tab])
COLUMNS = TypeAdapter(Columns)
