"""The objects that every step of a round gets."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from backend.settings import Settings
from backend.store.project_folder import ProjectFolder
from backend.studio.client import LabelStudioClient
from backend.work.classifiers import Classifiers
from backend.work.queue import RoundQueue
from backend.work.turn import Turn
from model.learner.agreement import Agreement
from model.learner.model_version import ModelVersion
from model.learner.training import Trained, do_not_stop


@dataclass(frozen=True)
class RoundContext:
    """The settings, the project's folder, the way to Label Studio, and the turn of one round.

    Attributes:
        settings: the process's.
        folder: the project's.
        client: the project's Label Studio.
        queue: the queue of rounds, which knows the other workers.
        turn: the right to run the round; it hears of steps and progress.
        classifiers: those that the process keeps in memory.
        should_stop: whether the process wants to end: long work then ends early.
    """

    settings: Settings
    folder: ProjectFolder
    client: LabelStudioClient
    queue: RoundQueue
    turn: Turn
    classifiers: Classifiers
    should_stop: Callable[[], bool] = do_not_stop

    @property
    def project_id(self) -> int:
        """The project's id in Label Studio."""
        return self.folder.project_id

    def of_question(self, place: int) -> "RoundContext":
        """The round of one of the project's questions: the folder is the question's own."""
        return replace(self, folder=self.folder.of_question(place))

    def may_linger(self) -> bool:
        """Whether the round may go on with work that is not urgent: no other round waits for a worker."""
        return not self.queue.anybody_waits()


@dataclass(frozen=True)
class InUse:
    """The classifier that a round goes by.

    Attributes:
        version: a model version; None before the first training.
        named: the classifier of label names, where there is no model version and names tell labels apart.
    """

    version: ModelVersion | None = None
    named: Trained | None = None

    @property
    def model(self) -> int:
        """The number of the model version; 0 for none."""
        return self.version.number if self.version else 0

    @property
    def has_model(self) -> bool:
        """There is a model version."""
        return self.version is not None

    @property
    def has_names(self) -> bool:
        """Label names classify while there is no model version."""
        return self.named is not None

    @property
    def agreement(self) -> Agreement | None:
        """How people's labels agree with label names alone; None where label names do not classify."""
        return self.named.agreement if self.named else None

    @property
    def shows_answers(self) -> bool:
        """Whether people see its answers: a model version's always, those of label names once people agree."""
        return self.has_model or (self.agreement is not None and self.agreement.is_convincing)
