"""`export-model`: write a model version into a folder that needs no Shortlist."""

import time
from pathlib import Path
from typing import Annotated

import typer

from backend.commands.model_dir import check_model_dir
from backend.commands.models.loading import load_model
from backend.commands.terminal import JsonOption, ProjectOption, answer, errors, settings_of_command
from backend.settings import VERSION
from backend.store.project_folder import ProjectFolder
from backend.web.questions import no_model, questions_of
from model.export.exported import Exported
from model.export.formats import ExportFormat, check_place, write_export


def export_model(
    project: ProjectOption,
    out: Annotated[Path, typer.Option(help="The folder to write.")],
    format_: Annotated[ExportFormat, typer.Option("--format", help="The format of the folder.")] = ExportFormat.ONNX,
    question: Annotated[str, typer.Option(help="Name of the control; default: the project's first question.")] = "",
    version: Annotated[int, typer.Option(min=0, help="Model version; default: the one in use.")] = 0,
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Write into a folder that is not empty; other files in it stay.")
    ] = False,
    json_out: JsonOption = False,
) -> None:
    """Write a model version into a folder that needs no Shortlist, with a model card of its figures.

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
        size_bytes, number = _size_bytes(out), model.version.number
        others = [each.name for each in questions.asked if each.name != asked.name]
        named = f", question {asked.name!r}" if others else ""
        answer(
            {"project": project, "question": asked.name, "model": number, "folder": str(out), "bytes": size_bytes},
            f"Wrote model version {number} of project {project}{named} to {out}: {size_bytes / 1e6:,.1f} MB in "
            f"{time.monotonic() - began:.0f} s. README.md in it says how to use it.",
            *(
                [f"The project's other questions, for --question: {', '.join(others)}"]
                if others and not question
                else []
            ),
            as_json=json_out,
        )


def _size_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
