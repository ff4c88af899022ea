"""The requests that Label Studio sends to an ML backend (events, /setup, /predict), as frozen records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backend.errors import InvalidRequestError
from backend.settings import parse_extra_params
from backend.studio.records import Task

START_TRAINING = "START_TRAINING"
PROJECT_UPDATED = "PROJECT_UPDATED"
# The event names that Label Studio sends. It never sends ANNOTATION_DELETED, which label-studio-ml listens for.
LABEL_EVENTS = frozenset({"ANNOTATION_CREATED", "ANNOTATIONS_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_DELETED"})
TASK_EVENTS = frozenset({"TASKS_CREATED", "TASKS_DELETED"})

# More than Label Studio was ever seen to send in one request; their answers take a second.
MOST_TASKS = 50_000
# Label Studio's ids have 32 bits.
MOST_ID = 2**31 - 1


@dataclass(frozen=True)
class Event:
    """A webhook event: something changed in Label Studio.

    Attributes:
        action: name of the event.
        changes: number of annotations or tasks that changed, at least 1.
        task_ids: ids of changed tasks that the event names.
        names_all_tasks: `task_ids` holds every changed task; if False, other tasks may have changed.
    """

    action: str
    project_id: int
    changes: int = 1
    task_ids: frozenset[int] = frozenset()
    names_all_tasks: bool = True

    def without_details(self) -> "Event":
        """The event as far as a stranger's word goes: something changed; a round finds out what."""
        return Event(self.action, self.project_id, names_all_tasks=False)

    @property
    def asks_for_training(self) -> bool:
        """A person pressed Start Training."""
        return self.action == START_TRAINING

    @property
    def concerns_us(self) -> bool:
        """The event changes labels, tasks or the project, or asks for a training."""
        return self.asks_for_training or self.action in LABEL_EVENTS | TASK_EVENTS | {PROJECT_UPDATED}


@dataclass(frozen=True)
class SetupRequest:
    """Label Studio's request to connect a project, or to check the connection."""

    project_id: int
    label_config: str
    extra_params: Mapping[str, Any]


@dataclass(frozen=True)
class PredictRequest:
    """Label Studio's request to classify tasks."""

    project_id: int
    label_config: str
    tasks: tuple[Task, ...]


def parse_event(raw: Any) -> Event:
    """Read a webhook's body.

    Raises:
        InvalidRequestError: the action or the project is missing.
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
    """Return the task id of each item of an event, 0 for an item without a task id. A project's event has no items.

    ANNOTATIONS_DELETED holds the ids of deleted annotations, and no task ids.
    """
    if action in TASK_EVENTS:
        return [_id_of(task) for task in _listed(body.get("tasks"))]
    if action not in LABEL_EVENTS:
        return []
    annotations = _listed(body.get("annotation") or body.get("annotations"))
    return [_id_of(annotation.get("task")) if isinstance(annotation, dict) else 0 for annotation in annotations]


def _listed(raw: Any) -> list[Any]:
    """Return the items of an event: a bulk event holds a list. Without items, return one item without an id."""
    return raw if isinstance(raw, list) and raw else [raw]


def _id_of(raw: Any) -> int:
    """Return the id of an object, or a number itself; 0 for any other value, and for numbers that no id can be."""
    value = raw.get("id") if isinstance(raw, dict) else raw
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**63:
        return value
    return 0


def _count(body: Mapping[str, Any]) -> int:
    """Count the items of an event: a bulk event holds lists, a single event one object."""
    lists = [body[key] for key in ("annotations", "annotation", "tasks") if isinstance(body.get(key), list)]
    return max([1, *(len(items) for items in lists)])


def parse_setup(raw: Any) -> SetupRequest:
    """Read the body of /setup.

    Raises:
        InvalidRequestError: the project is missing.
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
        InvalidRequestError: the project, the tasks or a task's data are missing or have the wrong type.
    """
    body = _object(raw, "the body")
    tasks = body.get("tasks")
    if not isinstance(tasks, list):
        raise InvalidRequestError("a prediction request needs the key 'tasks', a list of tasks")
    if len(tasks) > MOST_TASKS:
        raise InvalidRequestError(f"the request holds {len(tasks):,} tasks: send at most {MOST_TASKS:,} at once")
    return PredictRequest(
        project_id=parse_project_id(body.get("project")),
        label_config=_text(body, "label_config"),
        tasks=parse_tasks(tasks),
    )


def parse_tasks(tasks: Sequence[Any]) -> tuple[Task, ...]:
    """Read tasks that Label Studio posts. A task without an id gets the id 0, which no stored task has."""
    return tuple(_parse_task(raw, position) for position, raw in enumerate(tasks))


def _parse_task(raw: Any, position: int) -> Task:
    task = _object(raw, f"task {position}")
    data = _object(task.get("data"), f"'data' of task {position}")
    return Task(_id_of(task), data)


def parse_project_id(raw: Any) -> int:
    """Read a project id from a number, '<id>.<created>' or an object with an id.

    Raises:
        InvalidRequestError: `raw` has another form.
    """
    value = raw.get("id") if isinstance(raw, dict) else raw
    head = str(value).split(".")[0] if value is not None and not isinstance(value, bool) else ""
    # A larger number must not become the name of a folder or a Redis key.
    if not (head.isascii() and head.isdigit() and 0 < int(head[:12]) <= MOST_ID and len(head) <= 10):
        raise InvalidRequestError("the key 'project' must hold a project: its id, '<id>.<created>' or {'id': …}")
    return int(head)


def _object(raw: Any, what: str) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise InvalidRequestError(f"{what} must be a JSON object, not {type(raw).__name__}")
    return raw


def _text(body: Mapping[str, Any], key: str) -> str:
    value = body.get(key)
    if not isinstance(value, str):
        raise InvalidRequestError(f"the key {key!r} must hold a labeling config as text")
    return value
