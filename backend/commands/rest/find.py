"""`find`: have people label the texts that are nearest to what somebody looks for."""

import json
from typing import Annotated, Any

import typer

from backend.applying.finding import COUNT, MOST, Found, end_search, look_for, put_next, shortened, sought
from backend.applying.reading import look_on, read_now
from backend.commands.model_dir import check_model_dir
from backend.commands.rest.bar import Bar
from backend.commands.terminal import ProjectOption, say, settings_of_command
from backend.errors import ConfigurationError
from backend.studio.client import LabelStudioClient
from backend.web.service import open_service

_SHOWN_CHARACTERS = 100


def find(
    project: ProjectOption,
    words: Annotated[str, typer.Argument(help="What to look for.")] = "",
    *,
    like: Annotated[int, typer.Option(help="Look for texts like that of this task.")] = 0,
    label: Annotated[str, typer.Option(help="Look for texts that may have this label.")] = "",
    count: Annotated[int, typer.Option(min=1, max=MOST, help="How many come next.")] = COUNT,
    end: Annotated[bool, typer.Option("--end", help="End the last search: the order is as it was.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what is found, and change nothing.")] = False,
    json_out: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Put the unlabelled texts that are nearest to words, to a task or to a label next in the order.

    For labels that are rare. A new search takes the place of the last one.
    Example: python -m backend find --project 3 "my card was stolen"
    """
    with settings_of_command() as settings:
        asked = [bool(words), bool(like), bool(label), end]
        if sum(asked) != 1:
            raise ConfigurationError('say what to look for in one way: "words", --like TASK or --label NAME; or --end')
        check_model_dir(settings.model_dir, may_write=True)
        queue = open_service(settings).rounds
        queue.ping()
        with LabelStudioClient(settings) as client, Bar() as bar:
            context = look_on(settings, client, queue, project, bar)
            found = None if end else look_for(context, sought(read_now(context), words, like, label), count)
        if found is None:
            end_search(context.folder, queue)
        else:
            _show(found, as_json=json_out)
            if dry_run:
                return
            put_next(context.folder, queue, found)
        if not json_out:
            say("The order is as it was before the search, in a moment." if end else "They come next, in a moment.")


def _show(found: Found, *, as_json: bool) -> None:
    if as_json:
        rows: list[dict[str, Any]] = [{"task": task_id, "text": text} for task_id, text in found.texts.items()]
        print(json.dumps({"reason": found.reason, "found": rows}))
        return
    say(f"{found.reason}: {len(found.texts)} texts")
    for task_id, text in found.texts.items():
        say(f"{task_id:>8}  {shortened(text, _SHOWN_CHARACTERS)}")
