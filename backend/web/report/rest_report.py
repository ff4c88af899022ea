"""What a project's page shows of texts that nobody labelled: searches, promises, and what a worker does for them."""

from collections.abc import Sequence
from dataclasses import dataclass

from backend.applying.labelling import PRECISION
from backend.errors import DamagedOrderError, UnknownProjectError
from backend.store.applied import Checked, Errand, ErrandReport, Run, Sample, Wish
from backend.store.project_folder import ProjectFolder
from backend.studio.config.kinds import left_open
from backend.web.questions import AskedQuestion, questions_of
from backend.web.service import Service

# Found texts that are listed; the others follow in the order.
SHOWN_FOUND = 10


@dataclass(frozen=True)
class ErrandShown:
    """What a worker was asked to do.

    Attributes:
        asked: what it was asked.
        report: how far it is, or how it ended.
        is_lost: it did not end, and no worker will do it any more.
    """

    asked: Errand
    report: ErrandReport
    is_lost: bool

    @property
    def is_under_way(self) -> bool:
        """It waits for a worker, or a worker does it."""
        return not self.report.ended_at and not self.is_lost


@dataclass(frozen=True)
class SearchShown:
    """The last search.

    Attributes:
        wish: what was looked for, and what was found.
        waiting: number of found texts that are still in the order.
    """

    wish: Wish
    waiting: int

    @property
    def shown(self) -> Sequence[int]:
        """The tasks that are listed."""
        return self.wish.task_ids[:SHOWN_FOUND]


@dataclass(frozen=True)
class RestReport:
    """The texts that nobody labelled.

    Attributes:
        errand: what a worker was asked to do last; None before the first time.
        checked: what could be promised when somebody asked last; None before.
        is_outdated: another model version is in use since.
        sample: labels that wait for people to look at a sample; None without any.
        search: the last search; None if it was ended, or before the first.
        runs: what `apply` wrote and nobody took back.
        questions: the questions that can be asked.
        labels: the labels that can be looked for.
        may_annotate: annotations can be written, because a label of the only question answers all that a task asks.
    """

    errand: ErrandShown | None
    checked: Checked | None
    is_outdated: bool
    sample: Sample | None
    search: SearchShown | None
    runs: tuple[Run, ...]
    questions: tuple[str, ...]
    labels: tuple[str, ...]
    may_annotate: bool

    @property
    def is_under_way(self) -> bool:
        """A worker does something, or is about to."""
        return self.errand is not None and self.errand.is_under_way

    @property
    def precision(self) -> float:
        """What the form asks to be promised, until somebody changes it."""
        asked = self.sample or self.checked
        return asked.precision if asked else PRECISION

    @property
    def named_tasks(self) -> set[int]:
        """The tasks that the page names."""
        return set(self.search.shown) if self.search else set()


def rest_report(service: Service, folder: ProjectFolder) -> RestReport:
    """Read what the page shows.

    Args:
        service: its queue knows whether a worker does the errand.
        folder: the project's own.

    Raises:
        RedisUnavailableError: nobody can say what is under way.
    """
    checked, asked = folder.checked.read(), _questions(folder)
    return RestReport(
        errand=_errand(service, folder),
        checked=checked,
        is_outdated=checked is not None and _is_outdated(asked, checked),
        sample=folder.sample.read(),
        search=_search(folder),
        runs=tuple(folder.applied.read()),
        questions=tuple(question.name for question in asked),
        labels=tuple(
            dict.fromkeys(label for question in asked if question.task for label in question.task.label_set.labels)
        ),
        may_annotate=len(asked) == 1 and not left_open(folder.label_config.read(), asked[0].name),
    )


def _errand(service: Service, folder: ProjectFolder) -> ErrandShown | None:
    asked = folder.errand.read()
    if asked is None:
        return None
    # Asked before the report is read: a worker reports the end first, and then RQ forgets the job.
    is_alive = service.rounds.has_errand(folder.project_id)
    report = folder.errand_report.read()
    report = report if report is not None and report.of == asked.at else ErrandReport(asked.at)
    return ErrandShown(asked, report, is_lost=not is_alive and not report.ended_at)


def _questions(folder: ProjectFolder) -> tuple[AskedQuestion, ...]:
    """The questions that are learned; none before the first full round."""
    try:
        return tuple(question for question in questions_of(folder).asked if question.task is not None)
    except UnknownProjectError:
        return ()


def _is_outdated(asked: Sequence[AskedQuestion], checked: Checked) -> bool:
    current = [question.folder.registry.current() for question in asked if question.name == checked.question]
    return [version.number for version in current if version is not None] != [checked.model]


def _search(folder: ProjectFolder) -> SearchShown | None:
    wish = folder.wish.read()
    if wish is None:
        return None
    try:
        with folder.publications.open() as order:
            waiting = len(order.find(wish.task_ids)) if order is not None else len(wish.task_ids)
    except DamagedOrderError:
        waiting = len(wish.task_ids)
    return SearchShown(wish, waiting)
