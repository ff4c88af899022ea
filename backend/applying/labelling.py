"""Label the rest of a project, for the command `apply` and the buttons of the page: plan, sample, write, undo."""

from dataclasses import dataclass, replace

from backend.applying.by_llm import LLMRest
from backend.applying.planning import (
    ApplyPlan,
    Seen,
    draw_sample,
    in_percent,
    lost_labels,
    plan_labels,
    plan_likely,
    read_sample,
    widened,
)
from backend.applying.reading import Rest, find_question, read_now
from backend.applying.writing import undo, write_annotations, write_predictions
from backend.errors import CannotPromiseError, ConfigurationError
from backend.rounds.asking.when import when_ordered
from backend.rounds.context import RoundContext
from backend.rounds.sync import Synced
from backend.store.applied import Form, Sample
from backend.studio.config.kinds import left_open
from model.progress import Progress
from model.tasks.shares import quoted
from model.tasks.task import Task

# Default precision, and the lowest and highest that can be asked for.
PRECISION, LEAST, MOST = 0.95, 0.5, 0.999


@dataclass(frozen=True)
class Wanted:
    """The arguments of `apply`.

    Attributes:
        precision: the share of right labels to promise.
        question: control of the question; empty for the first.
        form: in which form labels are written.
    """

    precision: float = PRECISION
    question: str = ""
    form: Form = Form.PREDICTIONS


@dataclass(frozen=True)
class Written:
    """Labels that Label Studio has now.

    Attributes:
        name: name of the run of `apply`, by which Label Studio filters its labels.
        form: in which form they were written.
        tasks: number of tasks that have one.
    """

    name: str
    form: Form
    tasks: int

    @property
    def said(self) -> str:
        """The result in a sentence."""
        if self.form is Form.ANNOTATIONS:
            return (
                f"{self.tasks} texts have an annotation now. Annotations of Shortlist are marked {self.name}, and no "
                "training learns from them."
            )
        return (
            f"Label Studio has {self.tasks} predictions of the model version {self.name}, by which the Data Manager "
            "can filter. The order stays as it is."
        )


@dataclass(frozen=True)
class Deleted:
    """How many predictions and annotations of `apply` were deleted in a project."""

    project: int
    predictions: int
    annotations: int

    @property
    def said(self) -> str:
        """The result in a sentence."""
        deleted = f"{self.predictions} predictions and {self.annotations} annotations"
        return f"Deleted {deleted} of apply in project {self.project}."


