"""`connect`: connect a project, and describe its labels."""

from pathlib import Path
from typing import Annotated

import typer

from backend.commands.terminal import (
    BackendUrlOption,
    JsonOption,
    ProjectOption,
    answer,
    backend_url,
    settings_of_command,
)
from backend.studio.connecting import connect_project
from model.tasks.label_names import read_descriptions


def connect(
    project: ProjectOption,
    url: BackendUrlOption = "",
    describe: Annotated[
        Path | None, typer.Option(help="JSON file with a description by label; also for a connected project.")
    ] = None,
    *,
    json_out: JsonOption = False,
) -> None:
    """Connect a project to this backend, as Settings → Model → Connect Model does."""
    with settings_of_command() as settings:
        descriptions = read_descriptions(describe) if describe else None
        ours = backend_url(settings, url)
        said = connect_project(settings, project, ours, descriptions)
        answer({"project": project, "url": ours, "said": said}, said, as_json=json_out)
