"""The terminal of all commands: messages on stderr, and errors in one sentence."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from rich.console import Console
from rich.markup import escape

from model.errors import ShortlistError

# Results go to stdout; all messages for people go to this console on stderr.
console = Console(stderr=True)


@contextmanager
def errors_in_a_sentence() -> Iterator[None]:
    """End the command on errors that we understand, with one sentence and exit code 1; 130 after Ctrl-C."""
    try:
        yield
    except ShortlistError as error:
        _end(error.code, str(error))
    except OSError as error:
        _end("file", f"{error.filename or ''}: {error.strerror or error}")
    except KeyboardInterrupt:
        _end("stopped", "all points measured so far are in --out, if you gave it: --resume goes on from there", 130)


def _end(code: str, sentence: str, exit_code: int = 1) -> NoReturn:
    console.print(f"[bold red]{code}[/]: {escape(sentence)}", soft_wrap=True)
    sys.exit(exit_code)
