"""`apply`: label the rest, where a precision can be promised."""

import json
from dataclasses import dataclass
from typing import Annotated

import typer

from backend.applying.planning import ApplyPlan, draw_sample, plan_labels, plan_likely, read_sample, widened
from backend.applying.reading import Rest, find_question, look_on, read_now
from backend.applying.writing import undo as undo_all
from backend.applying.writing import write_annotations, write_predictions
from backend.commands.model_dir import check_model_dir
from backend.commands.rest.bar import Bar
from backend.commands.rest.saying import as_json, counts, refused, say_plan, say_seen
from backend.commands.terminal import ProjectOption, say, settings_of_command
from backend.errors import CannotPromiseError, ConfigurationError
from backend.rounds.context import RoundContext
from backend.store.applied import Sample
from backend.studio.client import LabelStudioClient
from backend.web.service import open_service

_PRECISION, _SAMPLE = 0.95, 30


def apply(
    project: ProjectOption,
    precision: Annotated[float, typer.Option(help="The share of right labels to promise, 0.5 to 0.999.")] = _PRECISION,
    *,
    question: Annotated[str, typer.Option(help="Control of the question to answer; default: the first.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be labelled, and write nothing.")] = False,
    json_out: Annotated[bool, typer.Option("--json", help="Say it as JSON.")] = False,
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
        if not 0.5 <= precision <= 0.999:
            raise ConfigurationError(f"--precision takes a share from 0.5 to 0.999, not {precision:g}")
        check_model_dir(settings.model_dir, may_write=True)
        queue = open_service(settings).rounds
        queue.ping()
        with LabelStudioClient(settings) as client, Bar() as bar:
            wanted = Wanted(project, precision, question, json_out, as_annotations, yes)
            command = Apply(look_on(settings, client, queue, project, bar), wanted, bar)
            if undo:
                command.undo()
            elif sample:
                command.show_sample(sample)
            else:
                command.label(dry_run=dry_run)


@dataclass(frozen=True)
class Wanted:
    """What the command line asks for; see `apply`."""

    project: int
    precision: float
    question: str
    as_json: bool
    as_annotations: bool
    yes: bool


class Apply:
    """One call of the command."""

    def __init__(self, context: RoundContext, wanted: Wanted, bar: Bar) -> None:
        self._context = context
        self._client, self._queue, self._folder = context.client, context.queue, context.folder
        self._wanted = wanted
        self._bar = bar

    def label(self, *, dry_run: bool) -> None:
        """Say what would be labelled, and label it.

        Raises:
            CannotPromiseError: the precision cannot be promised.
        """
        try:
            rest, plan = self._plan()
        except CannotPromiseError as error:
            if self._wanted.as_json:
                print(json.dumps(refused(str(error))))
            raise
        if self._wanted.as_json:
            print(json.dumps(as_json(plan)))
        else:
            say_plan(plan, rest.version.out_of_fold)
        if not plan.holds:
            raise CannotPromiseError(
                f"a precision of {plan.precision:.0%} cannot be promised by this sample: try a larger --sample or a "
                "lower --precision"
            )
        if not dry_run and plan.labels:
            self._write(rest, plan)

    def show_sample(self, size: int) -> None:
        """Have people look at a sample of what would be labelled, or say what they said so far."""
        rest = self._rest()
        waiting = self._waiting_sample(rest)
        if waiting is None:
            plan = plan_likely(rest, rest.evidence(), self._wanted.precision)
            self._ask(draw_sample(plan, size))
        elif size > len(waiting.shown):
            self._ask(widened(waiting, size))
        else:
            seen = read_sample(rest, waiting)
            if self._wanted.as_json:
                print(json.dumps({**as_json(seen.plan), **counts(seen)}))
            else:
                say_seen(seen)

    def undo(self) -> None:
        """Delete everything that was written."""
        self._confirm(f"Delete all labels that apply wrote in project {self._wanted.project}?")
        predictions, annotations = undo_all(self._client, self._folder, self._bar)
        self._queue.request(self._wanted.project, changes=annotations, are_all_named=False)
        deleted = f"{predictions} predictions and {annotations} annotations"
        say(f"Deleted {deleted} of apply in project {self._wanted.project}.")

    def _confirm(self, question: str) -> None:
        """Ask on the error output: the other one may hold JSON."""
        if not self._wanted.yes:
            typer.confirm(question, abort=True, err=True)

    def _rest(self) -> Rest:
        """Read the project as it is now."""
        questions = read_now(self._context)
        synced = find_question(questions, self._wanted.question)
        if self._wanted.as_annotations and len(questions) > 1:
            raise ConfigurationError(
                f"--as-annotations would leave {len(questions) - 1} of the project's {len(questions)} questions "
                "unanswered, and Label Studio would call the tasks done: write predictions instead"
            )
        return Rest(self._context, synced)

    def _plan(self) -> tuple[Rest, ApplyPlan]:
        """Plan labels by the sample that people looked at, if there is one, else by the random tenth alone."""
        rest = self._rest()
        waiting = self._waiting_sample(rest)
        if waiting is not None:
            seen = read_sample(rest, waiting)
            if seen.waiting:
                raise CannotPromiseError(
                    f"{seen.waiting} of the {len(waiting.shown)} texts of the sample wait for people: they come next "
                    "in the order. Call again when they are labelled, or take the sample back with --undo"
                )
            return rest, seen.plan
        return rest, plan_labels(rest, rest.evidence(), self._wanted.precision)

    def _waiting_sample(self, rest: Rest) -> Sample | None:
        """The labels that wait for people to look at a sample, if they are those that are asked about."""
        sample, asked = self._folder.sample.read(), (rest.synced.task.control, self._wanted.precision)
        return sample if sample and (sample.question, sample.precision) == asked else None

    def _ask(self, sample: Sample) -> None:
        """Put a sample first in the order."""
        self._folder.sample.write(sample)
        self._queue.request(self._wanted.project)
        say(
            f"{len(sample.shown)} of {len(sample.labels)} texts that would get a label come next in project "
            f"{self._wanted.project}, without the classifier's answer. Call this again when people have labelled them."
        )

    def _write(self, rest: Rest, plan: ApplyPlan) -> None:
        form = "annotations" if self._wanted.as_annotations else "predictions"
        self._confirm(f"Write {len(plan.labels)} labels as {form} to project {self._wanted.project}?")
        write = self._write_annotations if self._wanted.as_annotations else self._write_predictions
        said = write(rest, plan)
        self._folder.sample.remove()
        self._queue.request(self._wanted.project, are_all_named=False)
        if not self._wanted.as_json:
            say(f"{said} --undo takes them back.")

    def _write_predictions(self, rest: Rest, plan: ApplyPlan) -> str:
        run = write_predictions(self._client, self._folder, rest.synced.task, plan, self._bar)
        return (
            f"Label Studio has {run.tasks} predictions of the model version {run.name}: filter by it in the Data "
            "Manager. The order stays as it is."
        )

    def _write_annotations(self, rest: Rest, plan: ApplyPlan) -> str:
        run, written = write_annotations(self._client, self._folder, rest.synced.task, plan, self._bar)
        return f"Wrote {written} annotations, marked {run.name}: nothing is learned from them."
