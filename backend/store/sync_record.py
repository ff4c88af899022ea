"""How a project stood after its last round: enough to see from a few counts whether anything is due."""

from dataclasses import dataclass, replace

from model.llm.asking import Checks


@dataclass(frozen=True)
class OrderFacts:
    """How the order in use fits the project.

    Attributes:
        model_fits: it was made by the model version in use.
        settings_fit: by the present labeling config and settings.
        tasks_fit: it has every text that wants a label, as the text is now.
        labels_since: tasks that were labelled since it was made.
        llm_reason: why an LLM's choice, or the end of it, calls for a new order; empty if it does not.
        hand_over_at: with how many labels the LLM hands over to a query strategy; None where it has no say.
        left: tasks of its queue that still want labels.
        least_left: with fewer than these left, the queue is used up.
        follows_labels: every label calls for a new order at once.
        has_all_labels: it knew of every label there is.
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
    """Everything that decides what a round does.

    Attributes:
        labels: labelled tasks.
        waiting: tasks that want a label.
        can_teach: the labels are of enough classes for a training to learn anything.
        trained_labels: how many labels the newest model version was trained on; None if there is none of these classes.
        is_outdated: that version has another recipe, encoder or other label descriptions than the project now.
        changed_labels: labels that came, changed or went since that training.
        retrain_every: the setting.
        query_size: the setting, a batch.
        order: the order in use; None before the first.
        asked_to_train: somebody pressed Start Training.
        labels_since_failure: labels that came since the last training failed; None if it did not fail.
        ask_llm_at: when an LLM that failed is asked again, in seconds since 1970; None if none failed.
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
        """The facts once some annotations more have come, each taken for a new label of a new class.

        So a round that is due is never missed; at worst the project is read once for nothing. The queue is not taken
        for used up: a used-up batch calls for an order earlier.
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
    """Why a training failed: the error's code, and a sentence."""

    code: str
    message: str


@dataclass(frozen=True)
class Agreed:
    """On how many of the compared labelled texts label names alone said what people said."""

    agreed: int
    of: int


@dataclass(frozen=True)
class SyncRecord:
    """How a project stood after its last full round.

    Attributes:
        identity: stands for settings, encoder, number of tasks, model version and an LLM's choice: where it changed,
            the facts are void.
        annotations: how many Label Studio counted.
        unseen: changes that events told of since, and that called for nothing.
        facts: what decides what is due.
        labels: labelled tasks, kept up by counts between full rounds.
        left: tasks that want a label, likewise.
        has_llm_a_say: whether an LLM chooses what is labelled.
        failure: why the last training failed; None if it did not.
        llm_checks: how often people agreed with an LLM's labels that they had not seen.
        names: how label names alone fare; None where nothing was compared.
    """

    identity: tuple[str, ...]
    annotations: int
    unseen: int
    facts: Facts
    labels: int
    left: int
    has_llm_a_say: bool
    failure: Failure | None
    llm_checks: Checks
    names: Agreed | None

    def counted_anew(self, labelled_tasks: int, unseen: int) -> "SyncRecord":
        """The record after a round that found nothing due.

        Args:
            labelled_tasks: how many tasks Label Studio counts as labelled.
            unseen: changes that events told of since the last full round.
        """
        left = max(0, self.left - (labelled_tasks - self.labels))
        return replace(self, labels=labelled_tasks, left=left, unseen=unseen)
