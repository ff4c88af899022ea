"""`doctor`: examine everything that has to work together; name each fault and its fix."""

from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from backend.commands.doctor.finding import Finding
from backend.commands.doctor.label_studio import look_at_label_studio
from backend.commands.doctor.own_parts import look_at_own_parts
from backend.commands.terminal import (
    BackendUrlOption,
    JsonOption,
    answer,
    backend_url,
    console,
    plain,
    projects_here,
    settings_of_command,
)
from backend.settings import Settings


def doctor(
    project: Annotated[
        int, typer.Option("--project", help="Look at this project; default: all.", autocompletion=projects_here)
    ] = 0,
    url: BackendUrlOption = "",
    *,
    json_out: JsonOption = False,
) -> None:
    """Check every part that has to work, and name each fault with its fix; exit code 1 if anything is wrong."""
    with settings_of_command() as settings:
        findings = examine(settings, project or None, backend_url(settings, url))
        is_well = all(finding.is_well for finding in findings)
        if json_out:
            answer({"is_well": is_well, "findings": list(map(_as_dict, findings))}, as_json=True)
        else:
            print_findings(console, findings)
        if not is_well:
            raise typer.Exit(1)


def examine(settings: Settings, project_id: int | None, url: str) -> list[Finding]:
    """Examine settings, Redis, worker, encoder, Label Studio, token, addresses, and one project or all.

    Args:
        settings: the settings.
        project_id: look at this project; None for all that the token may see.
        url: where Label Studio reaches this backend.
    """
    return [*look_at_own_parts(settings, url), *look_at_label_studio(settings, project_id, url)]


def _as_dict(finding: Finding) -> dict[str, Any]:
    return {**asdict(finding), "is_well": finding.is_well}


def print_findings(console: Console, findings: list[Finding]) -> None:
    """Print one line for each finding, and the fix below a fault."""
    for finding in findings:
        mark = ("well ", "green") if finding.is_well else ("wrong", "bold red")
        line = Text.assemble(mark, "  ", (plain(finding.name), "bold"), f": {plain(finding.found)}")
        console.print(line, soft_wrap=True)
        if not finding.is_well:
            console.print(f"       → {plain(finding.fix)}", soft_wrap=True)