class Labelling:
    """One call of `apply` for a project."""

    def __init__(self, context: RoundContext, wanted: Wanted, on_progress: Progress) -> None:
        """Check the arguments; nothing is read yet.

        Args:
            context: see `look_on`.
            wanted: the arguments.
            on_progress: called with (done, total) while labels are written or deleted.

        Raises:
            ConfigurationError: the precision lies outside LEAST to MOST.
        """
        if not LEAST <= wanted.precision <= MOST:
            raise ConfigurationError(
                f"a precision (--precision) is a share from {LEAST} to {MOST}, not {wanted.precision:g}"
            )
        self._context = context
        self._client, self._queue, self._folder = context.client, context.queue, context.folder
        self._wanted = wanted
        self._on_progress = on_progress
        self._in_use: int | None = None

    @property
    def precision(self) -> float:
        """The precision to promise."""
        return self._wanted.precision

    @property
    def when(self) -> str:
        """When people get a sample that was put first, for the end of a sentence."""
        return when_ordered(self._folder)

    def rest(self) -> Rest:
        """Read the project as it is now.

        Raises:
            ConfigurationError: annotations are wanted where a task has several questions.
            UnknownQuestionError: the project learns no question of that name.
            NoModelError: the question has no model version.
        """
        return Rest(self._context, self._synced())

    def llm_rest(self) -> LLMRest:
        """Read the project as it is now, for an LLM.

        Raises:
            ConfigurationError: annotations are wanted where a task has several questions.
            UnknownQuestionError: the project learns no question of that name.
            LLMError: there is no LLM in the settings, or no key for it.
        """
        return LLMRest(self._context, self._synced())

    def plan(self, rest: Rest) -> ApplyPlan:
        """Plan labels by the sample that people looked at, if there is one, else by the random tenth alone.

        Raises:
            CannotPromiseError: no labels let the precision be promised, or people have not labelled the whole sample.
        """
        self._in_use = rest.model
        waiting = self._waiting_sample(rest)
        if waiting is not None:
            seen = read_sample(rest, waiting)
            if seen.waiting:
                raise CannotPromiseError(
                    f"{seen.waiting} of the {len(waiting.shown)} texts of the sample wait for people: they come next "
                    f"in the order, {self.when}. Try again when they are labelled, or take the sample back (--undo)"
                )
            if not seen.is_used_up:
                return seen.plan
        return plan_labels(rest, rest.evidence(), self._wanted.precision)

    def show_sample(self, size: int) -> Sample | Seen:
        """Have people look at a sample of the texts that would get a label, or read their labels so far.

        Args:
            size: number of texts to look at; a larger number than before widens the sample.

        Returns:
            A new or wider sample, which was put first in the order; else people's labels of the present sample. After a
            sample that is used up comes a new one.

        Raises:
            CannotPromiseError: the classifier is too unsure of every text.
        """
        rest = self.rest()
        waiting = self._waiting_sample(rest)
        if waiting is not None:
            if len(waiting.shown) < min(size, len(waiting.labels)):
                return self._put_first(widened(waiting, size))
            seen = read_sample(rest, waiting)
            if not seen.is_used_up:
                return seen
        return self._put_first(draw_sample(plan_likely(rest, rest.evidence(), self._wanted.precision), size))

    def write(self, task: Task, plan: ApplyPlan) -> Written:
        """Write planned labels to Label Studio.

        Args:
            task: the question.
            plan: the labels; their promise holds.

        Raises:
            PublicationError: Label Studio stored fewer; another call goes on.
        """
        to = self._client, self._folder
        if self._wanted.form is Form.ANNOTATIONS:
            run, _ = write_annotations(*to, task, plan, self._on_progress)
        else:
            run = write_predictions(*to, task, plan, self._on_progress)
        if not plan.llm:
            self._keep_sample_for_this_version()
        self._queue.request(self._folder.project_id, are_all_named=False)
        return Written(run.name, run.form, run.tasks)

    def undo(self) -> Deleted:
        """Delete all labels that `apply` wrote in the project."""
        predictions, annotations = undo(self._client, self._folder, self._on_progress)
        self._queue.request(self._folder.project_id, changes=annotations, are_all_named=False)
        return Deleted(self._folder.project_id, predictions, annotations)

    def _synced(self) -> Synced:
        synced = find_question(read_now(self._context), self._wanted.question)
        if self._wanted.form is Form.ANNOTATIONS:
            _check_whole(synced)
        return synced

    def _waiting_sample(self, rest: Rest) -> Sample | None:
        """The labels that wait for people to look at a sample, if they are those that are asked about.

        A sample with a label that the labeling config has no more is void: nobody could give that label. Once labels
        were written, the sample counts until another model version is in use: the same labels may be wanted in the
        other form, and a newer version gives better ones.
        """
        sample, task = self._folder.sample.read(), rest.synced.task
        if sample is None or (sample.question, sample.precision) != (task.control, self._wanted.precision):
            return None
        is_over = sample.written_under is not None and sample.written_under != rest.model
        return None if is_over or lost_labels(sample.labels, task) else sample

    def _keep_sample_for_this_version(self) -> None:
        sample = self._folder.sample.read()
        if sample is None:
            return
        if self._in_use is None:
            # An errand that goes on after rounds does not know what version its plan was made under.
            self._folder.sample.remove()
        else:
            self._folder.sample.write(replace(sample, written_under=self._in_use))

    def _put_first(self, sample: Sample) -> Sample:
        self._folder.sample.write(sample)
        self._queue.request(self._folder.project_id)
        return sample


def _check_whole(synced: Synced) -> None:
    """See that a label of the question answers all that a task asks.

    Raises:
        ConfigurationError: it does not; names what would stay open.
    """
    others = left_open(synced.project.label_config, synced.task.control)
    if others:
        raise ConfigurationError(
            f"annotations (--as-annotations) would leave {', '.join(map(quoted, others))} unanswered, and Label Studio "
            "would call the tasks done: write predictions instead"
        )


def check_promise(plan: ApplyPlan) -> None:
    """Check that a plan keeps the precision that was asked for.

    Raises:
        CannotPromiseError: the plan does not.
    """
    if not plan.holds:
        raise CannotPromiseError(broken_promise(plan))


def broken_promise(plan: ApplyPlan) -> str:
    """Return the message for a plan that does not keep the precision that was asked for."""
    return (
        f"a precision of {in_percent(plan.precision)} cannot be promised by this sample: try a larger sample "
        "(--sample) or a lower precision (--precision)"
    )
