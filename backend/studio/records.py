"""Projects, ML backends, tasks and annotations that Label Studio answers with, as frozen records."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backend.studio.answers import MLBackendAnswer
from backend.studio.marks import run_of
from model.types import Annotation, ResultItem

# The states of an ML backend that did not answer, or refused.
_UNREACHED = ("DI", "ER")


@dataclass(frozen=True)
class Project:
    """The fields of a Label Studio project that a round needs.

    Attributes:
        created_at: ISO time; distinguishes projects that got the same id because Label Studio's database was recreated.
        label_config: the labeling config, as XML.
        model_version: the publication that annotators get their order from.
        sampling: Label Studio's way to choose the next task.
        tasks: number of tasks.
        labelled_tasks: number of tasks with an annotation that is not skipped.
        annotations: number of annotations that are not skipped.
        done_tasks: number of tasks that need no further annotation.
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
class MLBackend:
    """An ML backend of a project, as Label Studio lists it.

    Attributes:
        backend_id: Label Studio's id of the ML backend.
        url: address at which Label Studio reaches it.
        extra_params: the extra params of the Connect Model dialog, as Label Studio stores them.
        model_version: the model version of the ML backend's last answer to /setup.
        is_reached: the last /setup succeeded.
    """

    backend_id: int
    url: str
    extra_params: Any = None
    model_version: str = ""
    is_reached: bool = False

    @property
    def webhook_url(self) -> str:
        """The address of the webhook that Label Studio creates for the ML backend."""
        return f"{self.url.rstrip('/')}/webhook"


@dataclass(frozen=True)
class Task:
    """A task's data and state.

    Attributes:
        is_done: the task needs no further annotation.
        is_skipped: a person skipped the task.
        updated_at: latest change of the task's data or annotations, by Label Studio's clock.
        annotation_count: number of annotations by Label Studio's counters, skipped annotations included.
        annotations: people's annotations; None if the request did not include annotations.
        is_readable: False if Label Studio itself fails to show the task; then `data` is empty.
    """

    task_id: int
    data: Mapping[str, Any]
    is_done: bool = False
    is_skipped: bool = False
    updated_at: str = ""
    annotation_count: int = 0
    annotations: tuple[Annotation, ...] | None = None
    is_readable: bool = True


@dataclass(frozen=True)
class AnnotatedTask:
    """An exported task: its data, and people's answers."""

    task_id: int
    data: Mapping[str, Any]
    annotations: tuple[Annotation, ...]


def read_backend(answer: MLBackendAnswer) -> MLBackend:
    """Read an ML backend from Label Studio's list."""
    return MLBackend(
        backend_id=answer.id,
        url=answer.url,
        extra_params=answer.extra_params,
        model_version=answer.model_version or "",
        is_reached=answer.state not in _UNREACHED,
    )


def read_task(raw: Mapping[str, Any], controls: Collection[str]) -> Task:
    """Read a task from Label Studio's list of tasks.

    Args:
        raw: the task, with or without annotations.
        controls: names of the controls whose answers are read.
    """
    annotations = read_annotations(raw["annotations"], controls) if "annotations" in raw else None
    cancelled = int(raw.get("cancelled_annotations") or 0)
    counted = int(raw.get("total_annotations") or 0) + cancelled
    return Task(
        task_id=int(raw["id"]),
        data=_data(raw),
        is_done=bool(raw.get("is_labeled")),
        is_skipped=cancelled > 0,
        updated_at=str(raw.get("updated_at") or ""),
        annotation_count=counted if annotations is None else len(annotations),
        annotations=annotations,
    )


def read_annotated(raw: Mapping[str, Any], controls: Collection[str]) -> AnnotatedTask:
    """Read a task from Label Studio's export.

    Args:
        raw: the task.
        controls: names of the controls whose answers are read.
    """
    return AnnotatedTask(raw["id"], _data(raw), read_annotations(raw.get("annotations", []), controls))


def _data(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the data of a task; none of a task whose data is no object.

    Label Studio checks a task's data against the labeling config of its import alone, which may have been empty.
    """
    data = raw.get("data")
    return data if isinstance(data, dict) else {}


def read_annotations(raw_annotations: Any, controls: Collection[str]) -> tuple[Annotation, ...]:
    """Read annotations, and keep only the answers given with some controls.

    Label Studio stores results as people import them, checked or not: what has another form than a result is no
    answer, and a value of another form stays for the question to judge.
    """
    return tuple(_read_annotation(raw, controls) for raw in _objects(raw_annotations))


def _objects(raw: Any) -> list[dict[str, Any]]:
    """The objects of a list; nothing where there is no list."""
    return [item for item in raw if isinstance(item, dict)] if isinstance(raw, list) else []


def _read_annotation(raw: Mapping[str, Any], controls: Collection[str]) -> Annotation:
    who = raw.get("completed_by")
    return Annotation(
        annotator=str(who.get("id") if isinstance(who, dict) else who),
        result=_said(_objects(raw.get("result")), controls),
        is_ground_truth=bool(raw.get("ground_truth")),
        is_skipped=bool(raw.get("was_cancelled")),
        updated_at=str(raw.get("updated_at") or ""),
        is_applied=bool(run_of(raw.get("result"))),
    )


def _said(result: Sequence[Mapping[str, Any]], controls: Collection[str]) -> tuple[ResultItem, ...]:
    """Return the result items of some controls, in the given order; a relation between items has no control."""
    return tuple(
        ResultItem(str(name), str(item.get("type")), _value(item.get("value")))
        for item in result
        if (name := item.get("from_name")) is not None and str(name) in controls
    )


def _value(raw: Any) -> dict[str, Any]:
    return raw if isinstance(raw, dict) else {}
