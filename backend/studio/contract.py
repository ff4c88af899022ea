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
        done_tasks: tasks that nobody needs to label any more.
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
    done_tasks: int = 0


@dataclass(frozen=True)
class Task:
    """A task's data and where it stands.

    Attributes:
        is_done: nobody needs to label it any more.
        updated_at: when its data or annotations changed last, by Label Studio's clock.
        annotation_count: how many annotations it has, skipped ones included, by Label Studio's own counters.
        annotations: what people said, as far as it was asked for; None if it was not.
    """

    task_id: int
    data: Mapping[str, Any]
    is_done: bool = False
    is_skipped: bool = False
    updated_at: str = ""
    annotation_count: int = 0
    annotations: tuple[Annotation, ...] | None = None


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
        task_ids: the tasks that it names, as far as it is about tasks or their annotations.
        names_all_tasks: nothing but these changed; otherwise it cannot be told from the event which tasks did.
    """

    action: str
    project_id: int
    changes: int = 1
    task_ids: frozenset[int] = frozenset()
    names_all_tasks: bool = True

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
    named = _named_tasks(action, body)
    return Event(
        action=action,
        project_id=parse_project_id(body.get("project")),
        changes=_count(body),
        task_ids=frozenset(task_id for task_id in named if task_id),
        names_all_tasks=all(named),
    )


def _named_tasks(action: str, body: Mapping[str, Any]) -> list[int]:
    """The id of the task behind each item of an event, 0 where it names none; a project's own events have no items.

    ANNOTATIONS_DELETED carries the ids of annotations that are gone, and nothing of their tasks.
    """
    if action in TASK_EVENTS:
        return [_id_of(task) for task in _listed(body.get("tasks"))]
    if action not in LABEL_EVENTS:
        return []
    annotations = _listed(body.get("annotation") or body.get("annotations"))
    return [_id_of(annotation.get("task")) if isinstance(annotation, dict) else 0 for annotation in annotations]


def _listed(raw: Any) -> list[Any]:
    """Bulk events carry lists, single ones one object; nothing stands for an item that says nothing."""
    return raw if isinstance(raw, list) and raw else [raw]


def _id_of(raw: Any) -> int:
    """An object's id, or the id itself; 0 if it is neither."""
    value = raw.get("id") if isinstance(raw, dict) else raw
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**63:
        return value
    return 0


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


def read_task(raw: Mapping[str, Any], control: str) -> Task:
    """A task out of Label Studio's list of tasks, with the choices made with one control if annotations came along."""
    annotations = read_annotations(raw["annotations"], control) if "annotations" in raw else None
    cancelled = int(raw.get("cancelled_annotations") or 0)
    counted = int(raw.get("total_annotations") or 0) + cancelled
    return Task(
        task_id=int(raw["id"]),
        data=raw.get("data") or {},
        is_done=bool(raw.get("is_labeled")),
        is_skipped=cancelled > 0,
        updated_at=str(raw.get("updated_at") or ""),
        annotation_count=counted if annotations is None else len(annotations),
        annotations=annotations,
    )


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
