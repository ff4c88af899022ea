"""The state of a project after its last full round. With it, a few counts tell whether work is due."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from model.judging.pace import Pace
from model.tasks.classification.llm import Checks
from model.tasks.free_text.llm import DraftFigures
from model.types import LeftOut

# Most ids of changed tasks that are kept. Beyond, a round finds changed tasks by their update times.
MOST_NAMED = 5_000
# Most reasons for left-out answers that are kept, and most tasks that are named for each.
MOST_REASONS, NAMED_TASKS = 10, 10
UNREADABLE = "Label Studio itself answers 500 where the text or an answer is to be shown; it may hold half a character"


@dataclass(frozen=True)
class OrderFacts:
    """How well the order in use fits the project.

    Attributes:
        model_fits: the model version in use made the order.
        settings_fit: the labeling config and the settings are the same as when the order was made.
        tasks_fit: the order holds every text that needs a label, unchanged.
        labels_since: number of tasks labelled since the order was made.
        llm_reason: why an LLM's choice, or the end of its choices, needs a new order; empty if it needs none.
        hand_over_at: number of labels at which a query strategy replaces the LLM; None if no LLM chooses.
        left: number of queued tasks that need a label.
        least_left: the queue is used up if fewer tasks than this are left.
        follows_labels: every new label needs a new order at once.
        has_all_labels: the order was made with all present labels.
    """

    model_fits: bool
    settings_fit: bool
    tasks_fit: bool
    labels_since: int
    llm_reason: str
    hand_over_at: int | None
    left: int
    least_left: int
    follows_labels: bool
    has_all_labels: bool


@dataclass(frozen=True)
class Facts:
    """All facts that decide what a round does.

    Attributes:
        labels: number of labelled tasks.
        waiting: number of tasks that need a label.
        can_teach: the labels have enough classes to train on.
        trained_labels: number of labels behind the newest model version; None without a version of the same classes.
        is_outdated: the recipe, the encoder or the label descriptions changed since the newest model version.
        changed_labels: number of labels added, changed or deleted since the newest model version.
        retrain_every: the setting RETRAIN_EVERY.
        query_size: the setting QUERY_SIZE.
        order: the order in use; None before the first order.
        asked_to_train: a person pressed Start Training.
        labels_since_failure: number of new labels since the last training failed; None if it did not fail.
        ask_llm_at: time to ask a failed LLM again, in seconds since 1970; None if the LLM did not fail.
    """

    labels: int
    waiting: int
    can_teach: bool
    trained_labels: int | None
    is_outdated: bool
    changed_labels: int
    retrain_every: int
    query_size: int
    order: OrderFacts | None
    asked_to_train: bool = False
    labels_since_failure: int | None = None
    ask_llm_at: float | None = None

    def after(self, annotations: int) -> "Facts":
        """Estimate the facts after further annotations, as if each were a new label of a new class.

        The estimate never misses due work; at worst a round reads the project in vain. The queue does not shrink: a
        used-up batch needs a new order earlier than a used-up queue.

        Args:
            annotations: number of further annotations.
        """
        if not annotations:
            return self
        failed = self.labels_since_failure
        return replace(
            self,
            labels=self.labels + annotations,
            can_teach=True,
            changed_labels=self.changed_labels + annotations,
            labels_since_failure=None if failed is None else failed + annotations,
            order=self.order
            and replace(self.order, labels_since=self.order.labels_since + annotations, has_all_labels=False),
        )


@dataclass(frozen=True)
class Failure:
    """A training's error: its code and its message."""

    code: str
    message: str


@dataclass(frozen=True)
class LeftOutTasks:
    """Tasks with an answer that nothing can be learned from, or without a text that can be read, for one reason.

    Attributes:
        reason: completes "left out, because …".
        tasks: number of tasks.
        first: the first task ids.
        are_answered: they have an answer.
    """

    reason: str
    tasks: int
    first: tuple[int, ...]
    are_answered: bool = True

    @property
    def sentence(self) -> str:
        """Which tasks have such an answer, or no text that can be read, and why they are left out."""
        named = ", ".join(map(str, self.first)) + (" and others" if self.tasks > len(self.first) else "")
        if not self.are_answered:
            left_out = f"task {named} is" if self.tasks == 1 else f"{self.tasks} tasks ({named}) are"
            return f"{left_out} left out, because {self.reason}"
        tasks = f"task {named} has an answer" if self.tasks == 1 else f"{self.tasks} tasks ({named}) have an answer"
        return f"{tasks} that is not learned from, because {self.reason}"

    @property
    def mend(self) -> str:
        """What to do about them."""
        if not self.are_answered:
            return "delete these tasks in Label Studio, and import their texts anew; all others are read"
        return "correct or delete these answers; all others are learned from"


def summarise(left_out: Iterable[LeftOut], unreadable: Collection[int] = ()) -> tuple[LeftOutTasks, ...]:
    """Count the tasks of each reason, the commonest reasons first; beyond MOST_REASONS, the others are one.

    Args:
        left_out: answers that nothing can be learned from.
        unreadable: tasks that Label Studio itself fails to show; they come first.
    """
    unread = (_tasks(UNREADABLE, unreadable, are_answered=False),) if unreadable else ()
    by_reason: dict[str, dict[int, None]] = {}
    for left in left_out:
        by_reason.setdefault(left.reason, {})[left.task_id] = None
    ranked = sorted(by_reason.items(), key=lambda reason: -len(reason[1]))
    shown = [_tasks(reason, task_ids) for reason, task_ids in ranked[:MOST_REASONS]]
    others = {task_id: None for _, task_ids in ranked[MOST_REASONS:] for task_id in task_ids}
    rest = (_tasks(f"of {len(ranked) - MOST_REASONS} other reasons", others),) if others else ()
    return (*unread, *shown, *rest)


