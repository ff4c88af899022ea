"""Errands: work that somebody asked for on a project's page. A worker does it between rounds; RQ calls this module.

The page writes the errand into the project's folder, and reads its progress there. An errand may run twice: labels that
are written already are not written again.
"""

import logging
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from pydantic import TypeAdapter
from rq import Retry, get_current_job

from backend.applying.finding import NOTHING_FOUND, look_for, put_next, sought
from backend.applying.labelling import Labelling, Wanted, broken_promise, check_promise
from backend.applying.planning import ApplyPlan, lost_labels
from backend.applying.reading import find_question, look_on, read_now
from backend.applying.telling import as_json, tell_drawn, tell_plan, tell_seen
from backend.errors import REFUSALS, CannotPromiseError, RedisUnavailableError, lacked_memory, system_refused
from backend.rounds.asking.when import when_ordered
from backend.rounds.context import RoundContext
from backend.settings import Settings
from backend.store.applied import Checked, Errand, ErrandKind, ErrandReport, Sample
from backend.store.documents import Document
from backend.store.project_folder import ProjectFolder
from backend.studio.client import LabelStudioClient
from backend.work.queue import MAX_DEATHS, deaths_of
from backend.work.redis_access import redis_errors
from backend.work.worker import WorkerProcess, this_worker
from model.encoder.processor import is_out_of_memory
from model.errors import ShortlistError
from model.tasks.shares import quoted
from model.tasks.task import Task

# How often an errand reports its progress, and looks whether it should end.
_LOOK_EVERY_S = 1.0
# Writing or deleting annotations may take half an hour: after this time it makes way for rounds that wait.
_SLICE_S = 60.0
# How soon an errand is tried again that could not even be begun or reported.
PUT_OFF_S = 5

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class KeptPlan:
    """The labels that a writing errand writes: after it made way, it goes on with the same labels.

    Attributes:
        of: the errand's `at`.
        plan: the labels.
    """

    of: float
    plan: ApplyPlan


_PLAN = TypeAdapter[KeptPlan | None](KeptPlan | None)


def kept_plan(folder: ProjectFolder) -> Document[KeptPlan | None]:
    """Return the document with the labels that an errand is writing; None while no errand writes."""
    return Document(folder.path / "plan.json", _PLAN, None)


class _InterruptedError(Exception):
    """An errand was interrupted.

    Attributes:
        comes_back: the errand goes on later.
    """

    def __init__(self, *, comes_back: bool) -> None:
        super().__init__("the errand is interrupted")
        self.comes_back = comes_back


class Watch:
    """Reports the progress of an errand, and interrupts it where it should end or make way; see `__call__`.

    Attributes:
        has_made_way: the errand was begun before, and goes on.
    """

    def __init__(self, worker: WorkerProcess, folder: ProjectFolder, errand: Errand) -> None:
        self._worker = worker
        self._folder = folder
        self._errand = errand
        report = folder.errand_report.read()
        self.has_made_way = report is not None and report.of == errand.at
        self._looked_s = time.monotonic()
        self._makes_way_at_s = math.inf

    def may_make_way(self) -> None:
        """Let rounds that wait interrupt the errand after `_SLICE_S`; it goes on later."""
        self._makes_way_at_s = time.monotonic() + _SLICE_S

    def __call__(self, done: int, total: int, *_: object) -> None:
        """Report progress.

        Args:
            done: items done in this step.
            total: items to do in this step.

        Raises:
            _InterruptedError: somebody stopped the errand, the worker ends, or rounds wait.
        """
        now_s = time.monotonic()
        if now_s - self._looked_s < _LOOK_EVERY_S:
            return
        self._looked_s = now_s
        if self._folder.errand.read() != self._errand:
            raise _InterruptedError(comes_back=False)
        is_in_the_way = now_s > self._makes_way_at_s and self._worker.rounds.anybody_waits()
        if self._worker.stopping.is_set() or is_in_the_way:
            raise _InterruptedError(comes_back=True)
        self._folder.errand_report.write(ErrandReport(self._errand.at, done, total))


def perform_errand(project_id: int) -> Retry | None:
    """Do the errand that somebody asked for on the project's page, and report how it ended; no error stops the worker.

    Args:
        project_id: the project.

    Returns:
        When RQ should run the job again; None if it is done.
    """
    worker, job = this_worker(), get_current_job()
    if job is None:
        raise RuntimeError("perform_errand runs in a worker's job")
    folder = ProjectFolder(worker.settings.model_dir, project_id)
    errand, report = folder.errand.read(), folder.errand_report.read()
    if errand is None or (report is not None and report.of == errand.at and report.ended_at):
        return None
    try:
        comes_back_in_s = _perform(worker, folder, errand, deaths_of(job))
    except (OSError, RedisUnavailableError) as error:
        # Nothing can be reported while the disk is full. RQ would count an error of the job as a death of its worker.
        log.warning("event=errand_put_off project=%d reason=%s", project_id, error)
        comes_back_in_s = PUT_OFF_S
    return None if comes_back_in_s is None else Retry(max=sys.maxsize, interval=comes_back_in_s)


def _perform(worker: WorkerProcess, folder: ProjectFolder, errand: Errand, deaths: int) -> int | None:
    """Do an errand unless too many workers died over it; return the seconds until it goes on, None if it is done.

    Raises:
        OSError: how far the errand is cannot be written down.
        RedisUnavailableError: Redis does not answer when the errand begins.
    """
    if deaths >= MAX_DEATHS:
        said = f"the worker died {deaths} times over it: is there too little memory? See its log"
        _report(folder, errand, wrong=said)
        return None
    with redis_errors():
        worker.rounds.workers.use_own_share()
    return 0 if perform(worker, folder, errand) else None


