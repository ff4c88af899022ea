"""The command line of `python -m backend`: every command by name. Each file beside this one holds a subject."""

import os
import sys
from collections.abc import Callable
from importlib import import_module

import typer

from model.encoder.idle_threads import let_idle_threads_sleep

# The module and the function of each command. Only the module of the command that is asked for is imported: torch alone
# takes seconds, and most commands do without it.
COMMANDS = {
    "serve": "serve:serve",
    "worker": "worker:worker",
    "check-worker": "worker_check:check_worker",
    "connect": "connection:connect",
    "doctor": "doctor.doctor:doctor",
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
# The program that a shell can complete: `python -m backend` has no name of its own.
PROGRAM = "shortlist"
# A shell that completes a command sets the first variable, and the command so far in one of the others: bash in
# COMP_WORDS, a word a line.
_COMPLETING, _SO_FAR = f"_{PROGRAM.upper()}_COMPLETE", ("COMP_WORDS", "_TYPER_COMPLETE_ARGS")
_ABOUT_COMPLETION = ("--install-completion", "--show-completion")


def command_line(asked: str, *, is_program: bool = False, is_completing: bool = False) -> typer.Typer:
    """Build the command line with the command that is asked for; with all commands if there is no such command.

    Args:
        asked: the first word after the program.
        is_program: it was called as the program `shortlist`, which can be completed.
        is_completing: a shell asks how the command may go on, or for its completion: every command has its name, and
            only the one that is asked for its options.
    """
    app = typer.Typer(
        add_completion=is_program,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        help="Shortlist: an ML backend for Label Studio.",
    )
    # With one command alone, typer would not ask for its name.
    app.callback()(lambda: None)
    for name in [asked] if asked in COMMANDS and not is_completing else COMMANDS:
        app.command(name)(_nothing if is_completing and name != asked else _function(name))
    return app


def main(*, is_program: bool = False) -> None:
    """Run the command that the program's arguments name, or tell a shell how the command may go on.

    Args:
        is_program: see `command_line`.
    """
    # Before a command's module imports torch. The processes that `serve` starts inherit it.
    let_idle_threads_sleep()
    is_completing = is_program and _COMPLETING in os.environ
    words = next(filter(None, map(os.environ.get, _SO_FAR)), "").split() if is_completing else sys.argv
    asked = words[1] if len(words) > 1 else ""
    needs_names = is_completing or asked in _ABOUT_COMPLETION
    app = command_line(asked, is_program=is_program, is_completing=needs_names)
    app(prog_name=PROGRAM if is_program else None)


def _function(name: str) -> Callable[..., None]:
    module, function = COMMANDS[name].split(":")
    found: Callable[..., None] = getattr(import_module(f"backend.commands.{module}"), function)
    return found


def _nothing() -> None:
    """Stand for a command of which only the name is asked."""
