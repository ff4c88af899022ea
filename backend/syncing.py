"""Read a project from Label Studio and reduce it to texts, targets and a question."""

import logging
from dataclasses import dataclass

from backend.contract import Project
from backend.label_studio import LabelStudioClient
from backend.labeling_config import Classification, read_labeling_config, read_text
from backend.settings import ProjectSettings
from model.annotations import build_targets
from model.types import AnnotatedText, PoolText, Targets

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Synced:
    """A project as Label Studio holds it now.

    Attributes:
        pool: texts that still want labels, by task id.
        targets: what was labelled so far.
        encoder: BERT_MODEL, which a model version must have been trained from.
    """

    project: Project
    classification: Classification
    settings: ProjectSettings
    targets: Targets
    pool: tuple[PoolText, ...]
    encoder: str


def sync(client: LabelStudioClient, project: Project, settings: ProjectSettings, encoder: str) -> Synced:
    """Read annotations and pool, and reduce them to texts, targets and a question."""
    classification = read_labeling_config(project.label_config)
    targets = read_targets(client, project.project_id, classification)
    pool = tuple(
        PoolText(task.task_id, read_text(classification, task.data), task.is_skipped)
        for task in client.tasks(project.project_id)
        if not task.is_done
    )
    empty = [text.task_id for text in pool if not text.text]
    if empty:
        log.warning("event=no_text project=%d tasks=%d first=%d", project.project_id, len(empty), empty[0])
    return Synced(project, classification, settings, targets, pool, encoder)


def read_targets(client: LabelStudioClient, project_id: int, classification: Classification) -> Targets:
    """Read what was labelled so far."""
    annotated = [
        AnnotatedText(task.task_id, read_text(classification, task.data), task.annotations)
        for task in client.annotated_tasks(project_id, classification.control)
    ]
    return build_targets(annotated, classification.label_set)
