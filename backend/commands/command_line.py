"""The command line of `python -m backend`: every command by name. Each file beside this one holds a subject."""

import sys
from importlib import import_module

import typer

# The module and the function of each command. Only the module of the command that is asked for is imported: torch alone
# takes seconds, and most commands do without it.
COMMANDS = {
    "serve": "serve:serve",
    "worker": "worker:worker",
    "check-worker": "worker_check:check_worker",
    "connect": "connection:connect",
    "doctor": "doctor:doctor",
    "status": "project_table:status",
    "rollback": "model_versions:rollback",
    "promote": "model_versions:promote",
    "prompt": "chat_window:prompt",
    "paste": "chat_window:paste",
    "export": "annotations:export",
    "export-model": "models.export_model:export_model",
    "classify": "models.classify:classify",
    "backup": "backup:backup",
    "restore": "backup:restore",
    "forget": "forgetting:forget",
    "apply": "rest.apply:apply",
    "find": "rest.find:find",
}


def command_line(asked: str) -> typer.Typer:
    """Build the command line with the command that is asked for; with all commands if there is no such command.

    Args:
        asked: the first word after the program.
    """
    app = typer.Typer(
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        help="Shortlist: an ML backend for Label Studio.",
    )
    # With one command alone, typer would not ask for its name.
    app.callback()(lambda: None)
    for name in [asked] if asked in COMMANDS else COMMANDS:
        module, function = COMMANDS[name].split(":")
        app.command(name)(getattr(import_module(f"backend.commands.{module}"), function))
    return app


def main() -> None:
    """Run the command that the program's arguments name."""
    command_line(sys.argv[1] if len(sys.argv) > 1 else "")()
