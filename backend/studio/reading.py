"""Keep a project's stored tasks as Label Studio has them, reading as little as that takes.

Events name the tasks that changed, and only those are read. What no event told of is found by the tasks' times of
change and by the project's counts; where even those do not agree, everything is read anew.
"""

import hashlib
import json
import logging
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import astuple
from datetime import datetime, timedelta

from backend.store.tasks import Counts, StoredTask, TaskStore
from backend.studio.client import LabelStudioClient
from backend.studio.contract import Project, Task
from backend.studio.labeling_config import Classification, read_text

# Events may be lost, and none tells of a changed text: looking by time of change costs two small requests.
LOOK_EVERY_S = 60.0
# Label Studio counts some changes after it told of them, and a long one may carry an earlier time than what it follows.
OVERLAP = timedelta(minutes=1)
# Some of the Data Manager's experimental actions change texts and leave no trace; finding those may cost a hundredth.
ANEW_EVERY_S = 3600.0
ANEW_SHARE = 0.01

log = logging.getLogger(__name__)


class Reading:
    """One project's tasks, read into its store."""

    def __init__(
        self,
        client: LabelStudioClient,
        store: TaskStore,
        project: Project,
        classification: Classification,
        on_progress: Callable[[int, int], None],
    ) -> None:
        self._client = client
        self._store = store
        self._project = project
        self._classification = classification
        self._on_progress = on_progress
        self._facts = store.facts()

    def catch_up(self, changed: Collection[int], are_all_named: bool, is_thorough: bool = False) -> None:
        """Read what changed since the last reading.

        Args:
            changed: the tasks that events named.
            are_all_named: whether no others changed, as far as events said.
            is_thorough: read everything anew if that was not done for long.
        """
        reason = self._void(is_thorough) or self._read_changes(changed, are_all_named)
        if reason:
            self._read_anew(reason)

    def _void(self, is_thorough: bool) -> str:
        """Why what is stored is of no use, in a few words; empty if it is."""
        if not self._facts:
            return "nothing is stored"
        if self._facts["stamp"] != _stamp(self._project):
            return "another labeling config or project"
        patience_s = max(ANEW_EVERY_S, self._facts["read_s"] / ANEW_SHARE)
        return "long ago" if is_thorough and _passed_s(self._facts["read_at"]) > patience_s else ""

    def _read_changes(self, changed: Collection[int], are_all_named: bool) -> str:
        """Read some tasks; returns why all have to be read, empty if they need not."""
        before, greatest = self._project, self._store.greatest_id()
        self._read_named([task_id for task_id in changed if task_id <= greatest])
        if max(changed, default=0) > greatest or before.tasks > self._store.counts().tasks:
            self._take(self._client.tasks(before.project_id, above=greatest))
        is_look_due = not are_all_named or _passed_s(self._facts["looked_at"]) > LOOK_EVERY_S
        if not is_look_due and self._agrees(before, before):
            return ""
        self._look()
        return "" if self._agrees(before, self._client.project(before.project_id)) else "counts differ"

    def _look(self) -> None:
        """Read the tasks that changed since somebody looked last."""
        found = self._looked_at()
        if self._facts["looked_until"] is not None:
            since = datetime.fromisoformat(self._facts["looked_until"]) - OVERLAP
            self._take(self._client.tasks(self._project.project_id, since=since))
        self._store.note(found)

    def _looked_at(self) -> dict[str, float | str | None]:
        """Where the next look has to begin: asked before tasks are read, so that none falls between two looks."""
        last = self._client.last_change(self._project.project_id)
        return {"looked_at": time.time(), "looked_until": last.isoformat() if last else None}

    def _read_anew(self, reason: str) -> None:
        """Replace all that is stored. Where the counts differ even then, that is no reason to do it again."""
        began, before = time.time(), self._project
        found = self._looked_at()
        with self._store.anew():
            self._take(self._client.tasks(before.project_id), before.tasks)
            self._store.note({"stamp": _stamp(before), "read_at": began, "read_s": time.time() - began, **found})
            self._facts = self._store.facts()
            after = self._client.project(before.project_id)
            if not self._agrees(before, after):
                self._store.note({"excess": [there - here for here, there in self._pairs(after)]})
        log.info(
            "event=read_anew project=%d reason=%s tasks=%d seconds=%.1f",
            before.project_id,
            reason.replace(" ", "_"),
            self._store.counts().tasks,
            time.time() - began,
        )

    def _take(self, pages: Iterable[list[Task]], total: int = 0) -> None:
        """Store pages of tasks, and of those with annotations that are not stored what people said."""
        done = 0
        for page in pages:
            self._store.put(self._stored(task) for task in page)
            self._read_named([task.task_id for task in page if self._wants_annotations(task)])
            done += len(page)
            self._on_progress(done, max(done, total))

    def _wants_annotations(self, task: Task) -> bool:
        known = self._store.knows_annotations(task.task_id, task.updated_at, task.annotation_count)
        return task.annotation_count > 0 and not known

    def _read_named(self, task_ids: Collection[int]) -> None:
        """Read tasks with their annotations; those that do not come back are gone."""
        left = set(task_ids)
        for page in self._client.tasks_by_id(self._project.project_id, left, self._classification.control):
            self._store.put(self._stored(task) for task in page)
            left -= {task.task_id for task in page}
        if left:
            self._store.remove(left)

    def _stored(self, task: Task) -> StoredTask:
        text = read_text(self._classification, task.data)
        # Where nobody was asked for annotations and none are counted, there are none.
        said = task.annotations if task.annotations is not None or task.annotation_count else ()
        return StoredTask(task.task_id, text, task.is_done, task.is_skipped, task.updated_at, said)

    def _agrees(self, before: Project, after: Project) -> bool:
        """Whether as much is stored as Label Studio counted before or after the reading, or between: people work on."""
        bounds = zip(self._pairs(before), self._pairs(after), self._excess(), strict=True)
        return all(
            min(at_first, at_last) <= here + excess <= max(at_first, at_last)
            for (here, at_first), (_, at_last), excess in bounds
        )

    def _pairs(self, project: Project) -> list[tuple[int, int]]:
        """How many of each there are here and there."""
        there = Counts(project.tasks, project.done_tasks, project.labelled_tasks, project.annotations)
        return list(zip(astuple(self._store.counts()), astuple(there), strict=True))

    def _excess(self) -> list[int]:
        """How many more Label Studio counted than it gave out when everything was read."""
        excess: list[int] = self._store.facts().get("excess", [0, 0, 0, 0])
        return excess


def _stamp(project: Project) -> str:
    """Stands for all that texts and annotations were read by."""
    told = json.dumps([project.created_at, project.label_config])
    return hashlib.blake2b(told.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _passed_s(since: float) -> float:
    """Seconds since then; a clock that was set back counts as long ago."""
    passed_s = time.time() - since
    return passed_s if passed_s >= 0 else float("inf")
