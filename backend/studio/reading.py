"""Update the stored tasks of a project from Label Studio, with as few requests as possible.

A round reads only the tasks that events named. It finds other changed tasks by their update times and by the project's
counts. If the counts still differ, it reads all tasks again.
"""

import hashlib
import json
import logging
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import astuple
from datetime import datetime, timedelta

from backend.store.tasks import Counts, StoredTask, TaskStore
from backend.studio.client import LabelStudioClient
from backend.studio.config.texts import read_text
from backend.studio.records import Project, Task
from model.progress import Progress
from model.tasks.task import Task as Question

# Events may be lost, and no event tells of a changed text. A look at the update times costs two small requests.
LOOK_EVERY_S = 60.0
# Label Studio may count a change after its event, and a long change may get an earlier time than a change before it.
OVERLAP = timedelta(minutes=1)
# Experimental actions of the Data Manager change texts without a new update time. Only a full read finds such changes;
# full reads may take a hundredth of the time.
ANEW_EVERY_S = 3600.0
ANEW_SHARE = 0.01

log = logging.getLogger(__name__)


class Reading:
    """Reads the tasks of one project into its store."""

    def __init__(
        self,
        client: LabelStudioClient,
        store: TaskStore,
        project: Project,
        questions: Sequence[Question],
        on_progress: Progress,
    ) -> None:
        """Prepare to read; nothing is read yet.

        Args:
            client: the client for Label Studio.
            store: the store of the project's tasks.
            project: the project, as Label Studio counts it now.
            questions: name the text fields and the controls.
            on_progress: called with (tasks read, tasks to read).
        """
        self._client = client
        self._store = store
        self._project = project
        self._questions = questions
        self._on_progress = on_progress
        self._controls = [question.control for question in questions]
        self._facts = store.facts()
        self._unreadable = set(self._facts.get("unreadable", ()))

    def catch_up(self, changed: Collection[int], are_all_named: bool, is_thorough: bool = False) -> None:
        """Read the tasks that changed since the last reading.

        Args:
            changed: ids of changed tasks that events named.
            are_all_named: `changed` holds every changed task, as far as events told.
            is_thorough: read all tasks again if the last full read is long ago.
        """
        reason = self._reason_to_read_all(is_thorough) or self._read_changes(changed, are_all_named)
        if reason:
            self._read_anew(reason)
        elif sorted(self._unreadable) != self._facts.get("unreadable", []):
            self._store.note({"unreadable": sorted(self._unreadable)})

    def _reason_to_read_all(self, is_thorough: bool) -> str:
        """Say why the stored tasks are of no use; empty if they are of use."""
        if not self._facts:
            return "no task is stored"
        if self._facts["stamp"] != _stamp(self._project):
            return "the labeling config or the project changed"
        patience_s = max(ANEW_EVERY_S, self._facts["read_s"] / ANEW_SHARE)
        return "last full read long ago" if is_thorough and _passed_s(self._facts["read_at"]) > patience_s else ""

    def _read_changes(self, changed: Collection[int], are_all_named: bool) -> str:
        """Read the changed tasks; return why all tasks must be read again, empty if they need not."""
        before, greatest = self._project, self._store.greatest_id()
        self._read_named([task_id for task_id in changed if task_id <= greatest])
        if max(changed, default=0) > greatest or before.tasks > self._store.counts().tasks:
            self._take(self._client.tasks(before.project_id, above=greatest))
        is_look_due = not are_all_named or _passed_s(self._facts["looked_at"]) > LOOK_EVERY_S
        if not is_look_due and self._agrees(before, before):
            return ""
        self._look()
        return "" if self._agrees(before, self._client.project(before.project_id)) else "the counts differ"

    def _look(self) -> None:
        """Read the tasks whose update time is later than the last look."""
        found = self._looked_at()
        if self._facts["looked_until"] is not None:
            since = datetime.fromisoformat(self._facts["looked_until"]) - OVERLAP
            self._take(self._client.tasks(self._project.project_id, since=since))
        self._store.note(found)

    def _looked_at(self) -> dict[str, float | str | None]:
        """Return the time at which the next look must begin. Call this before tasks are read, to miss no change."""
        last = self._client.last_change(self._project.project_id)
        return {"looked_at": time.time(), "looked_until": last.isoformat() if last else None}

    def _read_anew(self, reason: str) -> None:
        """Replace all stored tasks. Counts that differ even then are stored, and cause no further full read."""
        began, before = time.time(), self._project
        found = self._looked_at()
        self._unreadable.clear()
        with self._store.anew():
            self._take(self._client.tasks(before.project_id), before.tasks)
            self._store.note({"stamp": _stamp(before), "read_at": began, "read_s": time.time() - began, **found})
            self._facts = self._store.facts()
            after = self._client.project(before.project_id)
            if self._store.counts().annotations < min(before.annotations, after.annotations):
                self._read_uncounted()
            if not self._agrees(before, after):
                self._store.note({"excess": [there - here for here, there in self._pairs(after)]})
            self._store.note({"unreadable": sorted(self._unreadable)})
        log.info(
            "event=read_anew project=%d reason=%s tasks=%d seconds=%.1f",
            before.project_id,
            reason.replace(" ", "_"),
            self._store.counts().tasks,
            time.time() - began,
        )

    def _read_uncounted(self) -> None:
        """Read tasks whose annotations Label Studio itself does not count; the export alone names them.

        Where people label at the same time, Label Studio on PostgreSQL may leave the counter of a task at 0.
        """
        stored = self._store.annotated_ids()
        exported = self._client.annotated_tasks(self._project.project_id, self._controls)
        self._read_named([task.task_id for task in exported if task.task_id not in stored])

    def _take(self, pages: Iterable[list[Task]], total: int = 0) -> None:
        """Store pages of tasks, and read the annotations that are not stored."""
        done = 0
        for page in pages:
            self._put(page)
            self._read_named([task.task_id for task in page if self._wants_annotations(task)])
            done += len(page)
            self._on_progress(done, max(done, total))

    def _wants_annotations(self, task: Task) -> bool:
        if not task.is_readable:
            return False
        is_stored = self._store.knows_annotations(task.task_id, task.updated_at, task.annotation_count)
        # A task is not done without annotations, whatever its counter says; see `_read_uncounted`.
        return (task.annotation_count > 0 or task.is_done) and not is_stored

    def _read_named(self, task_ids: Collection[int]) -> None:
        """Read tasks with their annotations, and remove the tasks that Label Studio has deleted."""
        left = set(task_ids)
        for page in self._client.tasks_by_id(self._project.project_id, left, self._controls):
            self._put(page)
            left -= {task.task_id for task in page}
        if left:
            self._store.remove(left)
            self._unreadable -= left

    def _put(self, page: Collection[Task]) -> None:
        self._store.put(self._stored(task) for task in page)
        self._unreadable -= {task.task_id for task in page}
        self._unreadable |= {task.task_id for task in page if not task.is_readable}

    def _stored(self, task: Task) -> StoredTask:
        text = read_text(self._questions, task.data)
        # A task that was read without annotations has none if Label Studio counts none.
        may_have_some = task.annotations is not None or task.annotation_count or task.is_done
        annotations = task.annotations if may_have_some else ()
        return StoredTask(task.task_id, text, task.is_done, task.is_skipped, task.updated_at, annotations)

    def _agrees(self, before: Project, after: Project) -> bool:
        """Whether each stored count lies between Label Studio's counts before and after the reading."""
        bounds = zip(self._pairs(before), self._pairs(after), self._excess(), strict=True)
        return all(
            min(at_first, at_last) <= here + excess <= max(at_first, at_last)
            for (here, at_first), (_, at_last), excess in bounds
        )

    def _pairs(self, project: Project) -> list[tuple[int, int]]:
        """Pair each stored count with Label Studio's count: tasks, done tasks, labelled tasks, annotations."""
        there = Counts(project.tasks, project.done_tasks, project.labelled_tasks, project.annotations)
        return list(zip(astuple(self._store.counts()), astuple(there), strict=True))

    def _excess(self) -> list[int]:
        """Return how much higher Label Studio's counts were than the counts of the tasks in the last full read."""
        excess: list[int] = self._store.facts().get("excess", [0, 0, 0, 0])
        return excess


def has_changed(client: LabelStudioClient, store: TaskStore, project_id: int) -> bool:
    """Whether a task changed since the last look at the update times, or was never read. Asks once a minute at most.

    Args:
        client: the client for Label Studio.
        store: the store of the project's tasks.
        project_id: the project.
    """
    facts = store.facts()
    if not facts:
        return True
    if _passed_s(facts["looked_at"]) <= LOOK_EVERY_S:
        return False
    asked_at, last = time.time(), client.last_change(project_id)
    if (last.isoformat() if last else None) != facts["looked_until"]:
        return True
    store.note({"looked_at": asked_at})
    return False


def _stamp(project: Project) -> str:
    """Return a digest of the project and its labeling config; stored tasks are valid only under the same digest."""
    identity = json.dumps([project.created_at, project.label_config])
    return hashlib.blake2b(identity.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _passed_s(since: float) -> float:
    """Return the seconds since a time; infinity if the clock was set back."""
    passed_s = time.time() - since
    return passed_s if passed_s >= 0 else float("inf")
