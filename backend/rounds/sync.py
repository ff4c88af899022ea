"""Read a project from Label Studio and reduce it to a pool of texts, targets and a classification."""

import logging
import sqlite3
from dataclasses import dataclass
from functools import cached_property

from backend.rounds.context import RoundContext
from backend.settings import ProjectSettings
from backend.store.sync_record import Unread
from backend.store.tasks import TaskStore, set_aside_if_broken
from backend.studio.client import LabelStudioClient
from backend.studio.contract import Project
from backend.studio.labeling_config import Classification, read_label_texts, read_labeling_config, read_text
from backend.studio.reading import Reading
from model.learner.knowledge import MOST_POOL
from model.tasks.annotations import build_targets
from model.text_digests import text_digests
from model.types import AnnotatedText, Background, IntArray, LabelTexts, PoolText, Targets

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Synced:
    """A project as read from Label Studio.

    Attributes:
        project: the project's fields and counts.
        classification: the classification that the labeling config asks for.
        settings: the project's settings.
        targets: people's labels.
        pool: texts that need a label, by task id.
        encoder: BERT_MODEL; a model version that was trained from another encoder is outdated.
        label_texts: texts that say what each label means; none if NAMES is off.
    """

    project: Project
    classification: Classification
    settings: ProjectSettings
    targets: Targets
    pool: tuple[PoolText, ...]
    encoder: str
    label_texts: LabelTexts = ()

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


def sync(context: RoundContext, project: Project, settings: ProjectSettings, is_thorough: bool = False) -> Synced:
    """Read the changed tasks of a project, and reduce the project to a pool of texts, targets and a classification.

    Args:
        context: the context of the round; its turn, and the rounds before it, name the changed tasks.
        project: the project, as Label Studio counts it now.
        settings: the project's settings.
        is_thorough: read all tasks again if the last full read is long ago.

    Raises:
        UnsupportedConfigError: the labeling config asks for no text classification that we can learn.
    """
    unread, file = unread_changes(context), context.folder.tasks_file
    classification = read_labeling_config(project.label_config)
    label_texts = read_label_texts(
        classification, project.description, settings.label_descriptions, is_on=settings.names != "off"
    )

    def read() -> Synced:
        with TaskStore(file) as store:
            reading = Reading(context.client, store, project, classification, context.turn.progress)
            reading.catch_up(unread.tasks, unread.are_all_named, is_thorough)
            targets = build_targets(store.annotated(), classification.label_set)
            return Synced(
                project,
                classification,
                settings,
                targets,
                tuple(store.pool()),
                context.settings.bert_model,
                label_texts,
            )

    try:
        synced = read()
    except sqlite3.DatabaseError as error:
        if not set_aside_if_broken(file, error):
            raise
        synced = read()
    _warn_of_empty_texts(synced)
    return synced


def unread_changes(context: RoundContext) -> Unread:
    """Return the changes that no round has read: those of this turn, and those of rounds without due work."""
    last, requested = context.folder.sync_record.read(), context.turn.requested
    before = last.unread if last is not None else Unread()
    return before.after(requested.changes, requested.changed_tasks, are_all_named=requested.are_all_named)


def _warn_of_empty_texts(synced: Synced) -> None:
    empty = [text.task_id for text in synced.pool if not text.text]
    if empty:
        log.warning("event=no_text project=%d tasks=%d first=%d", synced.project.project_id, len(empty), empty[0])


def read_targets(client: LabelStudioClient, project_id: int, classification: Classification) -> Targets:
    """Read people's labels from an export, without a store.

    Args:
        client: the client for Label Studio.
        project_id: the project.
        classification: the classification that the labeling config asks for.
    """
    annotated = [
        AnnotatedText(task.task_id, read_text(classification, task.data), task.annotations)
        for task in client.annotated_tasks(project_id, classification.control)
    ]
    return build_targets(annotated, classification.label_set)
