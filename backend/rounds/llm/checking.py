"""An LLM's labels of a question on disk: blind checks of them, and the labels that train beside people's."""

from collections.abc import Mapping

import numpy as np

from backend.rounds.llm.choosing import LLMContext
from backend.rounds.sync import Synced
from backend.settings import LLMLabels
from backend.store.project_folder import ProjectFolder
from backend.store.selections import LLMLabel
from model.tasks.classification.llm import Checks, Guess, LLMGuesses, count_checks, weak_targets
from model.text_digests import text_digest
from model.types import PoolText, Targets


def stored_labels(folder: ProjectFolder, control: str) -> dict[int, LLMLabel]:
    """Read an LLM's labels of a question, by task id; labels of another question that had its place are left out.

    Args:
        folder: the question's folder.
        control: the question's control.
    """
    stored = folder.llm_labels.read()
    return {task_id: label for task_id, label in stored.items() if label.question in ("", control)}


def store_labels(context: LLMContext, guesses: Mapping[PoolText, Guess], blind: frozenset[int]) -> None:
    """Store the LLM's labels. A check keeps its first label, which is compared with people's labels.

    Args:
        context: the question and the LLM.
        guesses: the LLM's labels, by text.
        blind: ids of tasks that people label without seeing the LLM's label.
    """
    folder, control = context.folder, context.synced.task.control
    stored, source = stored_labels(folder, control), context.settings.llm_name
    new = {
        text.task_id: LLMLabel(
            guess.labels, guess.is_sure, text.task_id in blind, text_digest(text.text), source, control
        )
        for text, guess in guesses.items()
    }
    old_checks = {
        text.task_id: label for text in guesses if is_check(label := stored.get(text.task_id), text.text) and label
    }
    folder.llm_labels.write({**stored, **new, **old_checks})


def is_check(label: LLMLabel | None, text: str) -> bool:
    """Whether people check a label blind, of the text as it is now."""
    return label is not None and label.is_check and label.text_digest == text_digest(text)


def outstanding_checks(context: LLMContext) -> frozenset[int]:
    """Return the ids of unlabelled tasks that people check blind. A task stays blind until a person labels it."""
    labels = stored_labels(context.folder, context.synced.task.control)
    return frozenset(text.task_id for text in context.synced.pool if is_check(labels.get(text.task_id), text.text))


def checks_so_far(folder: ProjectFolder, synced: Synced, source: str) -> Checks:
    """Count how often people's labels of blindly checked texts agree with an LLM's labels.

    A check does not count if its text changed, or if the project no longer has its label.

    Args:
        folder: the question's folder, with the LLM's labels.
        synced: the project for the question, with people's labels.
        source: provider and model of the LLM, see `Settings.llm_name`.
    """
    people = synced.targets
    digest_of = dict(zip(people.task_ids, map(text_digest, people.texts), strict=True))
    checked = {
        task_id: label.labels
        for task_id, label in stored_labels(folder, synced.task.control).items()
        if label.is_check
        and label.source == source
        and label.text_digest == digest_of.get(task_id)
        and set(label.labels) <= set(people.label_set.labels)
    }
    return count_checks(checked, people)


def labels_that_train(folder: ProjectFolder, synced: Synced, source: str) -> Targets | None:
    """Return the LLM's labels that train the classifier beside people's labels.

    Args:
        folder: the question's folder, with the LLM's labels.
        synced: the project for the question.
        source: provider and model of the LLM, see `Settings.llm_name`.

    Returns:
        The labels; None unless LLM_LABELS is `train`.
    """
    if not synced.settings.llm_labels.includes(LLMLabels.TRAIN):
        return None
    stored = stored_labels(folder, synced.task.control)
    labels = [(text, label) for text in synced.pool if (label := stored.get(text.task_id))]
    current = [
        (text, label)
        for text, label in labels
        if label.text_digest == text_digest(text.text) and label.source == source
    ]
    guesses = LLMGuesses(
        [text.task_id for text, _ in current],
        [text.text for text, _ in current],
        [Guess(label.labels, label.is_sure) for _, label in current],
    )
    return weak_targets(
        guesses,
        [task_id for task_id, label in stored.items() if label.is_check],
        checks_so_far(folder, synced, source),
        synced.targets,
        np.random.default_rng(len(synced.targets)),
    )
