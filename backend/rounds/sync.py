"""Read a project from Label Studio and reduce it to a pool of texts, and for each question the targets."""

import logging
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property, partial

from backend.rounds.context import RoundContext
from backend.settings import ProjectSettings
from backend.store.sync_record import NoText, Unread
from backend.store.tasks import TaskStore, set_aside_if_broken
from backend.studio.client import LabelStudioClient
from backend.studio.config.kinds import read_label_texts, read_tasks
from backend.studio.config.texts import read_text
from backend.studio.reading import Reading, has_changed
from backend.studio.records import Project
from model.encoder.encoder import MAX_CHARACTERS
from model.judging.pace import Pace, pace_of, people_at_work
from model.learner.knowledge import MOST_POOL
from model.llm.asking import MARK
from model.tasks.shares import quoted
from model.tasks.task import Task
from model.text_digests import text_digests
from model.types import AnnotatedText, Background, IntArray, LabelTexts, LeftOut, PoolText, ReadTargets, Targets

log = logging.getLogger(__name__)

# Most tasks without text whose keys are read, and most keys that are named.
_LOOKED_AT, _NAMED_KEYS, _KEY_CHARACTERS = 10, 10, 60


@dataclass(frozen=True)
class Synced:
    """A project as read from Label Studio, for one of its questions.

    Attributes:
        project: the project's fields and counts.
        task: the question.
        settings: the project's settings.
        targets: people's answers to the question.
        pool: texts that need a label, by task id.
        encoder: BERT_MODEL; a model version that was trained from another encoder is outdated.
        label_texts: texts that say what each label means; none if NAMES is off.
        place: place of the question among the project's.
        questions: how many questions the project asks.
        left_out: answers to the question that nothing can be learned from.
        unreadable: tasks that Label Studio itself fails to show.
        no_text: set for the first question if most of the waiting tasks have no text.
        written: what each person wrote about a text, by task id; of a question that is answered in free text.
        pace: how fast people label, whatever the question; None while nobody can tell.
        people: how many people are at work.
        applied: texts whose only labels this backend gave, by task id.
    """

    project: Project
    task: Task
    settings: ProjectSettings
    targets: Targets
    pool: tuple[PoolText, ...]
    encoder: str
    label_texts: LabelTexts = ()
    place: int = 0
    questions: int = 1
    left_out: tuple[LeftOut, ...] = ()
    unreadable: tuple[int, ...] = ()
    no_text: NoText | None = None
    written: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    pace: Pace | None = None
    people: int = 0
    applied: tuple[PoolText, ...] = ()

    @cached_property
    def text_digests_N(self) -> IntArray:
        """Digests of the pool's texts; uint64."""
        return text_digests(text.text for text in self.pool)

    @property
    def background(self) -> Background:
        """Knowledge that needs no label: the meaning of the labels, and at most MOST_POOL unlabelled texts."""
        if self.settings.pool == "off":
            return Background(self.label_texts)
        texts = [text.text for text in self.pool if text.text.strip()]
        step = max(1, -(-len(texts) // MOST_POOL))
        return Background(self.label_texts, tuple(texts[::step]))


def sync(
    context: RoundContext, project: Project, settings: ProjectSettings, is_thorough: bool = False
) -> tuple[Synced, ...]:
    """Read the changed tasks of a project, and reduce the project to a pool of texts and to targets.

    Args:
        context: the context of the round; its turn, and the rounds before it, name the changed tasks.
        project: the project, as Label Studio counts it now.
        settings: the project's settings.
        is_thorough: read all tasks again if the last full read is long ago.

    Returns:
        The project for each of its questions, at least one; all share the pool.

    Raises:
        UnsupportedConfigError: the labeling config asks nothing that we can learn.
    """
    unread, file = unread_changes(context), context.folder.tasks_file
    tasks = read_tasks(project.label_config)

    def read() -> tuple[Synced, ...]:
        with TaskStore(file) as store:
            reading = Reading(context.client, store, project, tasks, context.turn.progress)
            reading.catch_up(unread.tasks, unread.are_all_named, is_thorough)
            return read_stored(store, project, settings, context.settings.bert_model)

    try:
        synced = read()
    except sqlite3.DatabaseError as error:
        if not set_aside_if_broken(file, error):
            raise
        synced = read()
    _warn_of_texts("no_text", synced[0], lambda text: not text)
    _warn_of_texts("text_cut", synced[0], lambda text: len(text) >= MAX_CHARACTERS)
    return (replace(synced[0], no_text=_no_text(context, tasks, synced[0].pool)), *synced[1:])


def _read(task: Task, annotated: Iterable[AnnotatedText], questions: int) -> ReadTargets:
    """Read people's answers to one question; with several questions, reasons for left-out answers name the question."""
    given = task.targets(annotated)
    if questions == 1:
        return given
    left = (replace(left, reason=f"{left.reason} (question {quoted(task.control)})") for left in given.left_out)
    return replace(given, left_out=tuple(left))


def read_stored(store: TaskStore, project: Project, settings: ProjectSettings, encoder: str) -> tuple[Synced, ...]:
    """Reduce the stored tasks of a project to a pool of texts and to targets.

    Args:
        store: the store of the project's tasks.
        project: the project.
        settings: the project's settings.
        encoder: BERT_MODEL.

    Returns:
        The project for each of its questions, at least one; all share the pool.

    Raises:
        UnsupportedConfigError: the labeling config asks nothing that we can learn.
    """
    tasks = read_tasks(project.label_config)
    pool, annotated = tuple(store.pool()), tuple(store.annotated())
    asked = [task.as_answered(annotated) for task in tasks]
    labelled = [_read(task, annotated, len(asked)) for task in asked]
    times = _times(annotated)
    of_project = partial(
        Synced,
        project=project,
        settings=settings,
        pool=pool,
        encoder=encoder,
        questions=len(asked),
        pace=pace_of(times),
        people=people_at_work(times),
        applied=_applied(annotated),
        unreadable=tuple(store.facts().get("unreadable", ())),
    )
    return tuple(
        of_project(
            task=task,
            targets=given.targets,
            label_texts=_meanings(task, project, settings),
            place=place,
            left_out=given.left_out,
            written=task.written(annotated),
        )
        for place, (task, given) in enumerate(zip(asked, labelled, strict=True))
    )


def _no_text(context: RoundContext, tasks: Sequence[Task], pool: Sequence[PoolText]) -> NoText | None:
    """Find out whether most tasks have no text, and which keys their data has instead."""
    empty = [text.task_id for text in pool if not text.text]
    if 2 * len(empty) <= len(pool):
        return None
    controls = [task.control for task in tasks]
    pages = context.client.tasks_by_id(context.project_id, empty[:_LOOKED_AT], controls)
    keys = dict.fromkeys(str(key)[:_KEY_CHARACTERS] for page in pages for task in page for key in task.data)
    asked = dict.fromkeys(field.key for task in tasks for field in task.fields)
    return NoText(len(empty), len(pool), tuple(asked), tuple(keys)[:_NAMED_KEYS])


def _times(annotated: Sequence[AnnotatedText]) -> list[list[float]]:
    """Return the times of each annotator's labels, in seconds since 1970."""
    by_person: dict[str, list[float]] = {}
    for annotation in (
        one for text in annotated for one in text.annotations if not one.is_skipped and not one.is_applied
    ):
        # Imported annotations may have times in unknown forms.
        with suppress(ValueError):
            at = datetime.fromisoformat(annotation.updated_at).timestamp()
            by_person.setdefault(annotation.annotator, []).append(at)
    return list(by_person.values())


def _applied(annotated: Iterable[AnnotatedText]) -> tuple[PoolText, ...]:
    """Return the labelled texts whose labels are all this backend's."""
    labels = ((text, [one for one in text.annotations if not one.is_skipped]) for text in annotated)
    return tuple(
        PoolText(text.task_id, text.text) for text, given in labels if given and all(one.is_applied for one in given)
    )


def _meanings(task: Task, project: Project, settings: ProjectSettings) -> LabelTexts:
    return read_label_texts(task, project.description, settings.label_descriptions, is_on=settings.names != "off")


def unread_changes(context: RoundContext) -> Unread:
    """Return the changes that no round has read: those of this turn, and those of rounds without due work."""
    last, requested = context.folder.sync_record.read(), context.turn.requested
    before = last.unread if last is not None else Unread()
    return before.after(requested.changes, requested.changed_tasks, are_all_named=requested.are_all_named)


def has_unseen_changes(context: RoundContext) -> bool:
    """Whether a task changed of which no event told: no event tells of an edited text, and any event may be lost.

    A corrected label, for instance, changes none of Label Studio's counts.
    """
    file = context.folder.tasks_file
    try:
        with TaskStore(file) as store:
            return has_changed(context.client, store, context.project_id)
    except sqlite3.DatabaseError as error:
        if not set_aside_if_broken(file, error):
            raise
        return True


def _warn_of_texts(event: str, synced: Synced, is_meant: Callable[[str], bool]) -> None:
    meant = [text.task_id for text in synced.pool if is_meant(text.text)]
    if meant:
        log.warning("event=%s project=%d tasks=%d first=%d", event, synced.project.project_id, len(meant), meant[0])


def read_targets(
    client: LabelStudioClient, project_id: int, tasks: Sequence[Task]
) -> tuple[tuple[Task, ReadTargets], ...]:
    """Read people's answers from an export, without a store. A text that is cut ends in a mark: people read the file.

    Args:
        client: the client for Label Studio.
        project_id: the project.
        tasks: the questions.

    Returns:
        Each question as people answer it, with its answers.
    """
    controls = [task.control for task in tasks]
    annotated = [
        AnnotatedText(exported.task_id, read_text(tasks, exported.data, MARK), exported.annotations)
        for exported in client.annotated_tasks(project_id, controls)
    ]
    asked = [task.as_answered(annotated) for task in tasks]
    return tuple((task, _read(task, annotated, len(asked))) for task in asked)
