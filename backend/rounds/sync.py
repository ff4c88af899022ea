"""Read a project from Label Studio and reduce it to texts, targets and a question."""

import logging
import sqlite3
from dataclasses import dataclass
from functools import cached_property

from backend.rounds.context import RoundContext
from backend.settings import ProjectSettings
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
    """A project as Label Studio holds it now.

    Attributes:
        pool: texts that still want labels, by task id.
        targets: what was labelled so far.
        encoder: BERT_MODEL, which a model version must have been trained from.
        label_texts: what the labels mean; no text of any label where NAMES is off.
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
        """What stands for each text of the pool; uint64."""
        return text_digests(text.text for text in self.pool)

    @property
    def background(self) -> Background:
        """What everybody can see before anybody labels: what labels mean, and some of the unlabelled texts."""
        if self.settings.pool == "off":
            return Background(self.label_texts)
        texts = [text.text for text in self.pool if text.text.strip()]
        step = max(1, -(-len(texts) // MOST_POOL))
        return Background(self.label_texts, tuple(texts[::step]))


def sync(context: RoundContext, project: Project, settings: ProjectSettings, is_thorough: bool = False) -> Synced:
    """Read what changed, and reduce annotations and pool to texts, targets and a question.

    Args:
        context: the round; its turn knows which tasks changed.
        project: as it stands now.
        settings: the project's own.
        is_thorough: find even changes of which there is no trace, unless that was done not long ago.
    """
    turn, file = context.turn, context.folder.tasks_file
    classification = read_labeling_config(project.label_config)
    label_texts = read_label_texts(
        classification, project.description, settings.label_descriptions, is_on=settings.names != "off"
    )

    def read() -> Synced:
        with TaskStore(file) as store:
            reading = Reading(context.client, store, project, classification, turn.progress)
            reading.catch_up(turn.changed_tasks, turn.are_all_named, is_thorough)
            turn.mark_changes_read()
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


def _warn_of_empty_texts(synced: Synced) -> None:
    empty = [text.task_id for text in synced.pool if not text.text]
    if empty:
        log.warning("event=no_text project=%d tasks=%d first=%d", synced.project.project_id, len(empty), empty[0])


def read_targets(client: LabelStudioClient, project_id: int, classification: Classification) -> Targets:
    """Read what was labelled so far."""
    annotated = [
        AnnotatedText(task.task_id, read_text(classification, task.data), task.annotations)
        for task in client.annotated_tasks(project_id, classification.control)
    ]
    return build_targets(annotated, classification.label_set)
