"""`export`: a project's annotations as gold labels in a file, for `python -m model simulate`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from backend.commands.terminal import ProjectOption, console, settings_of_command
from backend.rounds.sync import read_targets
from backend.settings import Settings
from backend.studio.client import LabelStudioClient
from backend.studio.labeling_config import read_labeling_config
from model.types import Targets


def export(
    project: ProjectOption,
    out: Annotated[Path, typer.Option(help="Where to: a text and its label a line, as JSON.")],
) -> None:
    """Write a project's annotations to a file, to simulate query strategies on: python -m model simulate."""
    with settings_of_command() as settings:
        console.print(f"Wrote {export_annotations(settings, project, out)} labelled texts to {out}", soft_wrap=True)


def export_annotations(settings: Settings, project_id: int, file: Path) -> int:
    """Write one line a labelled text; returns how many.

    Raises:
        LabelStudioError: Label Studio cannot be reached or refuses.
        UnsupportedConfigError: the project's labeling config cannot be learned.
    """
    with LabelStudioClient(settings) as client:
        classification = read_labeling_config(client.project(project_id).label_config)
        targets = read_targets(client, project_id, classification)
    lines = list(gold_lines(targets))
    file.parent.mkdir(parents=True, exist_ok=True)
    # Written straight: the user may name a pipe or a terminal.
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return len(lines)


def gold_lines(targets: Targets) -> Iterator[str]:
    """JSON lines: what most annotators said; with several labels a text those that at least half of them gave.

    Texts without words are left out: nobody could label them by reading.
    """
    labels = targets.label_set.labels
    for text, shares_C in zip(targets.texts, targets.targets_N_C, strict=True):
        if not text.strip():
            continue
        if targets.label_set.is_multilabel:
            given = [label for label, share in zip(labels, shares_C, strict=True) if share >= 0.5]
            yield json.dumps({"text": text, "labels": given}, ensure_ascii=False)
        else:
            yield json.dumps({"text": text, "label": labels[int(shares_C.argmax())]}, ensure_ascii=False)
