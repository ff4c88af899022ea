"""`status`: a table of every connected project."""

from typing import Any

from rich.table import Table

from backend.commands.model_dir import check_model_dir
from backend.commands.terminal import console, plain, say, settings_of_command
from backend.store.project_folder import known_projects
from backend.store.sync_record import LeftOutTasks
from backend.web.service import Service, open_service
from backend.web.status import status_or_fault

_COLUMNS = ("project", "state", "labels", "unlabelled", "model_version", "rounds")


def status() -> None:
    """Show where every connected project stands."""
    with settings_of_command() as settings:
        check_model_dir(settings.model_dir, may_write=False)
        service = open_service(settings)
        table = Table(*(name.replace("_", " ") for name in _COLUMNS), "more labels", "LLM", "last error")
        for project_id in known_projects(settings.model_dir):
            table.add_row(*map(plain, _row(service, project_id)))
        if table.row_count:
            console.print(table)
        else:
            say("No project has connected yet: python -m backend connect --project ID")


def _row(service: Service, project_id: int) -> list[str]:
    """A project's row; one whose status cannot be read has only the reason, and the other projects have theirs."""
    row = status_or_fault(service, project_id)
    if isinstance(row, Exception):
        unknown = ("" for _ in _COLUMNS[2:])
        return [str(project_id), "unknown", *unknown, "", "", f"status unreadable: {type(row).__name__}"]
    shown = {**row, "state": "paused"} if row["paused_at"] else row
    facts = (str(shown[name]) for name in _COLUMNS)
    return [*facts, row["stopping"]["state"], _llm_in_a_word(row["llm"]), _problem(row)]


def _problem(row: dict[str, Any]) -> str:
    """The last error, else a hook that failed, a version that waits, what was set aside or left out; empty if well."""
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
    """The LLM that chose, or why none could; empty without an LLM."""
    if llm is None:
        return ""
    return f"{llm['problem']} ({llm['fallback']} chooses)" if llm["fallback"] else llm["problem"] or llm["source"]
