"""`prompt` and `paste`: let a chat window choose the first texts, without an API key."""

import sys

from backend.commands.model_dir import check_model_dir
from backend.commands.terminal import ProjectOption, say, settings_of_command
from backend.web.pages.pasting import prompt_of, take_answer
from backend.web.service import open_service


def prompt(project: ProjectOption) -> None:
    """Print what to paste into a chat window that is to choose what is labelled first; no API key needed."""
    with settings_of_command() as settings:
        check_model_dir(settings.model_dir, may_write=True)
        print(prompt_of(open_service(settings).folder(project)).text)


def paste(project: ProjectOption) -> None:
    """Take a chat window's answer from stdin; what it picked is asked for first."""
    with settings_of_command() as settings:
        check_model_dir(settings.model_dir, may_write=True)
        service = open_service(settings)
        service.rounds.ping()
        selection = take_answer(service.folder(project), sys.stdin.read())
        service.rounds.request(project)
        say(f"{len(selection.picks)} texts of project {project} are asked for first, in a moment.")
