"""Command line: serve, worker, connect, doctor, status, rollback, prompt, paste, export."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from backend.commands.doctor import examine, print_findings
from backend.commands.exporting import export_annotations
from backend.commands.serving import serve as run_serve
from backend.logs import start_logging
from backend.rounds.llm_access import problem_at_start
from backend.rounds.order import FALLBACK
from backend.settings import Settings, load_settings
from backend.store.project_folder import ProjectFolder, known_projects
from backend.studio.connecting import connect_project
from backend.web.pasting import prompt_of, take_answer
from backend.web.service import open_service
from backend.web.status import project_status
from backend.work.worker import run_worker
from model.errors import ShortlistError, VersionError
from model.tasks.label_names import read_descriptions

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Shortlist: an ML backend for Label Studio.",
)
console = Console()
log = logging.getLogger(__name__)

ProjectOption = Annotated[int, typer.Option("--project", help="Label Studio's project id.")]
BackendUrlOption = Annotated[
    str, typer.Option("--url", help="Where Label Studio reaches this backend; default http://localhost:PORT.")
]


@app.command()
def serve() -> None:
    """Run the backend: web server, and without REDIS_URL also a private Redis and a worker."""
    with _errors_in_a_sentence():
        settings = _start()
        run_serve(settings)


@app.command()
def worker() -> None:
    """Run one worker against REDIS_URL (or the Redis of a running `serve`)."""
    with _errors_in_a_sentence():
        settings = _start()
        if problem := problem_at_start(settings):
            log.warning("event=llm_unusable fallback=%s reason=%s", FALLBACK, problem)
        run_worker(settings)


@app.command()
def connect(
    project: ProjectOption,
    url: BackendUrlOption = "",
    describe: Annotated[
        Path | None, typer.Option(help="What labels mean: a JSON file with a text by label. Also once connected.")
    ] = None,
) -> None:
    """Connect a project to this backend, as Settings → Model → Connect Model does."""
    with _errors_in_a_sentence():
        settings = _start()
        descriptions = read_descriptions(describe) if describe else None
        said = connect_project(settings, project, url or default_url(settings), descriptions)
        console.print(said, soft_wrap=True)


@app.command()
def doctor(
    project: Annotated[int, typer.Option("--project", help="Look at this project; default: all.")] = 0,
    url: BackendUrlOption = "",
) -> None:
    """Look at everything that has to work together; name what is wrong, and the fix. Exit code 1 if anything is."""
    with _errors_in_a_sentence():
        settings = _start()
        findings = examine(settings, project or None, url or default_url(settings))
        print_findings(console, findings)
        if any(not finding.is_well for finding in findings):
            raise typer.Exit(1)


@app.command()
def status() -> None:
    """Show where every connected project stands."""
    with _errors_in_a_sentence():
        settings = _start()
        service = open_service(settings)
        table = Table("project", "state", "labels", "unlabelled", "model version", "rounds", "LLM", "last error")
        for project_id in known_projects(settings.model_dir):
            row = project_status(service, project_id)
            keys = ("project", "state", "labels", "unlabelled", "model_version", "rounds")
            table.add_row(*(str(row[key]) for key in keys), _llm_in_a_word(row["llm"]), row["last_error"])
        console.print(
            table if table.row_count else "No project has connected yet: python -m backend connect --project ID"
        )


def _llm_in_a_word(llm: dict[str, Any] | None) -> str:
    """Who chose, or why nobody could; empty without an LLM."""
    if llm is None:
        return ""
    return f"{llm['problem']} ({llm['fallback']} chooses)" if llm["fallback"] else llm["problem"] or llm["source"]


@app.command()
def rollback(
    project: ProjectOption,
    to: Annotated[int, typer.Option("--to", help="Model version to use; default: the one before the current.")] = 0,
) -> None:
    """Use an earlier model version again; its order is published at once, and the next training goes on from there."""
    with _errors_in_a_sentence():
        settings = _start()
        service = open_service(settings)
        service.rounds.ping()
        number = to or _version_before_current(service.folder(project))
        service.folder(project).registry.point(number)
        service.rounds.request(project)
        console.print(f"Project {project} uses model version {number} again; its order is being published.")


def _version_before_current(folder: ProjectFolder) -> int:
    current = folder.registry.current()
    earlier = [number for number in folder.registry.numbers() if current is not None and number < current.number]
    if not earlier:
        raise VersionError(f"project {folder.project_id} has no model version before the current one on disk")
    return earlier[-1]


@app.command()
def prompt(project: ProjectOption) -> None:
    """Print what to paste into a chat window that is to choose what is labelled first; no API key needed."""
    with _errors_in_a_sentence():
        settings = _start()
        print(prompt_of(open_service(settings).folder(project)).text)


@app.command()
def paste(project: ProjectOption) -> None:
    """Take a chat window's answer from stdin; what it picked is asked for first."""
    with _errors_in_a_sentence():
        settings = _start()
        service = open_service(settings)
        service.rounds.ping()
        selection = take_answer(service.folder(project), sys.stdin.read())
        service.rounds.request(project)
        console.print(f"{len(selection.picks)} texts of project {project} are asked for first, in a moment.")


@app.command()
def export(
    project: ProjectOption,
    out: Annotated[Path, typer.Option(help="Where to: a text and its label a line, as JSON.")],
) -> None:
    """Write a project's annotations to a file, to simulate query strategies on: python -m model simulate."""
    with _errors_in_a_sentence():
        settings = _start()
        console.print(f"Wrote {export_annotations(settings, project, out)} labelled texts to {out}", soft_wrap=True)


def default_url(settings: Settings) -> str:
    """Where a Label Studio on this machine reaches us."""
    return f"http://localhost:{settings.port}"


def _start() -> Settings:
    settings = load_settings()
    start_logging(settings)
    return settings


@contextmanager
def _errors_in_a_sentence() -> Iterator[None]:
    """Errors that we understand end the command with one sentence and exit code 1."""
    try:
        yield
    except ShortlistError as error:
        Console(stderr=True).print(f"[bold red]{error.code}[/]: {escape(str(error))}", soft_wrap=True)
        sys.exit(1)
