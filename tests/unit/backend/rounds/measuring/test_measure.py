"""What a round keeps for the page, and rounds of a project that somebody paused."""

import json

import numpy as np
import pytest

from backend.rounds.round import Round
from backend.settings import Settings
from backend.store.project_folder import ProjectFolder
from backend.studio.config.kinds import KINDS
from backend.web.deciding import pause, resume
from backend.web.service import Service
from backend.work.classifiers import Classifiers
from backend.work.requests import Requested
from model.figures.shares import Share
from model.learner.held_out import HELD_OUT
from tests.counts import COUNT, count_config, counted
from tests.fake_tasks import WholeLabelStudio
from tests.fakes import FakeRounds, FakeTurn, a_context, labeling_config
from tests.unit.backend.films import FILMS, sentiment

OWN = {"names": "off", "cold_start": "random", "strategy": "margin", "explore": 0.0}


@pytest.fixture
def settings(tmp_path, encoder) -> Settings:
    return Settings(model_dir=tmp_path, bert_model=encoder, retrain_every=8, query_size=5, queue_size=20, recipe="head")


@pytest.fixture
def folder(settings) -> ProjectFolder:
    return ProjectFolder(settings.model_dir, 1)


@pytest.fixture
def run(settings):
    """Run a round of a project that hears of so many labels."""
    classifiers = Classifiers(1)

    def run(studio, changes=0, trains=False):
        studio.extra_params = OWN
        turn = FakeTurn(1)
        turn.requested = Requested(changes, trains, are_all_named=False)
        Round(a_context(settings, studio, turn, classifiers)).run()

    return run


def films(*labelled: int, wrong: int = 0) -> WholeLabelStudio:
    studio = WholeLabelStudio(FILMS, label_config=labeling_config())
    for task_id in labelled:
        label(studio, task_id, is_wrong=task_id == wrong)
    return studio


def label(studio: WholeLabelStudio, task_id: int, *, is_wrong: bool = False) -> None:
    gold = sentiment(FILMS[task_id - 1])
    studio.annotate(task_id, {"pos": "neg", "neg": "pos"}[gold] if is_wrong else gold)


def test_a_label_that_looks_wrong_is_named_until_somebody_corrects_it(run, folder):
    studio = films(*range(1, 25), wrong=5)
    run(studio, 24)
    assert folder.figures.read().suspects[0].task_id == 5
    label(studio, 5)
    run(studio, 1)
    assert 5 not in [suspect.task_id for suspect in folder.figures.read().suspects]
    # The version is the same: only the label of today is another.
    assert folder.figures.read().version == 1


def test_classes_are_counted_anew_after_each_label(run, folder):
    studio = films(*range(1, 11))
    run(studio, 10)
    before = {count.label: count.texts for count in folder.figures.read().counts}
    label(studio, 11)
    run(studio, 1)
    after = {count.label: count.texts for count in folder.figures.read().counts}
    assert sum(after.values()) == sum(before.values()) + 1


def test_each_training_has_one_line_whatever_happened_in_between(run, folder):
    studio = films(*range(1, 11))
    run(studio, 10)
    run(studio, 0, trains=True)
    run(studio, 0)
    assert [record.version for record in folder.trainings.read()] == [1, 2]
    # A round that was killed after it had written a version left no line; the next one writes it.
    lines = (folder.path / "trainings.jsonl").read_text().splitlines()
    (folder.path / "trainings.jsonl").write_text(lines[0] + "\n")
    label(studio, 11)
    run(studio, 1)
    assert [record.version for record in folder.trainings.read()] == [1, 2]


def test_out_of_fold_figures_are_those_of_the_model_version(run, folder):
    run(films(*range(1, 25), wrong=5), 24)
    version, figures = folder.registry.current(), folder.figures.read()
    assert figures.out_of_fold.of == version.out_of_fold.texts == 24
    assert figures.out_of_fold.value == pytest.approx(version.out_of_fold.accuracy)
    assert np.mean([each.f1 for each in figures.classes]) == pytest.approx(version.out_of_fold.macro_f1)


def test_a_version_of_an_earlier_release_has_its_accuracy_alone(run, folder, settings):
    studio = films(*range(1, 25))
    run(studio, 24)
    version = folder.registry.current()
    manifest = version.folder / "manifest.json"
    record = json.loads(manifest.read_text())["record"]
    del record["sha256"][HELD_OUT]
    manifest.write_text(json.dumps(record))
    (version.folder / HELD_OUT).unlink()
    (folder.path / "trainings.jsonl").unlink()
    label(studio, 25)
    run(studio, 1)
    (line,) = folder.trainings.read()
    assert (line.out_of_fold.of, line.fair) == (24, Share(0, 0))
    assert folder.figures.read().classes == ()


def test_each_question_has_figures_of_its_own(run, folder):
    KINDS.append(COUNT)
    try:
        studio = WholeLabelStudio(FILMS, label_config=count_config("stars", "pace"))
        for task_id in range(1, 17):
            stars = 3 if sentiment(FILMS[task_id - 1]) == "pos" else 1
            studio.answer(task_id, (counted("stars", stars), counted("pace", 4 - stars)))
        run(studio, 16)
    finally:
        KINDS.remove(COUNT)
    assert folder.figures.read().question == "stars"
    assert folder.of_question(1).figures.read().question == "pace"
    assert [record.question for record in folder.of_question(1).trainings.read()] == ["pace"]


# Pause


def test_a_paused_project_neither_trains_nor_publishes(run, folder):
    studio = films()
    run(studio)
    studio.calls.clear()
    pause(folder)
    for task_id in range(1, 17):
        label(studio, task_id)
    run(studio, 16, trains=True)
    assert (studio.calls, folder.registry.numbers()) == ([], [])


def test_a_resumed_project_catches_up_with_everything_that_changed(run, folder, settings):
    studio = films(*range(1, 11))
    run(studio, 10)
    pause(folder)
    for task_id in range(11, 25):
        label(studio, task_id)
    run(studio, 14)
    service = Service(settings, FakeRounds(), None)
    resume(service, folder)
    (asked,) = service.rounds.requests
    run(studio, asked["changes"])
    assert folder.registry.current().labels == 24


def test_a_correction_made_during_a_pause_is_learned_after_it(run, folder, settings):
    studio = films(*range(1, 25), wrong=5)
    run(studio, 24)
    pause(folder)
    label(studio, 5)
    run(studio, 1)
    resume(Service(settings, FakeRounds(), None), folder)
    studio.calls.clear()
    run(studio, 1)
    assert any(call.startswith("use") for call in studio.calls)
    assert 5 not in [suspect.task_id for suspect in folder.figures.read().suspects]