def _tasks(reason: str, task_ids: Collection[int], *, are_answered: bool = True) -> LeftOutTasks:
    return LeftOutTasks(reason, len(task_ids), tuple(sorted(task_ids)[:NAMED_TASKS]), are_answered)


@dataclass(frozen=True)
class NoText:
    """Most tasks that wait have no text where the labeling config looks for it.

    Attributes:
        tasks: number of waiting tasks without text.
        of: number of waiting tasks.
        asked: the keys of a task's data that the labeling config names.
        found: the keys that the first of these tasks have.
    """

    tasks: int
    of: int
    asked: tuple[str, ...]
    found: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """How many tasks have no text, where it was looked for, and which keys there are."""
        asked, found = (", ".join(map(repr, keys)) or "none" for keys in (self.asked, self.found))
        counted = f"{self.tasks} of {self.of} tasks have no text"
        return f"{counted}: the labeling config asks for {asked}, and the tasks have {found}"


@dataclass(frozen=True)
class Agreed:
    """Agreement between people's labels and a classifier of label names alone.

    Attributes:
        agreed: number of texts with the same label from both.
        of: number of compared texts.
    """

    agreed: int
    of: int


@dataclass(frozen=True)
class Unread:
    """Changes that events told of and that no round has read yet, because no work was due.

    Attributes:
        changes: number of changed annotations or tasks.
        tasks: ids of changed tasks.
        are_all_named: `tasks` holds every changed task, as far as events told.
    """

    changes: int = 0
    tasks: frozenset[int] = frozenset()
    are_all_named: bool = True

    def after(self, changes: int, tasks: frozenset[int], *, are_all_named: bool) -> "Unread":
        """Return the unread changes after further ones; too many tasks are not named any more.

        Args:
            changes: number of further changes.
            tasks: ids of further changed tasks.
            are_all_named: `tasks` holds every further changed task.
        """
        both = self.tasks | tasks
        can_name = len(both) <= MOST_NAMED
        return Unread(
            self.changes + changes, both if can_name else frozenset(), self.are_all_named and are_all_named and can_name
        )


@dataclass(frozen=True)
class SyncRecord:
    """The state of a project after its last full round.

    Attributes:
        identity: settings, encoder, number of tasks, model version and time of the LLM's choice; if one of them
            changes, the facts no longer hold.
        annotations: number of annotations that Label Studio counted.
        facts: the facts that decide what is due, of the project's first question.
        labels: number of labelled tasks; rounds without due work update it from Label Studio's counts.
        left: number of tasks that need a label; updated like `labels`.
        has_llm_a_say: an LLM chooses the next texts.
        failure: error of the last training; None if it succeeded.
        llm_checks: how often people's blind labels agreed with the LLM's labels, for the project's first question.
        names: how often people's labels agreed with label names alone; None without a comparison.
        unread: changes since the last full round for which no work was due.
        further: the facts of the project's further questions.
        labelled_tasks: number of tasks that Label Studio counted as labelled; ground truth is not among them.
        left_out: answers that no training learns from.
        questions: control of each of the project's questions, in the order of the labeling config.
        no_text: set if most of the waiting tasks have no text.
        further_llm_checks: the same as `llm_checks`, for the project's further questions.
        drafts: what came of an LLM's drafts; None unless the project's question is answered in free text.
        pace: how fast people label; None while nobody can tell.
        unlearned: controls of the questions that no classifier learns.
        applied: number of tasks whose only labels this backend gave.
    """

    identity: tuple[str, ...]
    annotations: int
    facts: Facts
    labels: int
    left: int
    has_llm_a_say: bool
    failure: Failure | None
    llm_checks: Checks
    names: Agreed | None
    unread: Unread = Unread()
    further: tuple[Facts, ...] = ()
    labelled_tasks: int | None = None
    left_out: tuple[LeftOutTasks, ...] = ()
    questions: tuple[str, ...] = ()
    no_text: NoText | None = None
    further_llm_checks: tuple[Checks, ...] = ()
    drafts: DraftFigures | None = None
    pace: Pace | None = None
    unlearned: tuple[str, ...] = ()
    applied: int = 0

    @property
    def llm_checks_by_question(self) -> dict[str, Checks]:
        """How often people agreed with the LLM's labels for each question, by its control, at the last full round."""
        return dict(zip(self.questions, (self.llm_checks, *self.further_llm_checks), strict=False))

    @property
    def labels_by_question(self) -> dict[str, int]:
        """Number of texts that answer each question, by its control, at the last full round."""
        return {name: facts.labels for name, facts in zip(self.questions, (self.facts, *self.further), strict=False)}

    def counted_anew(self, labelled_tasks: int, unread: Unread) -> "SyncRecord":
        """Return the record after a round without due work.

        Args:
            labelled_tasks: number of tasks that Label Studio counts as labelled.
            unread: changes since the last full round.
        """
        before = self.labels if self.labelled_tasks is None else self.labelled_tasks
        came = labelled_tasks - before
        return replace(
            self,
            labels=max(0, self.labels + came),
            left=max(0, self.left - came),
            labelled_tasks=labelled_tasks,
            unread=unread,
        )
