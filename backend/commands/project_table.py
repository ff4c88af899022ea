"""`status`: a table of every connected project, once or again and again."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from backend.commands.model_dir import check_model_dir
from backend.commands.terminal import JsonOption, answer, complain, console, plain, settings_of_command
from backend.errors import RedisUnavailableError
from backend.store.project_folder import known_projects
from backend.store.sync_record import LeftOutTasks
from backend.web.service import Service, open_service
from backend.web.status import is_learned, state_for_people, status_or_fault

_COLUMNS = ("project", "state", "labels", "unlabelled", "model_version", "rounds")
_EVERY_S, _LEAST_S = 2.0, 0.2
_NO_PROJECT = "No project has connected yet: python -m backend connect --project ID"


def status(
    seconds: Annotated[
        float | None, typer.Argument(min=_LEAST_S, help=f"With --watch: seconds between tables; default: {_EVERY_S:g}.")
    ] = None,
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Look again and again, until Ctrl-C.")] = False,
    json_out: JsonOption = False,
) -> None:
    """Show the state of every connected project.

    Example: python -m backend status --watch 5
    """
    if seconds is not None and not watch:
        raise typer.BadParameter("only --watch takes seconds", param_hint="SECONDS")
    with settings_of_command() as settings:
        check_model_dir(settings.model_dir, may_write=False)
        service = open_service(settings)
        if not watch:
            _show(service, as_json=json_out)
        elif json_out or not console.is_interactive:
            _show_again_and_again(service, seconds or _EVERY_S, as_json=json_out)
        else:
            _redraw(service, seconds or _EVERY_S)


def _show(service: Service, *, as_json: bool) -> None:
    rows = _rows(service)
    if as_json:
        answer({"at": round(time.time(), 3), "projects": rows}, as_json=True)
    else:
        console.print(_table(rows))


def _show_again_and_again(service: Service, every_s: float, *, as_json: bool) -> None:
    """Print one table, or one line of JSON, after another; a Redis that is away for a while ends nothing."""
    while True:
        try:
            _show(service, as_json=as_json)
        except RedisUnavailableError as error:
            complain(error.code, str(error))
        time.sleep(every_s)


def _redraw(service: Service, every_s: float) -> None:
    """Draw the table again and again in the same place of the terminal."""
    with _without_log_lines(), Live(console=console, auto_refresh=False) as live:
        while True:
            live.update(_seen(service, every_s), refresh=True)
            time.sleep(every_s)


def _seen(service: Service, every_s: float) -> RenderableType:
    """Return the table as it is now, or the error while Redis does not answer."""
    try:
        seen = _table(_rows(service))
    except RedisUnavailableError as error:
        return Text(plain(f"{error.code}: {error}"), style="red")
    if isinstance(seen, Table):
        seen.caption = f"{time.strftime('%H:%M:%S')}, every {every_s:g} s; Ctrl-C ends"
    return seen


@contextmanager
def _without_log_lines() -> Iterator[None]:
    """Keep log lines away: they would tear the table. Without --watch `status` shows them."""
    logging.disable()
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def _rows(service: Service) -> list[dict[str, Any]]:
    """Return the status of each project; of a project whose status cannot be read, the reason alone."""
    found = []
    for project_id in known_projects(service.settings.model_dir):
        row = status_or_fault(service, project_id)
        if isinstance(row, Exception):
            reason = f"status unreadable: {type(row).__name__}"
            row = {"project": project_id, "state": "unknown", "last_error": reason}
        found.append(row)
    return found


def _table(rows: list[dict[str, Any]]) -> Table | Text:
    """The table; a sentence where there is no project."""
    if not rows:
        return Text(_NO_PROJECT)
    table = Table(*(name.replace("_", " ") for name in _COLUMNS), "more labels", "LLM", "last error")
    # A narrow terminal cuts other words first.
    table.columns[_COLUMNS.index("state")].no_wrap = True
    for row in rows:
        table.add_row(*map(plain, _cells(row)))
    return table


def _cells(row: dict[str, Any]) -> list[str]:
    if row["state"] == "unknown":
        unknown = ("" for _ in _COLUMNS[2:])
        return [str(row["project"]), row["state"], *unknown, "", "", row["last_error"]]
    shown = {**row, "state": state_for_people(row)}
    facts = (str(shown[name]) for name in _COLUMNS)
    return [*facts, row["stopping"]["state"] if is_learned(row) else "", _llm_in_a_word(row["llm"]), _problem(row)]


def _problem(row: dict[str, Any]) -> str:
    """Return the last error, else a failed hook, a waiting version, damaged files or left-out answers; else nothing."""
    waiting = [f"{one['reason']} (`promote` uses it all the same)" for one in row["waiting"]]
    hook, damaged = row["ordering_hook"], ", ".join(damage["file"] for damage in row["set_aside"])
    problems = (
        str(row["last_error"]),
        f"{hook['problem']} ({hook['fallback']} orders)" if hook else "",
        "; ".join(waiting),
        f"damaged or missing on disk: {damaged}" if damaged else "",
        "; ".join(LeftOutTasks(**left).sentence for left in row["left_out"]),
    )
    return next(filter(None, problems), "")


def _llm_in_a_word(llm: dict[str, Any] | None) -> str:
    """Return the LLM that chose, or why none could choose; empty without an LLM."""
    if llm is None:
        return ""
    return f"{llm['problem']} ({llm['fallback']} chooses)" if llm["fallback"] else llm["problem"] or llm["source"]
