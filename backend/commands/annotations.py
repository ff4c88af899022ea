"""`export`: a project's annotations as gold answers in a file, for `python -m model simulate`."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from backend.commands.terminal import JsonOption, ProjectOption, answer, settings_of_command
from backend.errors import UnsupportedConfigError
from backend.rounds.sync import read_targets
from backend.settings import Settings
from backend.store.sync_record import LeftOutTasks, summarise
from backend.studio.client import LabelStudioClient
from backend.studio.config.kinds import read_tasks
from model.tasks.gold_lines import gold_lines


def export(
    project: ProjectOption,
    out: Annotated[
        Path, typer.Option(help="File to write: JSON lines, each with a text and its label, or its answers.")
    ],
    *,
    json_out: JsonOption = False,
) -> None:
    """Write a project's annotations to a file, on which `python -m model simulate` compares query strategies."""
    with settings_of_command() as settings:
        exported = export_annotations(settings, project, out)
        answer({"project": project, "file": str(out), **asdict(exported)}, *_in_words(exported, out), as_json=json_out)


@dataclass(frozen=True)
class Exported:
    """A file of gold answers.

    Attributes:
        texts: number of its texts.
        answers: number of answers by question.
        left_out: the answers that are not written.
    """

    texts: int
    answers: Mapping[str, int]
    left_out: tuple[LeftOutTasks, ...]


def _in_words(exported: Exported, out: Path) -> Iterator[str]:
    yield f"Wrote {exported.texts} labelled texts to {out}"
    if len(exported.answers) > 1:
        yield "Answers: " + ", ".join(f"{name} {count}" for name, count in exported.answers.items())
    yield from (left.sentence for left in exported.left_out)


def export_annotations(settings: Settings, project_id: int, file: Path) -> Exported:
    """Write one line a labelled text, with the answers to all questions that are learned.

    Raises:
        LabelStudioError: Label Studio cannot be reached or refuses.
        UnsupportedConfigError: the project's labeling config asks nothing that is learned.
    """
    with LabelStudioClient(settings) as client:
        learned = [task for task in read_tasks(client.project(project_id).label_config) if task.is_learned]
        if not learned:
            raise UnsupportedConfigError(
                f"project {project_id} asks for free text alone, and strategies are simulated on labels: use Label "
                "Studio's own export"
            )
        asked = read_targets(client, project_id, learned)
    lines = list(gold_lines([(task, given.targets) for task, given in asked]))
    file.parent.mkdir(parents=True, exist_ok=True)
    # Not by a temporary file: the user may name a pipe or a terminal.
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return Exported(
        texts=len(lines),
        answers={task.control: len(given.targets) for task, given in asked},
        left_out=summarise(left for _, given in asked for left in given.left_out),
    )
