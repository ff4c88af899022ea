"""`find`: have people label the texts that are nearest to what somebody looks for."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import typer

from backend.applying.reading import look_on, read_now
from backend.commands.model_dir import check_model_dir
from backend.commands.rest.bar import Bar
from backend.commands.terminal import ProjectOption, say, settings_of_command
from backend.errors import ConfigurationError
from backend.rounds.asking.copies import find_copies
from backend.rounds.context import RoundContext
from backend.rounds.score import embedder
from backend.rounds.sync import Synced
from backend.store.applied import Wish
from backend.studio.client import LabelStudioClient
from backend.web.service import open_service
from model.texts.search import nearest

_COUNT, _MOST = 30, 1_000
_SHOWN_CHARACTERS = 100


def find(
    project: ProjectOption,
    words: Annotated[str, typer.Argument(help="What to look for.")] = "",
    *,
    like: Annotated[int, typer.Option(help="Look for texts like that of this task.")] = 0,
    label: Annotated[str, typer.Option(help="Look for texts that may have this label.")] = "",
    count: Annotated[int, typer.Option(min=1, max=_MOST, help="How many come next.")] = _COUNT,
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
            if end:
                context.folder.wish.remove()
                found = None
            else:
                found = look_for(context, sought(read_now(context), words, like, label), count)
        if found is not None:
            _show(found, as_json=json_out)
            if dry_run:
                return
            context.folder.wish.write(Wish(time.time(), found.reason, tuple(found.texts)))
        queue.request(project)
        if not json_out:
            say("The order is as it was before the search, in a moment." if end else "They come next, in a moment.")


@dataclass(frozen=True)
class Sought:
    """What somebody looks for.

    Attributes:
        examples: texts to look for.
        reason: what is looked for, for people.
        questions: the project.
        left_out: tasks that are not found: the example itself.
    """

    examples: Sequence[str]
    reason: str
    questions: Sequence[Synced]
    left_out: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Found:
    """The nearest texts, by task id, nearest first; and what was looked for, for people."""

    reason: str
    texts: dict[int, str]


def look_for(context: RoundContext, sought: Sought, count: int) -> Found:
    """Find the unlabelled texts that are nearest to what is looked for; copies are found once.

    Args:
        context: see `look_on`.
        sought: what is looked for.
        count: how many texts.
    """
    copies = find_copies(sought.questions)
    out = {*sought.left_out, *copies.twin_of, *(id_ for one in sought.questions for id_ in one.targets.task_ids)}
    pool = [one for one in sought.questions[0].pool if one.text and not one.is_skipped and one.task_id not in out]
    texts = [one.text for one in pool]
    # The encoder before any training: it knows more of the language than one that was tuned on few labels.
    embeddings = embedder(context, None)([*texts, *sought.examples])
    rows = nearest(sought.examples, texts, embeddings[len(texts) :], embeddings[: len(texts)])[:count]
    return Found(sought.reason, {pool[row].task_id: pool[row].text for row in rows.tolist()})


def sought(questions: Sequence[Synced], words: str, like: int, label: str) -> Sought:
    """Read what is looked for: words, texts like that of a task, or a label.

    Args:
        questions: the project.
        words: words; empty for one of the others.
        like: a task; 0 for one of the others.
        label: a label; empty for one of the others.

    Raises:
        ConfigurationError: there is nothing to look for, or the project has no such task or label.
    """
    if label:
        return _of_label(questions, label)
    if like:
        return _of_task(questions, like)
    if not words.strip():
        raise ConfigurationError("there is no word to look for")
    return Sought([words], f"find: {_short(words)}", questions)


def _of_task(questions: Sequence[Synced], task_id: int) -> Sought:
    texts = {one.task_id: one.text for one in questions[0].pool}
    for synced in questions:
        texts |= dict(zip(synced.targets.task_ids, synced.targets.texts, strict=True))
    if not texts.get(task_id, "").strip():
        raise ConfigurationError(f"--like {task_id}: the project has no such task with a text")
    return Sought([texts[task_id]], f"find: like task {task_id}", questions, frozenset([task_id]))


def _of_label(questions: Sequence[Synced], label: str) -> Sought:
    """The texts that people gave the label, and the words that say what it means."""
    for synced in questions:
        labels = synced.task.label_set.labels
        if label in labels:
            position = labels.index(label)
            given_M = np.flatnonzero(synced.task.decided(synced.targets.targets_N_C)[:, position]).tolist()
            meaning = synced.label_texts[position] if synced.label_texts else ()
            examples = [*(meaning or (label,)), *(synced.targets.texts[row] for row in given_M)]
            return Sought(examples, f"find: label {_short(label)}", questions)
    known = ", ".join(repr(label) for synced in questions for label in synced.task.label_set.labels[:20])
    raise ConfigurationError(f"--label {label!r}: the project has no such label; it has {known}")


def _show(found: Found, *, as_json: bool) -> None:
    if as_json:
        rows: list[dict[str, Any]] = [{"task": task_id, "text": text} for task_id, text in found.texts.items()]
        print(json.dumps({"reason": found.reason, "found": rows}))
        return
    say(f"{found.reason}: {len(found.texts)} texts")
    for task_id, text in found.texts.items():
        say(f"{task_id:>8}  {_short(text, _SHOWN_CHARACTERS)}")


def _short(text: str, most: int = 60) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[:most]}…"
