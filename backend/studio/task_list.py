"""Label Studio's list of tasks, in pages; a task that Label Studio itself fails to show hides no other task."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import urlencode

from backend.errors import LabelStudioFailedError, LabelStudioUnreachableError
from backend.studio.answers import TASK_PAGE, TaskPage
from backend.studio.records import Task, read_task
from backend.studio.sending import Sender

TASKS_A_PAGE = 1000
# The fields that Label Studio can show of every task, whatever its data holds.
_STATE_FIELDS = "id,is_labeled,total_annotations,cancelled_annotations,updated_at"
# The fields that a round reads. Label Studio answers in a third of the time that whole tasks take.
_TASK_FIELDS = f"{_STATE_FIELDS},data"
# Label Studio wants the fields of annotations in the same list as the fields of tasks.
_ANNOTATED_FIELDS = f"{_TASK_FIELDS},annotations,result,completed_by,ground_truth,was_cancelled"
# Ids are part of the URL. Some servers cut a URL at 4 kB, and larger requests are no faster.
_IDS_A_REQUEST = 200
# The format of times in a filter.
_TIME_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"


class TaskList:
    """Reads tasks by the filters of the Data Manager.

    Label Studio takes a text with half of a surrogate pair ("\\ud800"), and answers 500 wherever such a task is among
    those asked for. So a page that fails is read in halves, and a task that fails alone has `is_readable=False`.

    Raises:
        LabelStudioError: from any method, if Label Studio does not answer or refuses.
    """

    def __init__(self, sender: Sender) -> None:
        """Nothing is asked yet.

        Args:
            sender: sends the requests.
        """
        self._sender = sender

    def pages(self, project_id: int, above: int, since: datetime | None) -> Iterator[list[Task]]:
        """Yield tasks in pages by id, without annotations. A task deleted meanwhile shifts no other task.

        Args:
            project_id: the project.
            above: only tasks with greater ids.
            since: only tasks that changed at this time or later, by Label Studio's clock.
        """
        changed = [_filter("updated_at", "greater_or_equal", "Datetime", _filter_time(since))] if since else []
        left = 1
        while left > 0:
            page, total = self._listed(project_id, [_filter("id", "greater", "Number", above), *changed], ())
            if not page:
                return
            yield page
            above, left = page[-1].task_id, total - len(page)

    def by_id(self, project_id: int, task_ids: Collection[int], controls: Collection[str]) -> Iterator[list[Task]]:
        """Yield tasks in pages, with annotations. Deleted tasks are left out.

        Args:
            project_id: the project; tasks of other projects are left out.
            task_ids: ids of the tasks.
            controls: names of the controls whose answers are read.
        """
        for chosen in _by_request(sorted(task_ids)):
            page, _ = self._listed(project_id, [_with_ids(chosen)], controls)
            yield page

    def last_change(self, project_id: int) -> datetime | None:
        """Return the latest change of any task of the project, by Label Studio's clock; None without tasks."""
        query = {"ordering": ["-tasks:updated_at"]}
        answer = self._ask(project_id, query, page_size=1, fields="task_only", include="id,updated_at")
        return datetime.fromisoformat(answer.tasks[0]["updated_at"]) if answer.tasks else None

    def _listed(
        self, project_id: int, filters: Sequence[Mapping[str, Any]], controls: Collection[str]
    ) -> tuple[list[Task], int]:
        """Read the first page of filtered tasks and the count over all pages; controls add annotations."""
        try:
            return self._page(project_id, filters, controls)
        except LabelStudioFailedError:
            # A Label Studio that is broken does not show the states either, however often it is asked.
            states = self._ask(project_id, _query(filters), page_size=TASKS_A_PAGE, include=_STATE_FIELDS)
        return self._around_failing(
            project_id, [read_task(raw, controls) for raw in states.tasks], controls
        ), states.total

    def _around_failing(self, project_id: int, tasks: Sequence[Task], controls: Collection[str]) -> list[Task]:
        """Read tasks whose states are known; those that Label Studio fails to show come back as unreadable."""
        found: dict[int, Task] = {}
        failed: list[Task] = []
        left = list(_by_request(tasks))
        while left:
            some = left.pop()
            try:
                page, _ = self._page(project_id, [_with_ids([task.task_id for task in some])], controls)
            except LabelStudioFailedError:
                middle = len(some) // 2
                failed += some if len(some) == 1 else ()
                left += [some[:middle], some[middle:]] if middle else []
            else:
                found |= {task.task_id: task for task in page}
        # A Label Studio that shows other tasks is well. Otherwise one task is asked for with patience.
        is_patient = not found
        for task in failed:
            try:
                page, _ = self._page(project_id, [_with_ids([task.task_id])], controls, is_patient=is_patient)
            except LabelStudioFailedError:
                page = [replace(task, is_readable=False, annotations=() if controls else None)]
            found |= {read.task_id: read for read in page}
            is_patient = False
        return [found[task.task_id] for task in tasks if task.task_id in found]

    def _page(
        self,
        project_id: int,
        filters: Sequence[Mapping[str, Any]],
        controls: Collection[str],
        *,
        is_patient: bool = False,
    ) -> tuple[list[Task], int]:
        fields: dict[str, Any] = (
            {"fields": "all", "include": _ANNOTATED_FIELDS} if controls else {"include": _TASK_FIELDS}
        )
        ask = partial(self._ask, project_id, _query(filters), page_size=TASKS_A_PAGE, **fields)
        try:
            answer = ask() if is_patient else ask(retries=0)
        except LabelStudioFailedError:
            raise
        except LabelStudioUnreachableError:
            # Away or overloaded: that says nothing of a task, and passes.
            answer = ask()
        return [read_task(raw, controls) for raw in answer.tasks], answer.total

    def _ask(self, project_id: int, query: Mapping[str, Any], retries: int | None = None, **params: Any) -> TaskPage:
        """Read a page of the task list as JSON. The SDK's own method validates every field, which is slow."""
        named = urlencode({"project": project_id, "query": json.dumps(query), **params})
        return self._sender.read(f"api/tasks/?{named}", f"the tasks of project {project_id}", TASK_PAGE, retries)


def _by_request(wanted: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (wanted[start : start + _IDS_A_REQUEST] for start in range(0, len(wanted), _IDS_A_REQUEST))


def _query(filters: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"filters": {"conjunction": "and", "items": list(filters)}, "ordering": ["tasks:id"]}


def _with_ids(task_ids: Sequence[int]) -> dict[str, Any]:
    return _filter("id", "in_list", "List", list(task_ids))


def _filter(column: str, operator: str, kind: str, value: Any) -> dict[str, Any]:
    """Build a condition in the Data Manager's filter format."""
    return {"filter": f"filter:tasks:{column}", "operator": operator, "type": kind, "value": value}


def _filter_time(time: datetime) -> str:
    return time.astimezone(UTC).strftime(_TIME_FORMAT)
