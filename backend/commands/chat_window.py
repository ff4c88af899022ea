"""`prompt` and `paste`: let a chat window choose the first texts, without an API key."""

import sys

from backend.commands.model_dir import check_model_dir
from backend.commands.terminal import JsonOption, ProjectOption, answer, settings_of_command
from backend.web.pages.pasting import prompt_of, take_answer
from backend.web.service import open_service


def prompt(project: ProjectOption, *, json_out: JsonOption = False) -> None:
    """Print the question by which a chat with an LLM chooses the first texts to label; no API key needed."""
    with settings_of_command() as settings:
        check_model_dir(settings.model_dir, may_write=True)
        asked = prompt_of(open_service(settings).folder(project))
        if json_out:
            answer({"project": project, "prompt": asked.text, "select": asked.select}, as_json=True)
        else:
            # Not by `say`, which would join the question's lines.
            print(asked.text)


def paste(project: ProjectOption, *, json_out: JsonOption = False) -> None:
    """Read the LLM's answer to `prompt` from stdin; people label the texts that it picked first."""
    with settings_of_command() as settings:
        check_model_dir(settings.model_dir, may_write=True)
        service = open_service(settings)
        service.rounds.ping()
        selection = take_answer(service.folder(project), sys.stdin.read())
        service.rounds.request(project)
        answer(
            {"project": project, "picks": [pick.task_id for pick in selection.picks]},
            f"{len(selection.picks)} texts of project {project} come first in a moment.",
            as_json=json_out,
        )
