"""The whole content of one project's page, read from the project's folder and the queue."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backend.rounds.plan import labels_until_training
from backend.store.figures import QuestionFigures, RoundRecord, TrainingRecord
from backend.store.project_folder import ProjectFolder
from backend.store.sync_record import LeftOutTasks, SyncRecord
from backend.web.report.charts import Chart, calibration_chart, learning_curve
from backend.web.report.rest_report import RestReport, rest_report
from backend.web.report.snippets import snippets_of
from backend.web.service import Service
from backend.web.status import is_learned, project_status
from model.errors import VersionError
from model.figures.held_out import ClassFigures, Confusion
from model.learner.model_version import ModelVersion

# Most rows of a list: longer lists would hide the rest of the page.
SHOWN_ROUNDS, SHOWN_SUSPECTS, SHOWN_CONFUSIONS = 30, 20, 30
# Most classes of a matrix that fits on a screen; with more, the commonest confusions are listed.
_MATRIX_CLASSES = 12


@dataclass(frozen=True)
class VersionRow:
    """A model version on disk.

    Attributes:
        version: its manifest.
        training: its line in the learning curve; None for a version that no round has measured.
        is_current: it is in use.
        is_newer: it is newer than the one in use.
    """

    version: ModelVersion
    training: TrainingRecord | None
    is_current: bool
    is_newer: bool


@dataclass(frozen=True)
class ClassRow:
    """A class: the number of its labelled texts now, and its out-of-fold figures; None without figures."""

    label: str
    texts: int
    figures: ClassFigures | None


@dataclass(frozen=True)
class Cell:
    """A cell of the matrix of confusions.

    Attributes:
        texts: number of texts.
        shade: from 0 to 9, by the share of the row.
        is_right: both classes are the same.
    """

    texts: int
    shade: int
    is_right: bool


@dataclass(frozen=True)
class Matrix:
    """Confusions: a row for each class that people gave, a column for each predicted class."""

    labels: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class QuestionReport:
    """One question.

    Attributes:
        place: place of the question among the project's.
        name: control of the labeling config.
        status: the question's entry in the status.
        figures: as of the last round; None before the first figures.
        trainings: its trainings, oldest first.
        curve: the learning curve as a picture; None without a training.
        calibration: calibration as a picture; None without a figure.
        classes: the classes, most labelled texts first.
        confusions: the commonest confusions of two different classes.
        matrix: confusions as a matrix; None with too many classes, or if texts may have several.
        versions: model versions on disk, the newest first.
    """

    place: int
    name: str
    status: Mapping[str, Any]
    figures: QuestionFigures | None
    trainings: tuple[TrainingRecord, ...]
    curve: Chart | None
    calibration: Chart | None
    classes: tuple[ClassRow, ...]
    confusions: tuple[Confusion, ...]
    matrix: Matrix | None
    versions: tuple[VersionRow, ...]


@dataclass(frozen=True)
class ProjectReport:
    """One project.

    Attributes:
        project: its id.
        status: the answer of /projects/<id>/status.
        questions: in the order of the labeling config; empty before the first full round.
        is_learned: a classifier learns one of the questions, or no question is known yet.
        rounds: the last rounds, the newest first.
        snippets: beginnings of the texts that the page names, by task.
        left_out: sentences about answers that no training learns from.
        until_training: labels until the next training, by the question that needs fewest; None before the first round.
        label_studio: the project's address in Label Studio.
        next_up: the address of the tab that shows what comes next; empty without one.
        shows_margins: reasons of the next texts name margins.
        has_prompt: there is a question for a chat with an LLM.
        rest: the texts that nobody labelled.
    """

    project: int
    status: Mapping[str, Any]
    questions: tuple[QuestionReport, ...]
    is_learned: bool
    rounds: tuple[RoundRecord, ...]
    snippets: Mapping[int, str]
    left_out: tuple[str, ...]
    until_training: int | None
    label_studio: str
    next_up: str
    shows_margins: bool
    has_prompt: bool
    rest: RestReport


def project_report(service: Service, project_id: int) -> ProjectReport:
    """Read a project's report.

    Raises:
        NotConnectedError: the project is not connected here.
        RedisUnavailableError: Redis does not answer, so that running work is unknown.
    """
    status, folder = project_status(service, project_id), service.folder(project_id)
    questions = tuple(
        _question(folder.of_question(place), place, each) for place, each in enumerate(status["questions"])
    )
    last, rest, tab = folder.sync_record.read(), rest_report(service, folder), folder.next_up.read()
    label_studio = f"{service.settings.label_studio_url}/projects/{project_id}"
    return ProjectReport(
        project=project_id,
        status=status,
        questions=questions,
        is_learned=is_learned(status),
        rounds=tuple(reversed(folder.rounds.read()[-SHOWN_ROUNDS:])),
        snippets=snippets_of(folder.tasks_file, _named_tasks(status, questions) | rest.named_tasks),
        left_out=tuple(LeftOutTasks(**left).sentence for left in status["left_out"]),
        until_training=_until_training(last),
        label_studio=label_studio,
        next_up=f"{label_studio}/data?tab={tab.view_id}" if tab is not None and tab.view_id else "",
        shows_margins=any(task["reason"].startswith("margin ") for task in status["next"]),
        has_prompt=folder.paste_prompt.exists(),
        rest=rest,
    )


def _named_tasks(status: Mapping[str, Any], questions: Sequence[QuestionReport]) -> set[int]:
    """Return the tasks that the page names: the next tasks, and tasks whose label looks wrong."""
    suspects = [suspect for question in questions if question.figures for suspect in question.figures.suspects]
    return {task["task"] for task in status["next"]} | {suspect.task_id for suspect in suspects}


def _until_training(last: SyncRecord | None) -> int | None:
    if last is None:
        return None
    facts = (each.after(last.unread.changes) for each in (last.facts, *last.further))
    return max(0, min(map(labels_until_training, facts)))


def _question(folder: ProjectFolder, place: int, status: Mapping[str, Any]) -> QuestionReport:
    # Files of another question may have stood in this place before the labeling config was changed.
    found = folder.figures.read()
    figures = found if found is not None and found.question == status["name"] else None
    trainings = tuple(each for each in folder.trainings.read() if each.question == status["name"])
    return QuestionReport(
        place=place,
        name=status["name"],
        status=status,
        figures=figures,
        trainings=trainings,
        curve=learning_curve(trainings),
        calibration=calibration_chart(figures.calibration) if figures else None,
        classes=_classes(figures) if figures else (),
        confusions=_confusions(figures) if figures else (),
        matrix=_matrix(figures) if figures else None,
        versions=tuple(_versions(folder, status["name"], trainings)),
    )


def _classes(figures: QuestionFigures) -> tuple[ClassRow, ...]:
    measured = {each.label: each for each in figures.classes}
    rows = [ClassRow(count.label, count.texts, measured.get(count.label)) for count in figures.counts]
    return tuple(sorted(rows, key=lambda row: -row.texts))


def _confusions(figures: QuestionFigures) -> tuple[Confusion, ...]:
    return tuple(each for each in figures.confusions if each.given != each.predicted)[:SHOWN_CONFUSIONS]


def _matrix(figures: QuestionFigures) -> Matrix | None:
    labels = tuple(each.label for each in figures.classes)
    if not figures.confusions or len(labels) > _MATRIX_CLASSES:
        return None
    texts = {(each.given, each.predicted): each.texts for each in figures.confusions}
    given = {each.label: max(1, each.given) for each in figures.classes}
    rows = tuple(
        tuple(
            Cell(count, round(9 * count / given[row]), row == column)
            for column in labels
            for count in [texts.get((row, column), 0)]
        )
        for row in labels
    )
    return Matrix(labels, rows)


def _versions(folder: ProjectFolder, question: str, trainings: Sequence[TrainingRecord]) -> list[VersionRow]:
    measured = {training.version: training for training in trainings}
    current = folder.registry.current()
    rows = []
    for number in reversed(folder.registry.numbers()):
        try:
            version = folder.registry.find(number)
        except VersionError:
            # A round deleted the version meanwhile, or it is damaged and was set aside, which the page says.
            continue
        if version.question not in ("", question):
            continue
        is_current = current is not None and number == current.number
        rows.append(VersionRow(version, measured.get(number), is_current, current is None or number > current.number))
    return rows