def perform(
    worker: WorkerProcess,
    folder: ProjectFolder,
    errand: Errand,
    open_client: Callable[[Settings], LabelStudioClient] = LabelStudioClient,
) -> bool:
    """Do an errand in this process, and report how it ended.

    Args:
        worker: this process.
        folder: the project's.
        errand: the errand.
        open_client: opens a client for Label Studio.

    Returns:
        True if the errand made way, and goes on at the next call.
    """
    began, watch = time.monotonic(), Watch(worker, folder, errand)
    folder.errand_report.write(ErrandReport(errand.at, 0, 0))
    try:
        with open_client(worker.settings) as client:
            context = look_on(worker.settings, client, worker.rounds, folder.project_id, watch, worker.classifiers)
            _report(folder, errand, carry_out(context, errand, watch))
    except _InterruptedError as interruption:
        log.info("event=errand_interrupted project=%d kind=%s", folder.project_id, errand.kind.value)
        return interruption.comes_back
    except ShortlistError as error:
        log.warning("event=errand_refused project=%d kind=%s code=%s", folder.project_id, errand.kind.value, error.code)
        _report(folder, errand, wrong=str(error))
    except REFUSALS as error:
        log.exception("event=system_refused project=%d", folder.project_id)
        _report(folder, errand, wrong=system_refused(error))
    except Exception as error:
        log.exception("event=errand_crashed project=%d kind=%s", folder.project_id, errand.kind.value)
        unexpected = f"unexpected {type(error).__name__}; see the worker's log"
        _report(folder, errand, wrong=lacked_memory("the work") if is_out_of_memory(error) else unexpected)
    seconds = time.monotonic() - began
    log.info("event=errand_ended project=%d kind=%s seconds=%.1f", folder.project_id, errand.kind.value, seconds)
    return False


def carry_out(context: RoundContext, errand: Errand, watch: Watch) -> list[str]:
    """Do an errand.

    Args:
        context: see `look_on`.
        errand: the errand.
        watch: called with the progress.

    Returns:
        The result, in sentences.

    Raises:
        ShortlistError: the errand cannot be done; the message says why, and what to do.
    """
    if errand.kind is ErrandKind.FIND:
        return _find(context, errand)
    labelling = Labelling(context, Wanted(errand.precision, errand.question, errand.form), watch)
    if errand.kind is ErrandKind.CHECK:
        return _check(context.folder, labelling, errand)
    if errand.kind is ErrandKind.SAMPLE:
        return _sample(labelling, errand.count)
    if errand.kind is ErrandKind.WRITE:
        return _write(context, labelling, errand, watch)
    watch.may_make_way()
    deleted = labelling.undo()
    return ["The rest of what was labelled is deleted, too." if watch.has_made_way else deleted.said]


def _check(folder: ProjectFolder, labelling: Labelling, errand: Errand) -> list[str]:
    rest = labelling.rest()
    asked = Checked(time.time(), errand.precision, rest.synced.task.control, rest.version.number, is_promised=False)
    try:
        plan = labelling.plan(rest)
        folder.checked.write(_found_out(asked, plan, tell_plan(plan, rest.version.out_of_fold)))
    except CannotPromiseError as error:
        folder.checked.write(replace(asked, reason=str(error)))
    return ["What can be promised was checked."]


def _found_out(asked: Checked, plan: ApplyPlan, told: list[str]) -> Checked:
    figures = as_json(plan)
    return replace(
        asked,
        is_promised=plan.holds,
        reason="" if plan.holds else broken_promise(plan),
        tasks=figures["tasks"],
        copies=figures["copies"],
        share=figures["share"],
        expected=figures["expected_precision"],
        interval=tuple(figures["interval"]) if plan.predicted else None,
        said=tuple(told),
    )


def _sample(labelling: Labelling, size: int) -> list[str]:
    shown = labelling.show_sample(size)
    if not isinstance(shown, Sample):
        return tell_seen(shown)
    return [tell_drawn(shown, labelling.when)]


def _write(context: RoundContext, labelling: Labelling, errand: Errand, watch: Watch) -> list[str]:
    document = kept_plan(context.folder)
    kept = document.read()
    if kept is not None and kept.of == errand.at:
        plan, task = kept.plan, find_question(read_now(context), kept.plan.question).task
        _check_labels(plan, task)
    else:
        rest = labelling.rest()
        plan, task = labelling.plan(rest), rest.synced.task
        check_promise(plan)
        document.write(KeptPlan(errand.at, plan))
    if not plan.labels:
        return ["No text waits for a label."]
    watch.may_make_way()
    written = labelling.write(task, plan)
    document.remove()
    # Its labels are written: the page offers them no more.
    context.folder.checked.remove()
    return [written.said]


def _check_labels(plan: ApplyPlan, task: Task) -> None:
    """Check that the labeling config still offers every label of a plan.

    Raises:
        CannotPromiseError: it does not.
    """
    gone = lost_labels(plan.labels, task)
    if gone:
        raise CannotPromiseError(
            f"the labeling config has no label {quoted(min(gone))} any more: what was written so far stays (--undo "
            "deletes it); ask again, and labels of the present config are written"
        )


def _find(context: RoundContext, errand: Errand) -> list[str]:
    asked = sought(read_now(context), errand.words, errand.like, errand.label)
    found = look_for(context, asked, errand.count)
    if not found.texts:
        return [NOTHING_FOUND]
    put_next(context.folder, context.queue, found)
    return [f"{len(found.texts)} texts were found. They come next, {when_ordered(context.folder)}."]


def _report(folder: ProjectFolder, errand: Errand, said: list[str] | None = None, wrong: str = "") -> None:
    folder.errand_report.write(ErrandReport(errand.at, ended_at=time.time(), said=tuple(said or ()), wrong=wrong))
