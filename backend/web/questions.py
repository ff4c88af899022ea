"""The questions of a project as MODEL_DIR has them, and texts as the questions read them."""

from collections.abc import Sequence
from dataclasses import dataclass

from backend.errors import NoModelError, UnknownQuestionError, UnsupportedConfigError
from backend.store.project_folder import ProjectFolder
from backend.studio.config.kinds import read_tasks
from backend.studio.markup import words_of
from model.encoder.encoder import MAX_CHARACTERS
from model.export.answers import AnswerForm, form_of
from model.learner.model_version import ModelVersion
from model.tasks.shares import quoted
from model.tasks.task import Task


@dataclass(frozen=True)
class AskedQuestion:
    """A question of a project, asked now or before.

    Attributes:
        name: its control; empty for a version of an early release without a labeling config.
        folder: the folder of its model versions.
        task: the question as the labeling config asks it; None if no labeling config is known.
    """

    name: str
    folder: ProjectFolder
    task: Task | None = None

    def is_of(self, version: ModelVersion) -> bool:
        """Whether a version answers this question, with the present labels or earlier ones."""
        return version.question in ("", self.name)

    def form(self, version: ModelVersion) -> AnswerForm:
        """The form of a version's answers."""
        return form_of(version.label_set, is_ordered=self.task is not None and self.task.is_ordered)


@dataclass(frozen=True)
class Questions:
    """The questions of a project, the first one first.

    Attributes:
        asked: at least one.
        is_markup: the project's texts are HTML.
    """

    asked: tuple[AskedQuestion, ...]
    is_markup: bool

    def find(self, name: str) -> AskedQuestion:
        """Return the question of a name; the first for an empty name.

        Raises:
            UnknownQuestionError: there is no such question; the message names the questions.
        """
        found = [question for question in self.asked if not name or question.name == name]
        if not found:
            names = ", ".join(quoted(question.name) for question in self.asked)
            raise UnknownQuestionError(f"the project asks no question {quoted(name)}: it asks {names}")
        return found[0]

    def read(self, texts: Sequence[str]) -> list[str]:
        """Return texts as an encoder gets them in a round: HTML without markup, cut where encoders stop reading."""
        read = words_of if self.is_markup else str.strip
        # A tokenizer fails on half a surrogate pair.
        return [read(text)[:MAX_CHARACTERS].encode("utf-8", "replace").decode("utf-8") for text in texts]


def questions_of(folder: ProjectFolder) -> Questions:
    """The project's questions, by the labeling config of the last full round, else by its model versions.

    Raises:
        UnknownProjectError: nothing is kept of the project.
    """
    folder.check_exists()
    tasks = _tasks(folder)
    asked = [AskedQuestion(task.control, folder.of_question(place), task) for place, task in enumerate(tasks)]
    is_markup = any(field.kind == "HyperText" for task in tasks for field in task.fields)
    return Questions(tuple(asked or _by_versions(folder)), is_markup)


def _tasks(folder: ProjectFolder) -> tuple[Task, ...]:
    """The questions that a classifier learns; none before the first full round."""
    config = folder.label_config.read()
    try:
        return tuple(task for task in read_tasks(config) if task.is_learned) if config else ()
    except UnsupportedConfigError:
        # An earlier release read it.
        return ()


def _by_versions(folder: ProjectFolder) -> list[AskedQuestion]:
    found = []
    for each in (folder, *folder.of_further_questions()):
        version = each.registry.current()
        found.append(AskedQuestion(version.question if version else "", each))
    return found


def no_model(folder: ProjectFolder) -> NoModelError:
    """The error of a project, or of a question, without a model version."""
    return NoModelError(
        f"project {folder.project_id} has no model version yet: the first is trained once enough texts are labelled "
        "(RETRAIN_EVERY)"
    )
