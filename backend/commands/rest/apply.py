"""`apply`: label the rest, where a precision can be promised."""

from typing import Annotated

import typer

from backend.applying.labelling import LEAST, MOST, PRECISION, Labelling, Wanted, Written, check_promise
from backend.applying.planning import ApplyPlan
from backend.applying.reading import look_on
from backend.applying.telling import as_json, counts, refused, tell_plan, tell_seen
from backend.commands.model_dir import check_model_dir
from backend.commands.rest.bar import Bar
from backend.commands.terminal import JsonOption, ProjectOption, answer, settings_of_command
from backend.errors import CannotPromiseError
from backend.store.applied import Form, Sample
from backend.studio.client import LabelStudioClient
from backend.web.service import open_service
from model.tasks.task import Task


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
        int, typer.Option(min=0, help="First have people label so many of the texts, drawn at random; call again then.")
    ] = 0,
    undo: Annotated[bool, typer.Option("--undo", help="Delete everything that apply wrote in the project.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether it is meant.")] = False,
) -> None:
    """Label the texts that nobody labelled, where the classifier can promise a precision.

    The promise is checked on the random tenth of the order, which people label without the classifier's answer.
    Example: python -m backend apply --project 3 --precision 0.95 --dry-run
    """
    with settings_of_command() as settings:
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
            else:
                command.label(dry_run=dry_run)


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
        try:
            plan = self._labelling.plan(rest)
        except CannotPromiseError as error:
            answer(refused(str(error)), as_json=self._as_json)
            raise
        if not self._as_json:
            answer({}, *tell_plan(plan, rest.version.out_of_fold), as_json=False)
        is_written = plan.holds and bool(plan.labels) and not dry_run
        written = self._write(rest.synced.task, plan) if is_written else None
        self._answer_written(plan, written)
        check_promise(plan)

    def _answer_written(self, plan: ApplyPlan, written: Written | None) -> None:
        as_values = {"name": written.name, "form": written.form.value, "tasks": written.tasks} if written else None
        said = [f"{written.said} --undo takes them back."] if written else []
        answer({**as_json(plan), "written": as_values}, *said, as_json=self._as_json)

    def show_sample(self, size: int) -> None:
        """Have people look at a sample of what would be labelled, or say what they said so far."""
        shown = self._labelling.show_sample(size)
        if isinstance(shown, Sample):
            answer(
                {"project": self._project_id, "sample": len(shown.shown), "tasks": len(shown.labels)},
                f"{len(shown.shown)} of {len(shown.labels)} texts that would get a label come next in project "
                f"{self._project_id}, without the classifier's answer. Call this again when people have labelled them.",
                as_json=self._as_json,
            )
        else:
            answer({**as_json(shown.plan), **counts(shown)}, *tell_seen(shown), as_json=self._as_json)

    def undo(self) -> None:
        """Delete everything that was written."""
        self._confirm(f"Delete all labels that apply wrote in project {self._project_id}?")
        gone = self._labelling.undo()
        values = {"predictions_deleted": gone.predictions, "annotations_deleted": gone.annotations}
        answer({"project": self._project_id, **values}, gone.said, as_json=self._as_json)

    def _confirm(self, question: str) -> None:
        """Ask on the error output: the other one may hold JSON."""
        if not self._yes:
            typer.confirm(question, abort=True, err=True)

    def _write(self, task: Task, plan: ApplyPlan) -> Written:
        self._confirm(f"Write {len(plan.labels)} labels as {self._form.value} to project {self._project_id}?")
        return self._labelling.write(task, plan)
