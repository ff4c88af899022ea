"""Label Studio's JSON ↔ frozen records; the only place that reads raw payloads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backend.errors import InvalidRequestError
from backend.settings import parse_extra_params
from model.types import Annotation

START_TRAINING = "START_TRAINING"
PROJECT_UPDATED = "PROJECT_UPDATED"
# Label Studio's real event names. ANNOTATION_DELETED, which label-studio-ml listens for, never comes.
LABEL_EVENTS = frozenset({"ANNOTATION_CREATED", "ANNOTATIONS_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_DELETED"})
TASK_EVENTS = frozenset({"TASKS_CREATED", "TASKS_DELETED"})

# Scores of a task that was never ranked: behind everything that was.
LAST_SCORE = 1.0


@dataclass(frozen=True)
class Project:
    """A Label Studio project, as far as a round needs it.

    Attributes:
        created_at: tells a project from another that got the same id after Label Studio's database was made anew.
        labelled_tasks: tasks with at least one annotation that is not skipped.
        annotations: annotations that are not skipped.
    """

    project_id: int
    created_at: str
    title: str
    label_config: str
    model_version: str
    sampling: str
    tasks: int
    labelled_tasks: int
    annotations: int
    description: str = ""


@dataclass(frozen=True)
class Task:
    """A task's data and where it stands.

    Attributes:
        is_done: nobody needs to label it any more.
    """

    task_id: int
    data: Mapping[str, Any]
    is_done: bool = False
    is_skipped: bool = False


@dataclass(frozen=True)
class AnnotatedTask:
    """An exported task: its data and the choices that people made with one control."""

    task_id: int
    data: Mapping[str, Any]
    annotations: tuple[Annotation, ...]


@dataclass(frozen=True)
class Event:
    """A webhook: something changed.

    Attributes:
        changes: how many annotations or tasks it is about.
    """

    action: str
    project_id: int
    changes: int = 1

    @property
    def asks_for_training(self) -> bool:
        """Somebody pressed Start Training."""
        return self.action == START_TRAINING

    @property
    def concerns_us(self) -> bool:
        """Labels, tasks or the project changed, or somebody wants a training."""
        return self.asks_for_training or self.action in LABEL_EVENTS | TASK_EVENTS | {PROJECT_UPDATED}


@dataclass(frozen=True)
class SetupRequest:
    """A project connects, or looks whether we are still there."""

    project_id: int
    label_config: str
    extra_params: Mapping[str, Any]


@dataclass(frozen=True)
class PredictRequest:
    """Label Studio asks what we think of some tasks."""

    project_id: int
    label_config: str
    tasks: tuple[Task, ...]


def parse_event(raw: Any) -> Event:
    """Read a webhook's body.

    Raises:
        InvalidRequestError: it has no action or no project.
    """
    body = _object(raw, "the body")
    action = body.get("action")
    if not isinstance(action, str) or not action:
        raise InvalidRequestError("a webhook needs the key 'action', the name of an event such as ANNOTATION_CREATED")
    return Event(
        action=action,
        project_id=parse_project_id(body.get("project")),
        changes=_count(body),
    )


def _count(body: Mapping[str, Any]) -> int:
    """Bulk events carry lists; single ones one object."""
    lists = [body[key] for key in ("annotations", "annotation", "tasks") if isinstance(body.get(key), list)]
    return max([1, *(len(items) for items in lists)])


def parse_setup(raw: Any) -> SetupRequest:
    """Read the body of /setup.

    Raises:
        InvalidRequestError: it has no project.
        ConfigurationError: the extra params are not an object.
    """
    body = _object(raw, "the body")
    return SetupRequest(
        project_id=parse_project_id(body.get("project")),
        label_config=_text(body, "schema"),
        extra_params=parse_extra_params(body.get("extra_params")),
    )


def parse_predict(raw: Any) -> PredictRequest:
    """Read the body of /predict.

    Raises:
        InvalidRequestError: project, tasks or a task's data are missing or of another kind.
    """
    body = _object(raw, "the body")
    tasks = body.get("tasks")
    if not isinstance(tasks, list):
        raise InvalidRequestError("a prediction request needs the key 'tasks', a list of tasks")
    return PredictRequest(
        project_id=parse_project_id(body.get("project")),
        label_config=_text(body, "label_config"),
        tasks=parse_tasks(tasks),
    )


def parse_tasks(tasks: Sequence[Any]) -> tuple[Task, ...]:
    """Tasks as Label Studio posts them; one without an id gets 0, which no stored task has."""
    return tuple(_parse_task(raw, position) for position, raw in enumerate(tasks))


def _parse_task(raw: Any, position: int) -> Task:
    task = _object(raw, f"task {position}")
    data = _object(task.get("data"), f"'data' of task {position}")
    task_id = task.get("id")
    return Task(task_id if isinstance(task_id, int) and not isinstance(task_id, bool) else 0, data)


def parse_project_id(raw: Any) -> int:
    """A project's id out of a number, '<id>.<created>' or an object with an id.

    Raises:
        InvalidRequestError: it is none of these.
    """
    value = raw.get("id") if isinstance(raw, dict) else raw
    head = str(value).split(".")[0] if value is not None and not isinstance(value, bool) else ""
    # Label Studio's ids are 32-bit; more digits than that are no id, and must not become a folder or key here.
    if not (head.isascii() and head.isdigit() and 0 < int(head[:12]) < 2**31 and len(head) <= 10):
        raise InvalidRequestError("the key 'project' must hold a project: its id, '<id>.<created>' or {'id': …}")
    return int(head)


def read_annotations(raw_annotations: Sequence[Mapping[str, Any]], control: str) -> tuple[Annotation, ...]:
    """Annotations of an exported task, reduced to the choices of one control."""
    return tuple(_read_annotation(raw, control) for raw in raw_annotations)


def _read_annotation(raw: Mapping[str, Any], control: str) -> Annotation:
    who = raw.get("completed_by")
    return Annotation(
        annotator=str(who.get("id") if isinstance(who, dict) else who),
        labels=_chosen(raw.get("result") or [], control),
        is_ground_truth=bool(raw.get("ground_truth")),
        is_skipped=bool(raw.get("was_cancelled")),
        updated_at=str(raw.get("updated_at") or ""),
    )


def _chosen(result: Sequence[Mapping[str, Any]], control: str) -> tuple[str, ...]:
    """The labels chosen with `control`, each once, in the order given."""
    items = (item for item in result if item.get("type") == "choices" and item.get("from_name") == control)
    labels = (label for item in items for label in item.get("value", {}).get("choices", []))
    return tuple(dict.fromkeys(str(label) for label in labels))


def _object(raw: Any, what: str) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise InvalidRequestError(f"{what} must be a JSON object, not {type(raw).__name__}")
    return raw


def _text(body: Mapping[str, Any], key: str) -> str:
    value = body.get(key)
    if not isinstance(value, str):
        raise InvalidRequestError(f"the key {key!r} must hold a labeling config as text")
    return value
