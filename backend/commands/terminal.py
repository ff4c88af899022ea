"""The console, the options, and the ways a command answers and fails: common to every command."""

import io
import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from traceback import extract_tb
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.text import Text

from backend.commands.model_dir import denied, projects_in
from backend.errors import SYSTEM, ConfigurationError
from backend.logs import start_logging
from backend.setting_values import http_url
from backend.settings import Settings, load_settings
from model.errors import ShortlistError

# Titles, labels and errors come from outside. rich would read "[/var/log]" in them as markup, and ":cat:" as a picture.
console = Console(markup=False, emoji=False, highlight=False)
errors = Console(stderr=True, markup=False, emoji=False, highlight=False)

log = logging.getLogger(__name__)
# The permissions that new files lack: all of the group's and of others.
OWN_FILES = 0o077
# Values of HOST with which `localhost` leads here: the default, and every address of the machine.
_EVERYWHERE = ("127.0.0.1", "0.0.0.0", "::")  # noqa: S104 - nothing listens here


def projects_here() -> list[str]:
    """Return the ids of the projects in MODEL_DIR, for a shell that completes a command; never an error."""
    with suppress(ShortlistError, OSError):
        return list(map(str, projects_in(load_settings().model_dir)))
    return []


ProjectOption = Annotated[
    int, typer.Option("--project", help="Label Studio's project id.", autocompletion=projects_here)
]
BackendUrlOption = Annotated[
    str, typer.Option("--url", help="Where Label Studio reaches this backend; default: http://localhost:PORT.")
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print the result as one JSON document; notes and errors go to stderr.")
]


@contextmanager
def settings_of_command() -> Iterator[Settings]:
    """The settings, with logging started. An error ends the command with a sentence and exit code 1, no traceback."""
    # MODEL_DIR holds people's texts: other users of the machine read nothing that we write.
    os.umask(OWN_FILES)
    _let_any_character_through()
    settings = None
    try:
        settings = load_settings()
        start_logging(settings)
        yield settings
    except ShortlistError as error:
        _end(error.code, str(error))
    except (typer.Exit, typer.Abort, BrokenPipeError):
        # The command said how it ends, somebody pressed Ctrl-C, or nobody reads the output any more.
        raise
    except OSError as error:
        _end(SYSTEM, denied(error, settings.model_dir if settings else None))
    except Exception as error:
        log.debug("event=command_crashed", exc_info=error)
        # The error's own words may hold texts or keys.
        _end(
            "internal",
            f"unexpected {type(error).__name__} ({_place(error)}): this is a fault of Shortlist, please report it; "
            "LOG_LEVEL=DEBUG shows where it happened",
        )


def say(text: str, *, is_aside: bool = False) -> None:
    """Print a sentence, whatever titles and names it holds.

    Args:
        text: the sentence.
        is_aside: print it on stderr, because stdout is for JSON.
    """
    (errors if is_aside else console).print(plain(text), soft_wrap=True)


def answer(document: Mapping[str, Any], *sentences: str, as_json: bool) -> None:
    """Print the result of a command.

    Args:
        document: the result as JSON values, for programs.
        *sentences: the result in words, for people.
        as_json: print the document, and not the sentences.
    """
    if as_json:
        print(json.dumps(document), flush=True)
        return
    for sentence in sentences:
        say(sentence)


def complain(code: str, sentence: str) -> None:
    """Print an error on stderr.

    Args:
        code: the error's code.
        sentence: what happened, and what to do.
    """
    errors.print(Text.assemble((code, "bold red"), f": {plain(sentence)}"), soft_wrap=True)


def plain(text: object) -> str:
    """Return a text in one line, with control characters written out: they could rewrite the terminal.

    Args:
        text: anything from outside.
    """
    return "".join(map(_shown, str(text)))


def backend_url(settings: Settings, asked: str) -> str:
    """Return where Label Studio reaches the backend: the address of `--url`, else the one on this machine.

    Args:
        settings: the settings, with the port.
        asked: the value of `--url`; empty without it.

    Raises:
        ConfigurationError: `--url` is no URL.
    """
    try:
        return http_url(asked) if asked else _own_url(settings)
    except ValueError as error:
        raise ConfigurationError(f"--url: {error} (got {asked!r})") from error


def _end(code: str, sentence: str) -> NoReturn:
    complain(code, sentence)
    sys.exit(1)


def _shown(character: str) -> str:
    if character.isspace():
        return " "
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")


def _place(error: Exception) -> str:
    """The last line of ours that an error came through."""
    frames = [frame for frame in extract_tb(error.__traceback__) if "site-packages" not in frame.filename]
    return f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else "no line"


def _let_any_character_through() -> None:
    """Have terminals with a narrow encoding show other characters as escapes, instead of ending the command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _own_url(settings: Settings) -> str:
    """Where a Label Studio on this machine reaches the backend."""
    host = "localhost" if settings.host in _EVERYWHERE else settings.host_in_url
    return f"http://{host}:{settings.port}"
