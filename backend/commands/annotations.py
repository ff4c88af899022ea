"""`export`: a project's annotations as gold labels in a file, for `python -m model simulate`."""

from pathlib import Path
from typing import Annotated

import typer

from backend.commands.terminal import ProjectOption, say, settings_of_command
from backend.rounds.sync import read_targets
from backend.settings import Settings
from backend.store.sync_record import LeftOutTasks, summarise
from backend.studio.client import LabelStudioClient
from backend.studio.config.kinds import read_tasks


def export(
    project: ProjectOption,
    out: Annotated[Path, typer.Option(help="Where to: a text and its label a line, as JSON.")],
) -> None:
    """Write a project's annotations to a file, to simulate query strategies on: python -m model simulate."""
    with settings_of_command() as settings:
        written, left_out = export_annotations(settings, project, out)
        say(f"Wrote {written} labelled texts to {out}")
        for left in left_out:
            say(left.sentence)


def export_annotations(settings: Settings, project_id: int, file: Path) -> tuple[int, tuple[LeftOutTasks, ...]]:
    """Write one line a labelled text.

    Returns:
        The number of texts written, and the answers that no text could be written for.

    Raises:
        LabelStudioError: Label Studio cannot be reached or refuses.
        UnsupportedConfigError: the project's labeling config cannot be learned.
    """
    with LabelStudioClient(settings) as client:
        # A file of gold labels has one question: the first.
        task = read_tasks(client.project(project_id).label_config)[0]
        given = read_targets(client, project_id, task)
    lines = list(task.gold_lines(given.targets))
    file.parent.mkdir(parents=True, exist_ok=True)
    # Written straight: the user may name a pipe or a terminal.
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return len(lines), summarise(given.left_out)
