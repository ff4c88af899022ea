"""The console, the options, and the way errors end a command: common to every command."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from backend.logs import start_logging
from backend.settings import Settings, load_settings
from model.errors import ShortlistError

console = Console()

ProjectOption = Annotated[int, typer.Option("--project", help="Label Studio's project id.")]
BackendUrlOption = Annotated[
    str, typer.Option("--url", help="Where Label Studio reaches this backend; default http://localhost:PORT.")
]


@contextmanager
def settings_of_command() -> Iterator[Settings]:
    """The settings, with logging started. An error that is understood ends the command with a sentence, exit code 1."""
    try:
        settings = load_settings()
        start_logging(settings)
        yield settings
    except ShortlistError as error:
        Console(stderr=True).print(f"[bold red]{error.code}[/]: {escape(str(error))}", soft_wrap=True)
        sys.exit(1)


def default_url(settings: Settings) -> str:
    """Where a Label Studio on this machine reaches the backend."""
    return f"http://localhost:{settings.port}"
