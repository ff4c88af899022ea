"""`rollback`: use an earlier model version again; `promote`: use a version that waits because it is worse."""

from typing import Annotated

import typer

from backend.commands.model_dir import check_model_dir
from backend.commands.terminal import JsonOption, ProjectOption, answer, settings_of_command
from backend.rounds.asking.when import when_ordered
from backend.store.waiting import promote as promote_waiting
from backend.web.deciding import use_version
from backend.web.questions import questions_of
from backend.web.service import open_service
from model.tasks.shares import quoted


def rollback(
    project: ProjectOption,
    to: Annotated[int, typer.Option("--to", help="Model version to use; default: the one before the current one.")] = 0,
    question: Annotated[str, typer.Option(help="Name of the control; default: the project's first question.")] = "",
    *,
    json_out: JsonOption = False,
) -> None:
    """Use an earlier model version again; its order is published at once, and the next training goes on from there."""
    with settings_of_command() as settings:
        check_model_dir(settings.model_dir, may_write=True)
        service = open_service(settings)
        folder = service.folder(project)
        questions = questions_of(folder)
        asked = questions.find(question)
        number = use_version(service, asked.folder, to)
        named = f", question {quoted(asked.name)}," if len(questions.asked) > 1 else ""
        answer(
            {"project": project, "question": asked.name, "model": number},
            f"Project {project}{named} uses model version {number} again; its order is published "
            f"{when_ordered(folder)}.",
            as_json=json_out,
        )


def promote(
    project: ProjectOption,
    version: Annotated[int, typer.Option("--version", help="Only this model version; default: all waiting ones.")] = 0,
    *,
    json_out: JsonOption = False,
) -> None:
    """Use a model version that waits because it is clearly worse than the current one, and publish its order."""
    with settings_of_command() as settings:
        check_model_dir(settings.model_dir, may_write=True)
        service = open_service(settings)
        service.rounds.ping()
        folder = service.folder(project)
        folder.check_exists()
        promoted = promote_waiting(folder, version)
        service.rounds.request(project)
        numbers = " and ".join(map(str, promoted))
        answer(
            {"project": project, "models": promoted},
            f"Project {project} uses model version {numbers} now; its order is published {when_ordered(folder)}.",
            as_json=json_out,
        )
