"""The part of a project's page about unlabelled texts: searches, promises, and errands of a worker."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from backend.applying.labelling import PRECISION
from backend.errors import DamagedOrderError, UnknownProjectError
from backend.rounds.asking.when import when_ordered
from backend.rounds.asking.wishes import SAMPLED
from backend.rounds.order import SKIPPED
from backend.store.applied import Checked, Errand, ErrandReport, Run, Sample, Wish
from backend.store.project_folder import ProjectFolder
from backend.studio.config.kinds import left_open
from backend.web.questions import AskedQuestion, questions_of
from backend.web.service import Service

# Most found texts that are listed; the others follow in the order.
SHOWN_FOUND = 10


@dataclass(frozen=True)
class ErrandShown:
    """An errand of a worker.

    Attributes:
        asked: the errand.
        report: its progress, or how it ended.
        is_lost: the errand did not end, and no worker will do it any more.
    """

    asked: Errand
    report: ErrandReport
    is_lost: bool

    @property
    def is_under_way(self) -> bool:
        """Whether the errand waits for a worker, or a worker does it."""
        return not self.report.ended_at and not self.is_lost


@dataclass(frozen=True)
class PutFirst:
    """Texts that somebody put first, in the order in use.

    Attributes:
        waiting: number of texts that wait for a label.
        when: from when on they come next, for the end of a sentence; empty once the order in use has them first.
    """

    waiting: int
    when: str


@dataclass(frozen=True)
class SearchShown:
    """The last search.

    Attributes:
        wish: the reason of the search, and the found tasks.
        places: of the found tasks in the order in use.
    """

    wish: Wish
    places: PutFirst

    @property
    def shown(self) -> Sequence[int]:
        """The tasks that are listed."""
        return self.wish.task_ids[:SHOWN_FOUND]


@dataclass(frozen=True)
class RestReport:
    """The texts that nobody labelled.

    Attributes:
        errand: the last errand of a worker; None before the first.
        checked: the last check of a promise; None before the first.
        is_outdated: another model version is in use than at the check.
        sample: labels that wait for people to look at a sample; None without any.
        sample_places: places of the sample in the order in use.
        search: the last search; None if it was ended, or before the first.
        runs: the runs of `apply` that nobody took back.
        questions: the questions that `apply` can answer.
        labels: the labels that a search can look for.
        may_annotate: annotations can be written, because a label of the only question answers all that a task asks.
    """

    errand: ErrandShown | None
    checked: Checked | None
    is_outdated: bool
    sample: Sample | None
    sample_places: PutFirst | None
    search: SearchShown | None
    runs: tuple[Run, ...]
    questions: tuple[str, ...]
    labels: tuple[str, ...]
    may_annotate: bool

    @property
    def is_under_way(self) -> bool:
        """Whether the last errand waits for a worker, or a worker does it."""
        return self.errand is not None and self.errand.is_under_way

    @property
    def precision(self) -> float:
        """The precision in the form before somebody changes it."""
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
        RedisUnavailableError: Redis does not answer, so that running work is unknown.
    """
    checked, sample, asked = folder.checked.read(), folder.sample.read(), _questions(folder)
    return RestReport(
        errand=_errand(service, folder),
        checked=checked,
        is_outdated=checked is not None and _is_outdated(asked, checked),
        sample=sample,
        sample_places=_put_first(folder, sample.shown, SAMPLED) if sample else None,
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
    # Ask RQ before reading the report: a worker first reports the end, and then RQ forgets the job.
    is_alive = service.rounds.has_errand(folder.project_id)
    report = folder.errand_report.read()
    report = report if report is not None and report.of == asked.at else ErrandReport(asked.at)
    return ErrandShown(asked, report, is_lost=not is_alive and not report.ended_at)


def _questions(folder: ProjectFolder) -> tuple[AskedQuestion, ...]:
    """Return the questions that are learned; none before the first full round."""
    try:
        return tuple(question for question in questions_of(folder).asked if question.task is not None)
    except UnknownProjectError:
        return ()


def _is_outdated(asked: Sequence[AskedQuestion], checked: Checked) -> bool:
    current = [question.folder.registry.current() for question in asked if question.name == checked.question]
    return [version.number for version in current if version is not None] != [checked.model]


def _search(folder: ProjectFolder) -> SearchShown | None:
    wish = folder.wish.read()
    return None if wish is None else SearchShown(wish, _put_first(folder, wish.task_ids, wish.reason))


def _put_first(folder: ProjectFolder, task_ids: Collection[int], reason: str) -> PutFirst:
    """Find texts that somebody put first in the order in use.

    Args:
        folder: the project's.
        task_ids: the tasks.
        reason: why they have their places once an order has them first.
    """
    try:
        with folder.publications.open() as order:
            places = order.find(task_ids).values() if order is not None else None
    except DamagedOrderError:
        places = None
    if places is None:
        return PutFirst(len(task_ids), when_ordered(folder))
    reasons = [place.reason for place in places if place.reason != SKIPPED]
    return PutFirst(len(reasons), "" if reason in reasons else when_ordered(folder))
