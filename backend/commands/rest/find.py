"""`find`: have people label the texts that are nearest to what somebody looks for."""

from collections.abc import Iterator
from typing import Annotated

import typer

from backend.applying.finding import (
    COUNT,
    MOST,
    NOTHING_FOUND,
    Found,
    end_search,
    look_for,
    put_next,
    shortened,
    sought,
)
from backend.applying.reading import look_on, read_now
from backend.commands.model_dir import check_model_dir
from backend.commands.rest.bar import Bar
from backend.commands.terminal import JsonOption, ProjectOption, answer, settings_of_command
from backend.rounds.asking.when import when_ordered
from backend.studio.client import LabelStudioClient
from backend.web.service import open_service

_SHOWN_CHARACTERS = 100


def find(
    project: ProjectOption,
    words: Annotated[str, typer.Argument(help="What to look for.")] = "",
    *,
    like: Annotated[int, typer.Option(help="Look for texts like this task's text.")] = 0,
    label: Annotated[str, typer.Option(help="Look for texts that may have this label.")] = "",
    count: Annotated[int, typer.Option(min=1, max=MOST, help="How many texts come next.")] = COUNT,
    end: Annotated[bool, typer.Option("--end", help="End the last search; the order becomes as before.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what is found, and change nothing.")] = False,
    json_out: JsonOption = False,
) -> None:
    """Put the unlabelled texts that are nearest to words, to a task or to a label next in the order.

    Useful for rare labels. A new search takes the place of the last one.
    Example: python -m backend find --project 3 "my card was stolen"
    """
    if sum([bool(words), bool(like), bool(label), end]) != 1:
        raise typer.BadParameter('say what to look for in one way: "words", --like TASK or --label NAME; or --end')
    if end and dry_run:
        raise typer.BadParameter("--dry-run prints what is found, and --end finds nothing: leave one of them out")
    with settings_of_command() as settings:
        check_model_dir(settings.model_dir, may_write=True)
        queue = open_service(settings).rounds
        queue.ping()
        with LabelStudioClient(settings) as client, Bar() as bar:
            context = look_on(settings, client, queue, project, bar)
            found = None if end else look_for(context, sought(read_now(context), words, like, label), count)
        is_written = found is None or (bool(found.texts) and not dry_run)
        when = when_ordered(context.folder) if is_written else ""
        if found is None:
            end_search(context.folder, queue)
        elif is_written:
            put_next(context.folder, queue, found)
        answer({**_as_dict(found), "is_written": is_written}, *tell_found(found, when), as_json=json_out)


def _as_dict(found: Found | None) -> dict[str, object]:
    texts = found.texts if found else {}
    return {
        "reason": found.reason if found else "",
        "found": [{"task": task_id, "text": text} for task_id, text in texts.items()],
    }


def tell_found(found: Found | None, when: str) -> Iterator[str]:
    """Tell what was found and what comes of it, in sentences.

    Args:
        found: the texts; None where a search was ended.
        when: when the order changes, in words; empty if it does not.
    """
    if found is None:
        yield f"The order is as it was before the search, {when}."
    elif not found.texts:
        yield NOTHING_FOUND
    else:
        yield f"{found.reason}: {len(found.texts)} texts"
        yield from (f"{task_id:>8}  {shortened(text, _SHOWN_CHARACTERS)}" for task_id, text in found.texts.items())
        if when:
            yield f"They come next, {when}."
