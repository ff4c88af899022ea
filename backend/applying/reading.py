"""Read a project as it is now, beside its rounds: texts, labels, and the answers of the model version in use."""

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import cast

import numpy as np

from backend.errors import NoModelError, NotConnectedError, UnknownQuestionError
from backend.rounds.asking.copies import find_copies
from backend.rounds.asking.fair import fair_labels
from backend.rounds.context import RoundContext
from backend.rounds.fit import usable
from backend.rounds.score import embedder
from backend.rounds.sync import Synced, read_stored
from backend.settings import Settings
from backend.store.applied import Given
from backend.store.project_folder import ProjectFolder
from backend.store.tasks import TaskStore
from backend.studio.client import LabelStudioClient
from backend.studio.config.kinds import read_tasks
from backend.studio.reading import Reading
from backend.work.classifiers import Classifiers
from backend.work.queue import RoundQueue
from backend.work.sources import Source
from backend.work.turn import Turn
from model.applying.held_out import held_out_proba
from model.applying.promise import Evidence
from model.encoder.classifier import TextClassifier, new_classifier
from model.encoder.inference import head_proba
from model.files.writing import passing_folder
from model.learner.model_version import ModelVersion
from model.learner.recipes import TrainingConfig
from model.learner.registry import label_digests
from model.learner.training import Start
from model.progress import Progress
from model.tasks.shares import quoted
from model.texts.copies import first_of_each
from model.types import BoolArray, FloatArray, IntArray, Recipe, TrainingData


class Onlooker:
    """Takes the place of a round's turn outside of rounds: it passes on progress, and may change nothing."""

    def __init__(self, on_progress: Progress) -> None:
        self._on_progress = on_progress

    def progress(self, done: int, total: int, loss: float | None = None) -> None:
        """Pass on progress."""
        self._on_progress(done, total)


def look_on(
    settings: Settings,
    client: LabelStudioClient,
    queue: RoundQueue,
    project_id: int,
    on_progress: Progress,
    classifiers: Classifiers | None = None,
) -> RoundContext:
    """Make the context of a project's rounds, for reading beside them.

    Args:
        settings: the process's.
        client: the project's Label Studio.
        queue: the queue of rounds.
        project_id: the project.
        on_progress: called with (done, total) in long work.
        classifiers: the process's cache of classifiers; None for a process that has none.

    Raises:
        NotConnectedError: the project is not connected here.
    """
    folder = ProjectFolder(settings.model_dir, project_id)
    if not folder.is_connected():
        raise NotConnectedError(
            f"project {project_id} is not connected here: python -m backend connect --project {project_id}"
        )
    return RoundContext(
        settings, folder, client, queue, cast("Turn", Onlooker(on_progress)), classifiers or Classifiers(2)
    )


def read_now(context: RoundContext) -> tuple[Synced, ...]:
    """Read a project's texts and labels as Label Studio has them now, and change nothing that rounds use.

    Rounds keep a store of tasks: a copy of it is brought up to date, so that little has to be read.

    Args:
        context: see `look_on`.
    """
    folder, client = context.folder, context.client
    project = client.project(folder.project_id)
    own = context.settings.for_project(folder.connection.read().extra_params)
    with passing_folder(folder.path) as room:
        copy = room / folder.tasks_file.name
        # If the store is damaged, the next round sets it aside; here everything is read from Label Studio instead.
        with suppress(sqlite3.DatabaseError), TaskStore(folder.tasks_file) as store:
            store.copy_to(copy)
        with TaskStore(copy) as store:
            questions = read_tasks(project.label_config)
            Reading(client, store, project, questions, context.turn.progress).catch_up((), are_all_named=False)
            return read_stored(store, project, own, context.settings.bert_model)


def find_question(questions: Sequence[Synced], name: str) -> Synced:
    """Find a question by its control; without a name the first that is learned.

    Raises:
        UnknownQuestionError: the project learns no such question.
    """
    learned = [synced for synced in questions if synced.task.is_learned]
    found = next((synced for synced in learned if name in ("", synced.task.control)), None)
    if found is None:
        names = ", ".join(quoted(synced.task.control) for synced in learned) or "none"
        asked = f"no question {quoted(name)}" if name else "no question"
        raise UnknownQuestionError(f"the project asks {asked} that a classifier learns: it asks {names}")
    return found


@dataclass(frozen=True)
class Answered:
    """The answers of a classifier or an LLM to N texts.

    Attributes:
        decided_N_C: True for the classes that the answer gives a text.
        confidence_N: of a classifier the calibrated probability that the whole answer is right, of an LLM the share of
            its answers that agree; 0 for an answer without a class.
    """

    decided_N_C: BoolArray
    confidence_N: FloatArray


