"""`export-model`: take a model version away, in a folder that needs no Shortlist."""

import time
from pathlib import Path
from typing import Annotated

import typer

from backend.commands.model_dir import check_model_dir
from backend.commands.models.loading import load_model
from backend.commands.terminal import ProjectOption, errors, say, settings_of_command
from backend.settings import VERSION
from backend.store.project_folder import ProjectFolder
from backend.web.questions import no_model, questions_of
from model.export.exported import Exported
from model.export.formats import ExportFormat, check_place, write_export


def export_model(
    project: ProjectOption,
    out: Annotated[Path, typer.Option(help="The folder to write.")],
    format_: Annotated[ExportFormat, typer.Option("--format", help="What to write.")] = ExportFormat.ONNX,
    question: Annotated[str, typer.Option(help="Name of the control; default: the project's first question.")] = "",
    version: Annotated[int, typer.Option(min=0, help="Model version; default: the one in use.")] = 0,
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Write into a folder that is not empty; other files in it stay.")
    ] = False,
) -> None:
    """Write a model version with all that is needed to use it elsewhere, and a card that says what it is worth.

    Example: python -m backend export-model --project 3 --out topic-model
    """
    with settings_of_command() as settings:
        check_model_dir(settings.model_dir, may_write=False)
        questions = questions_of(ProjectFolder(settings.model_dir, project))
        asked = questions.find(question)
        check_place(out, is_forced=force)
        began = time.monotonic()
        with errors.status("Loading the model version …") as shown:
            model = load_model(asked, version)
            if model is None:
                raise no_model(asked.folder)
            shown.update(f"Writing model version {model.version.number} as {format_.value} …")
            exported = Exported(
                model.version, model.classifier, model.form, project, VERSION, is_markup=questions.is_markup
            )
            write_export(exported, out, format_, is_forced=force)
        named = f", question {asked.name!r}" if len(questions.asked) > 1 else ""
        say(
            f"Wrote model version {model.version.number} of project {project}{named} to {out}: "
            f"{_megabytes(out):,.1f} MB in {time.monotonic() - began:.0f} s. README.md in it says how to use it."
        )
        if not question and len(questions.asked) > 1:
            say(
                f"The project's other questions, for --question: {', '.join(each.name for each in questions.asked[1:])}"
            )


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
