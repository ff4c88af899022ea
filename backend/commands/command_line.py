"""The command line of `python -m backend`: every command by name. Each file beside this one holds a subject."""

import typer

from backend.commands.annotations import export
from backend.commands.chat_window import paste, prompt
from backend.commands.connection import connect
from backend.commands.doctor import doctor
from backend.commands.model_versions import rollback
from backend.commands.project_table import status
from backend.commands.serve import serve, worker

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Shortlist: an ML backend for Label Studio.",
)
for command in (serve, worker, connect, doctor, status, rollback, prompt, paste, export):
    app.command()(command)
