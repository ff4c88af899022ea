"""`make demo`: a real Label Studio, the backend, and an annotator who labels in the order served, beside random."""

import signal
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from backend.studio.connecting import connect_project
from examples.annotator import Annotator
from examples.demo_servers import DemoServers, start_servers
from examples.learner import Gold, Learner, read_gold
from examples.story import LABELS_A_ROUND, Story
from model.encoder.processor import use_available_cores
from model.errors import ShortlistError
from model.types import LabelSet


def main(
    label_studio: Annotated[Path, typer.Option("--label-studio", help="The label-studio program.")],
    exit_after: Annotated[bool, typer.Option("--exit", help="End by itself instead of waiting for Ctrl-C.")] = False,
) -> None:
    """Start a real Label Studio and the backend, and label as an annotator would, beside a random order."""
    try:
        run_demo(Console(), label_studio, exit_after)
    except ShortlistError as error:
        Console(stderr=True).print(f"[bold red]{error.code}[/]: {escape(str(error))}", soft_wrap=True)
        raise SystemExit(1) from None


def run_demo(console: Console, label_studio: Path, exit_after: bool) -> None:
    """Start the servers, create the project, tell the story, and stop the servers.

    Raises:
        ServerError: a server does not start.
        DemoError: a round does not end. Both messages name the log to read.
    """
    began = time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    use_available_cores()
    pool, heldout = read_gold("pool"), read_gold("heldout")
    label_set = LabelSet(tuple(sorted(set(pool.labels))))
    try:
        with start_servers(console, label_studio) as servers:
            project_id = create_project(console, servers, pool, label_set)
            annotator = Annotator(servers, project_id, dict(zip(pool.texts, pool.labels, strict=True)))
            Story(console, annotator, Learner(pool, heldout, label_set)).tell()
            console.print(f"\nDone in {time.monotonic() - began:.0f} s.")
            if not exit_after:
                _leave_running(console, servers, project_id)
    except KeyboardInterrupt:
        console.print("\nStopped. What the demo made stays in demo-data/ until the next demo.")


def create_project(console: Console, servers: DemoServers, pool: Gold, label_set: LabelSet) -> int:
    """Create a project with the example texts and connect the backend to it."""
    choices = "".join(f'<Choice value="{label}"/>' for label in label_set.labels)
    config = f'<View><Text name="text" value="$text"/><Choices name="intent" toName="text">{choices}</Choices></View>'
    with console.status("Creating a project with 1,000 questions of bank customers"):
        project = servers.client.projects.create(title="Bank customers' intents", label_config=config)
        project_id = int(project.id)
        servers.client.projects.import_tasks(project_id, request=[{"text": text} for text in pool.texts])
    console.print(connect_project(servers.settings, project_id, servers.backend.url), soft_wrap=True)
    return project_id


def _leave_running(console: Console, servers: DemoServers, project_id: int) -> None:
    """Print the addresses and the password, and wait for Ctrl-C."""
    console.print(
        f"\nLabel Studio   {servers.label_studio.url}/projects/{project_id}\n"
        f"sign in as     {servers.account.email}\n"
        f"password       {servers.account.password}\n"
        f"the page       {servers.backend.url}/projects/{project_id}\n\n"
        "What to try:\n"
        "  · Label All Tasks: texts come in the published order, the model's answer preselected.\n"
        f"  · Label {LABELS_A_ROUND} more: BERT is retrained while you go on, and the order changes.\n"
        "  · Settings → Model: the connected backend; Start Training in its menu trains at once.\n"
        "  · The prediction score in the Data Manager is the place in the order: 0 is next.\n\n"
        "Ctrl-C stops both.",
        soft_wrap=True,
        highlight=False,
    )
    servers.wait()


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    app()
