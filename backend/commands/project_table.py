"""`status`: a table of every connected project."""

from typing import Any

from rich.table import Table

from backend.commands.model_dir import check_model_dir
from backend.commands.terminal import console, plain, say, settings_of_command
from backend.store.project_folder import known_projects
from backend.store.sync_record import LeftOutTasks
from backend.web.service import open_service
from backend.web.status import project_status

_COLUMNS = ("project", "state", "labels", "unlabelled", "model_version", "rounds")


def status() -> None:
    """Show where every connected project stands."""
    with settings_of_command() as settings:
        check_model_dir(settings.model_dir, may_write=False)
        service = open_service(settings)
        table = Table(*(name.replace("_", " ") for name in _COLUMNS), "LLM", "last error")
        for project_id in known_projects(settings.model_dir):
            row = project_status(service, project_id)
            cells = (*(row[name] for name in _COLUMNS), _llm_in_a_word(row["llm"]), _problem(row))
            table.add_row(*map(plain, cells))
        if table.row_count:
            console.print(table)
        else:
            say("No project has connected yet: python -m backend connect --project ID")


def _problem(row: dict[str, Any]) -> str:
    """The last error, or else why an ordering hook failed, or else why answers are left out; empty if all is well."""
    hook = row["ordering_hook"]
    if row["last_error"] or hook:
        return str(row["last_error"]) or f"{hook['problem']} ({hook['fallback']} orders)"
    return "; ".join(LeftOutTasks(**left).sentence for left in row["left_out"])


def _llm_in_a_word(llm: dict[str, Any] | None) -> str:
    """The LLM that chose, or why none could; empty without an LLM."""
    if llm is None:
        return ""
    return f"{llm['problem']} ({llm['fallback']} chooses)" if llm["fallback"] else llm["problem"] or llm["source"]