class UnlabelledTexts(ABC):
    """One question of a project, its texts that nobody labelled, and the evidence on the classifier or the LLM.

    Attributes:
        model: number of the model version that gives labels; 0 if an LLM does.
        llm: the LLM that gives labels; empty if a model version does.
    """

    model = 0
    llm = ""

    def __init__(self, context: RoundContext, synced: Synced) -> None:
        """Name the question; nothing is computed yet.

        Args:
            context: see `look_on`.
            synced: the question, as `read_now` read it.
        """
        self.context = context.of_question(synced.place)
        self.synced = synced

    @property
    @abstractmethod
    def answered(self) -> Answered:
        """The labels of the texts of `rows_N`."""

    @abstractmethod
    def evidence(self) -> Evidence:
        """Compare people's labels of the fair sample with the answers, each predicted without the text's own label."""

    @cached_property
    def rows_N(self) -> IntArray:
        """Rows of the pool that may get a predicted label: those with a text that nobody labelled or skipped."""
        labelled = {*self.synced.targets.task_ids, *self.copied}
        pool = self.synced.pool
        may = [bool(text.text) and not text.is_skipped and text.task_id not in labelled for text in pool]
        return np.flatnonzero(np.array(may, dtype=bool))

    @cached_property
    def copied(self) -> dict[int, Given]:
        """The label of each copy of a text that people labelled, by task id; none where people disagree on the text."""
        task, targets = self.synced.task, self.synced.targets
        decided_L_C = task.decided(targets.targets_N_C)
        said = {
            task_id: self.labels_of(decided_C) if task.link.majority(shares_C) is not None else ()
            for task_id, decided_C, shares_C in zip(targets.task_ids, decided_L_C, targets.targets_N_C, strict=True)
        }
        twins_of = find_copies([self.synced]).labelled_twins
        given = {id_: {said[twin] for twin in twins} for id_, twins in twins_of.items()}
        agreed = {id_: labels.pop() for id_, labels in given.items() if len(labels) == 1}
        return {id_: Given(labels, 1.0) for id_, labels in agreed.items() if labels}

    def labels_of(self, decided_C: BoolArray) -> tuple[str, ...]:
        """The names of decided classes."""
        labels = self.synced.task.label_set.labels
        return tuple(labels[position] for position in np.flatnonzero(decided_C).tolist())

    def evidence_of(self, rows_R: IntArray, answered: Answered) -> Evidence:
        """Compare answers with people's labels.

        Args:
            rows_R: rows of labelled texts.
            answered: the answers to these texts.
        """
        gold_R_C = self.synced.task.decided(self.synced.targets.targets_N_C[rows_R])
        has_class_R = answered.decided_N_C.any(axis=1)
        is_right_R = (answered.decided_N_C == gold_R_C).all(axis=1)
        return Evidence(answered.confidence_N[has_class_R], is_right_R[has_class_R])


class Rest(UnlabelledTexts):
    """The texts that nobody labelled, as the model version in use answers them."""

    def __init__(self, context: RoundContext, synced: Synced) -> None:
        """Name the question; nothing is computed yet.

        Args:
            context: see `look_on`.
            synced: the question, as `read_now` read it.

        Raises:
            NoModelError: the question has no model version.
        """
        super().__init__(context, synced)
        version = usable(self.context.folder.registry.current(), synced)
        if version is None:
            raise NoModelError(
                f"project {context.project_id} has no model version for the question {synced.task.control!r}: "
                f"label {synced.settings.retrain_every} texts, of two labels at least, and wait for the training"
            )
        self.version: ModelVersion = version
        self.model = version.number

    @cached_property
    def classifier(self) -> TextClassifier:
        """The classifier of the version in use."""
        source = Source(self.version.encoder, self.version.number)
        return self.context.classifiers.get(self.context.folder, source)

    @cached_property
    def answered(self) -> Answered:
        """The version's answers to the texts of `rows_N`."""
        return self._answer(self._proba([self.synced.pool[row].text for row in self.rows_N.tolist()]))

    def evidence(self) -> Evidence:
        """Compare people's labels of the fair sample with the version's answers, each predicted without its own label.

        A label that is newer than the version does not count if the version learned from a copy of the text.
        """
        targets = self.synced.targets
        is_drawn_L = fair_labels([self.synced], targets.task_ids)
        knows_L = np.isin(label_digests(targets), self.version.label_digests_N)
        first_L = first_of_each(targets.texts)
        is_seen_L = np.isin(first_L, first_L[knows_L])
        old_M, new_M = np.flatnonzero(is_drawn_L & knows_L), np.flatnonzero(is_drawn_L & ~is_seen_L)
        rows_R = np.concatenate([old_M, new_M])
        proba_R_C = np.concatenate(
            [self._proba_without(np.flatnonzero(knows_L), old_M), self._proba(targets.some(new_M).texts)]
        )
        return self.evidence_of(rows_R, self._answer(proba_R_C))

    def _answer(self, proba_N_C: FloatArray) -> Answered:
        task = self.synced.task
        decided_N_C = task.decided(proba_N_C)
        confidence_N = task.link.certainty(decided_N_C, proba_N_C)
        return Answered(decided_N_C, np.where(decided_N_C.any(axis=1), confidence_N, 0.0))

    def _proba(self, texts: Sequence[str]) -> FloatArray:
        """Predict texts that the version has not learned from: proba_N_C."""
        if not texts:
            return np.zeros((0, len(self.version.label_set.labels)), dtype=np.float32)
        return head_proba(self.classifier, self.classifier.head, embedder(self.context, self.version)(texts))

    def _proba_without(self, known_K: IntArray, rows_R: IntArray) -> FloatArray:
        """Predict labelled texts as if the version had not learned from them: proba_R_C.

        Args:
            known_K: rows of the labels that the version learned from.
            rows_R: the rows among them to predict.
        """
        if not len(rows_R):
            return self._proba(())
        recipe = Recipe(self.version.recipe_used)
        if recipe is Recipe.AUTO:
            raise NoModelError(f"model version {self.version.number} is of an earlier release: press Start Training")
        known = self.synced.targets.some(known_K)
        embed = embedder(self.context, None)
        config = TrainingConfig(recipe=recipe, encoder=self.version.encoder)
        return held_out_proba(
            TrainingData(known, background=replace(self.synced.background, label_texts=self.version.label_texts)),
            np.searchsorted(known_K, rows_R),
            config,
            Start(new_classifier(config.encoder, known.label_set), embed),
            self.classifier,
            self.context.turn.progress,
            first_N=first_of_each(known.texts),
        )
