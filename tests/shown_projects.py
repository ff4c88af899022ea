"""Projects in every state that a page has to show, made up in a data folder; no round runs and nobody is asked."""

import time
from dataclasses import replace

import numpy as np

from backend.store.applied import Checked, Errand, ErrandKind, ErrandReport, Form, Run, Wish
from backend.store.connection import Connection
from backend.store.figures import ClassCount, QuestionFigures, RoundRecord, TrainingRecord
from backend.store.project_folder import ProjectFolder
from backend.store.sync_record import Failure
from backend.store.tasks import StoredTask, TaskStore
from model.figures.annotators import Annotator, People
from model.figures.held_out import calibration, class_figures, confusions, right_answers
from model.figures.label_errors import find_label_errors
from model.figures.random_labels import RandomLabels
from model.figures.shares import Share
from model.learner.held_out import HeldOutAnswers
from model.types import LabelSet
from tests.fakes import a_sync_record, some_places, write_publication

THREE = People(
    (Annotator("3", 310, 96, 9), Annotator("11", 120, 84, 17), Annotator("204", 58, 40, 8)),
    102,
    0.83,
    0.76,
    0.9,
    110,
    17,
)
DAY_S = 86_400.0


def connected(folder: ProjectFolder) -> ProjectFolder:
    """A project that was connected, and nothing else."""
    folder.connection.write(Connection("http://localhost:9090", {}, 5))
    return folder


def failed(folder: ProjectFolder) -> ProjectFolder:
    """A project whose training failed."""
    failure = Failure("training_failed", "the training needs more memory than there is: give the worker more")
    connected(folder).sync_record.write(a_sync_record(questions=("intent",), failure=failure))
    return folder


def grown(folder: ProjectFolder, classes: int = 4, texts: int = 400, people: People = THREE) -> ProjectFolder:
    """A project with trainings, an order, rounds and annotators."""
    connected(folder)
    labels = LabelSet(tuple(f"intent {place + 1}: card or transfer" for place in range(classes)))
    answers = some_answers(labels, texts)
    write_publication(folder, 12, some_places(12), label_set=labels, queued=12)
    with TaskStore(folder.tasks_file) as tasks:
        tasks.put(
            StoredTask(id_, f"I paid by card, and the amount is wrong. Text number {id_}.") for id_ in range(1, texts)
        )
    folder.sync_record.write(a_sync_record(questions=("intent",), labels=texts, left=9_600, applied=120))
    what_nobody_labelled(folder)
    folder.figures.write(figures_of(answers, people))
    now = time.time()
    for version, count in enumerate((32, 64, 100, 160, 256, 400), 1):
        right, fair = round(count * (0.55 + 0.06 * version)), count // 8
        random = (
            RandomLabels(fair, fair, 0.6 + 0.04 * version, 0.58 + 0.03 * version, -0.08, 0.14) if fair >= 10 else None
        )
        share = Share(round(fair * (0.6 + 0.055 * version)), fair)
        at = now - (7 - version) * DAY_S
        folder.trainings.append(
            TrainingRecord("intent", version, at, count, "lp-ft", Share(right, count), share, 0.8, random)
        )
        folder.rounds.append(
            RoundRecord(at, count, version, f"{version}.{version + 1}", "hybrid", 10_000 - count, 42.5)
        )
    return folder


def what_nobody_labelled(folder: ProjectFolder) -> None:
    """A promise, a search, labels that were written, and the end of an errand."""
    now = time.time()
    folder.checked.write(
        Checked(
            *(now, 0.95, "intent", 6),
            is_promised=True,
            tasks=5_840,
            copies=12,
            share=0.608,
            expected=0.982,
            interval=(0.952, 0.996),
            said=("5828 of 9588 unlabelled texts get a label.",),
        )
    )
    folder.wish.write(Wish(now, "find: my card was stolen", tuple(range(20, 50))))
    folder.applied.write([Run("5.apply-1", Form.ANNOTATIONS, "", 300, 0.95, now - DAY_S, is_done=True)])
    folder.errand.write(Errand(ErrandKind.CHECK, now - 60))
    folder.errand_report.write(ErrandReport(now - 60, ended_at=now, said=("What can be promised was checked.",)))


def some_answers(labels: LabelSet, texts: int) -> HeldOutAnswers:
    """Answers of which most are right, some confused, and a few labels wrong."""
    rng, classes = np.random.default_rng(0), len(labels.labels)
    gold_N = np.minimum(rng.geometric(min(0.5, 4 / classes), size=texts) - 1, classes - 1)
    proba_N_C = rng.dirichlet(np.full(classes, 0.3), size=texts)
    proba_N_C[np.arange(texts), gold_N] += rng.uniform(0.2, 3.0, size=texts)
    proba_N_C /= proba_N_C.sum(axis=1, keepdims=True)
    given_N = gold_N.copy()
    given_N[:12] = (given_N[:12] + 1) % classes
    return HeldOutAnswers(np.arange(1, 1 + texts), np.eye(classes, dtype=np.float32)[given_N], proba_N_C, labels)


def figures_of(answers: HeldOutAnswers, people: People) -> QuestionFigures:
    """The figures that a round would have kept of these answers."""
    counts = tuple(ClassCount(each.label, each.given) for each in class_figures(answers))
    is_fair = np.arange(len(answers)) % 10 == 0
    figures = QuestionFigures(
        question="intent",
        kind="Classification",
        version=6,
        labels=len(answers),
        counts=counts,
        out_of_fold=right_answers(answers),
        fair=right_answers(answers, is_fair),
        classes=class_figures(answers),
        confusions=confusions(answers),
        calibration=calibration(answers),
        suspects=find_label_errors(answers),
    )
    return replace(figures, people=people)
