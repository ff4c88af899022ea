"""A fake Label Studio whose tasks a test adds, edits, annotates and deletes; it has a clock and counters."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from backend.studio.records import AnnotatedTask, Project, Task, read_annotations
from model.types import Annotation, ResultItem
from tests.fakes import FakeLabelStudio, a_project, chosen

TASKS_A_PAGE = 4
# Names of the controls in the labeling configs of tests.
CONTROLS = ("sentiment", "stars", "pace")


class TaskedLabelStudio:
    """One project's tasks; `asked` lists how tasks were read."""

    def __init__(self, texts: Collection[str] = (), **project: Any) -> None:
        self.asked: list[str] = []
        self.told = a_project(**project)
        self.tasks_now: dict[int, Task] = {}
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.uncounted = 0
        # Tasks whose counter of annotations stands at 0, though they have some.
        self.miscounted: set[int] = set()
        self.given: dict[str, int] = {}
        self.while_reading: list[Callable[[], None]] = []
        self.add(*texts)

    # Changes that people make

    def add(self, *texts: str, **different: Any) -> list[int]:
        first = max(self.tasks_now, default=0) + 1
        for task_id, text in enumerate(texts, first):
            self._change(task_id, Task(task_id, {"text": text}, annotations=(), **different))
        return list(range(first, first + len(texts)))

    def annotate(self, task_id: int, label: str = "pos", who: str = "ann", **different: Any) -> None:
        self.answer(task_id, chosen(label), who, **different)

    def answer(self, task_id: int, result: tuple[ResultItem, ...], who: str = "ann", **different: Any) -> None:
        said = Annotation(who, result, updated_at=str(self.now), **different)
        others = (annotation for annotation in self._given(task_id) if annotation.annotator != who)
        self._annotations(task_id, (*others, said))

    def take_back(self, task_id: int) -> None:
        self._annotations(task_id, ())

    def edit(self, task_id: int, text: str) -> None:
        self._change(task_id, replace(self.tasks_now[task_id], data={"text": text}, is_readable=True))

    def fail_to_show(self, *task_ids: int) -> None:
        for task_id in task_ids:
            self._change(task_id, replace(self.tasks_now[task_id], data={}, is_readable=False))

    def give(self, task_id: int, data: dict[str, Any]) -> None:
        self._change(task_id, replace(self.tasks_now[task_id], data=data))

    def edit_without_trace(self, task_id: int, text: str) -> None:
        self.tasks_now[task_id] = replace(self.tasks_now[task_id], data={"text": text})

    def want_more_annotations(self) -> None:
        self.tasks_now = {task_id: replace(task, is_done=False) for task_id, task in self.tasks_now.items()}

    def delete(self, task_id: int) -> None:
        del self.tasks_now[task_id]

    def pass_time(self, **units: float) -> None:
        self.now += timedelta(**units)

    def _given(self, task_id: int) -> tuple[Annotation, ...]:
        return self.tasks_now[task_id].annotations or ()

    def _annotations(self, task_id: int, annotations: tuple[Annotation, ...]) -> None:
        is_done = any(not annotation.is_skipped for annotation in annotations)
        is_skipped = any(annotation.is_skipped for annotation in annotations)
        changed = replace(self.tasks_now[task_id], annotations=annotations, is_done=is_done, is_skipped=is_skipped)
        self._change(task_id, replace(changed, annotation_count=len(annotations)))

    def _change(self, task_id: int, task: Task) -> None:
        self.pass_time(seconds=1)
        self.tasks_now[task_id] = replace(task, updated_at=self.now.isoformat())

    # Answers to the client's calls

    def project(self, project_id: int) -> Project:
        given = [[a for a in self._given(task_id) if not a.is_skipped] for task_id in self.tasks_now]
        return replace(
            self.told,
            tasks=len(self.tasks_now),
            done_tasks=sum(task.is_done for task in self.tasks_now.values()),
            labelled_tasks=sum(any(not a.is_ground_truth for a in said) for said in given),
            annotations=sum(map(len, given)) + self.uncounted,
        )

    def tasks(self, project_id: int, above: int = 0, since: datetime | None = None) -> Iterator[list[Task]]:
        self.asked.append("since" if since else f"above {above}" if above else "all")
        known = [task for task in self._sorted() if task.task_id > above]
        found = [task for task in known if since is None or datetime.fromisoformat(task.updated_at) >= since]
        for start in range(0, len(found), TASKS_A_PAGE):
            yield [self._listed(task) for task in found[start : start + TASKS_A_PAGE]]
            while self.while_reading:
                self.while_reading.pop()()

    def annotated_tasks(self, project_id: int, controls: Collection[str]) -> list[AnnotatedTask]:
        self.asked.append("export")
        given = ((task, self._given(task.task_id)) for task in self._sorted())
        return [AnnotatedTask(task.task_id, task.data, said) for task, said in given if said]

    def _listed(self, task: Task) -> Task:
        count = 0 if task.task_id in self.miscounted else task.annotation_count
        return replace(task, annotations=None, annotation_count=count)

    def annotate_as_us(self, task_id: int, result: Sequence[Mapping[str, Any]], unique_id: str) -> bool:
        """The client's `annotate`, whose name is taken by what people do."""
        if task_id not in self.tasks_now:
            return False
        if unique_id not in self.given:
            self.given[unique_id] = task_id
            annotation = read_annotations([{"completed_by": 1, "result": list(result)}], CONTROLS)[0]
            self._annotations(task_id, (*self._given(task_id), replace(annotation, updated_at=str(self.now))))
        return True

    def applied_annotations(self, project_id: int) -> dict[int, str]:
        return {
            task_id: "a run"
            for task_id in self.tasks_now
            if any(annotation.is_applied for annotation in self._given(task_id))
        }

    def annotations_of_ours(self, task_id: int) -> list[int]:
        return [task_id] if any(annotation.is_applied for annotation in self._given(task_id)) else []

    def delete_annotation(self, annotation_id: int) -> None:
        """Delete ours; a task's id stands for the annotation that we gave it."""
        self.given = {unique_id: task_id for unique_id, task_id in self.given.items() if task_id != annotation_id}
        self._annotations(annotation_id, tuple(a for a in self._given(annotation_id) if not a.is_applied))

    def tasks_by_id(
        self, project_id: int, task_ids: Collection[int], controls: Collection[str]
    ) -> Iterator[list[Task]]:
        if task_ids:
            self.asked.append(" ".join(map(str, ["by id", *sorted(task_ids)])))
            yield [task for task in self._sorted() if task.task_id in task_ids]

    def last_change(self, project_id: int) -> datetime | None:
        changes = [datetime.fromisoformat(task.updated_at) for task in self.tasks_now.values()]
        return max(changes, default=None)

    def _sorted(self) -> list[Task]:
        return [self.tasks_now[task_id] for task_id in sorted(self.tasks_now)]


class WholeLabelStudio(TaskedLabelStudio, FakeLabelStudio):
    """A Label Studio with tasks, predictions and an order."""

    def __init__(self, texts: Collection[str], **project: Any) -> None:
        FakeLabelStudio.__init__(self)
        TaskedLabelStudio.__init__(self, texts, **project)

    def project(self, project_id: int) -> Project:
        told, current = TaskedLabelStudio.project(self, project_id), self.current
        return replace(told, model_version=current.model_version, sampling=current.sampling)
