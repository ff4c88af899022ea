"""`apply`: label the rest, where a precision can be promised."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import typer

from backend.applying.by_llm import check_sample, plan_by_llm
from backend.applying.labelling import LEAST, MOST, PRECISION, Labelling, Wanted, Written, check_promise
from backend.applying.planning import ApplyPlan
from backend.applying.reading import look_on
from backend.applying.telling import as_json, counts, refused, tell_drawn, tell_plan, tell_seen
from backend.commands.model_dir import check_model_dir
from backend.commands.rest.bar import Bar
from backend.commands.terminal import JsonOption, ProjectOption, answer, settings_of_command
from backend.errors import CannotPromiseError, ConfigurationError
from backend.store.applied import Form, Sample
from backend.studio.client import LabelStudioClient
from backend.web.service import open_service
from model.learner.evaluation import Evaluation
from model.tasks.task import Task


class Giver(StrEnum):
    """Who gives the labels."""

    CLASSIFIER = "classifier"
    LLM = "llm"


def apply(
    project: ProjectOption,
    precision: Annotated[
        float, typer.Option(min=LEAST, max=MOST, help="The share of right labels to promise.")
    ] = PRECISION,
    *,
    question: Annotated[str, typer.Option(help="Control of the question to answer; default: the first.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be labelled, and write nothing.")] = False,
    json_out: JsonOption = False,
    as_annotations: Annotated[
        bool, typer.Option("--as-annotations", help="Write annotations, marked as the backend's; they teach nothing.")
    ] = False,
    sample: Annotated[
        int, typer.Option(min=0, help="First have people label this many random ones of the texts; then apply again.")
    ] = 0,
    undo: Annotated[bool, typer.Option("--undo", help="Delete everything that apply wrote in the project.")] = False,
    giver: Annotated[
        Giver, typer.Option("--with", help="Who gives the labels: the classifier, or the LLM of LLM_PROVIDER.")
    ] = Giver.CLASSIFIER,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Label the texts that nobody labelled, where the classifier can promise a precision.

    The promise is checked on the random tenth of the order, which people label without the classifier's answer.
    Example: python -m backend apply --project 3 --precision 0.95 --dry-run
    """
    _check_asked(undo=undo, sample=sample, dry_run=dry_run)
    with settings_of_command() as settings:
        if giver is Giver.LLM and sample:
            raise ConfigurationError("--sample is for the classifier: an LLM's labels are checked on the random tenth")
        check_model_dir(settings.model_dir, may_write=True)
        queue = open_service(settings).rounds
        queue.ping()
        wanted = Wanted(precision, question, Form.ANNOTATIONS if as_annotations else Form.PREDICTIONS)
        with LabelStudioClient(settings) as client, Bar() as bar:
            labelling = Labelling(look_on(settings, client, queue, project, bar), wanted, bar)
            command = Apply(labelling, project, wanted.form, as_json=json_out, yes=yes)
            if undo:
                command.undo()
            elif sample:
                command.show_sample(sample)
            elif giver is Giver.LLM:
                command.label_by_llm(dry_run=dry_run)
            else:
                command.label(dry_run=dry_run)


def _check_asked(*, undo: bool, sample: int, dry_run: bool) -> None:
    """See that one thing is asked for; a dry run that deletes labels or changes the order would be none."""
    if undo and sample:
        raise typer.BadParameter("--undo takes a sample back, too: call apply once with --undo, then with --sample")
    if dry_run and (undo or sample):
        raise typer.BadParameter(
            f"--dry-run is about labels that would be written: leave it out with {'--undo' if undo else '--sample'}, "
            "which changes something in any case"
        )


class Apply:
    """One call of the command: it asks people, and says what was done."""

    def __init__(self, labelling: Labelling, project_id: int, form: Form, *, as_json: bool, yes: bool) -> None:
        self._labelling = labelling
        self._project_id = project_id
        self._form = form
        self._as_json = as_json
        self._yes = yes

    def label(self, *, dry_run: bool) -> None:
        """Say what would be labelled, and label it.

        Raises:
            CannotPromiseError: the precision cannot be promised.
        """
        rest = self._labelling.rest()
        with self._refusals():
            plan = self._labelling.plan(rest)
        self._say_and_write(plan, rest.version.out_of_fold, rest.synced.task, dry_run=dry_run)

    def label_by_llm(self, *, dry_run: bool) -> None:
        """Say what the LLM would cost, ask it, say what it would label, and label it.

        Raises:
            CannotPromiseError: the precision cannot be promised.
            LLMError: the LLM does not answer; its answers so far are remembered.
        """
        rest, precision = self._labelling.llm_rest(), self._labelling.precision
        with self._refusals():
            check_sample(rest, precision)
        if len(rest.rows_N):
            cost = rest.cost()
            if dry_run:
                answer(asdict(cost), f"{cost.in_words()} Nothing was asked.", as_json=self._as_json)
                return
            self._confirm(f"{cost.in_words()} Ask {rest.llm}?")
        with self._refusals():
            plan = plan_by_llm(rest, precision)
        self._say_and_write(plan, None, rest.synced.task, dry_run=dry_run)

    def show_sample(self, size: int) -> None:
        """Have people look at a sample of the texts that would get a label, or report their labels so far."""
        shown = self._labelling.show_sample(size)
        if isinstance(shown, Sample):
            answer(
                {"project": self._project_id, "sample": len(shown.shown), "tasks": len(shown.labels)},
                tell_drawn(shown, self._labelling.when),
                as_json=self._as_json,
            )
        else:
            answer({**as_json(shown.plan), **counts(shown)}, *tell_seen(shown), as_json=self._as_json)

    def undo(self) -> None:
        """Delete all labels of `apply`, after confirmation."""
        self._confirm(f"Delete all labels that apply wrote in project {self._project_id}?")
        gone = self._labelling.undo()
        values = {"predictions_deleted": gone.predictions, "annotations_deleted": gone.annotations}
        answer({"project": self._project_id, **values}, gone.said, as_json=self._as_json)

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """Print a refusal as JSON, too, if JSON is wanted."""
        try:
            yield
        except CannotPromiseError as error:
            answer(refused(str(error)), as_json=self._as_json)
            raise

    def _say_and_write(self, plan: ApplyPlan, known: Evaluation | None, task: Task, *, dry_run: bool) -> None:
        if not self._as_json:
            answer({}, *tell_plan(plan, known), as_json=False)
        is_written = plan.holds and bool(plan.labels) and not dry_run
        written = self._write(task, plan) if is_written else None
        as_values = {"name": written.name, "form": written.form.value, "tasks": written.tasks} if written else None
        said = [f"{written.said} --undo takes them back."] if written else []
        answer({**as_json(plan), "written": as_values}, *said, as_json=self._as_json)
        check_promise(plan)

    def _confirm(self, question: str) -> None:
        """Ask on stderr, since stdout may hold JSON."""
        if not self._yes:
            typer.confirm(question, abort=True, err=True)

    def _write(self, task: Task, plan: ApplyPlan) -> Written:
        self._confirm(f"Write {len(plan.labels)} labels as {self._form.value} to project {self._project_id}?")
        return self._labelling.write(task, plan)
