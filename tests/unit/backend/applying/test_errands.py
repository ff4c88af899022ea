"""Errands over a fake Label Studio: what somebody asked for on the page, done by a worker of this process."""

import time
from contextlib import nullcontext
from dataclasses import replace
from threading import Event

import pytest

from backend.applying import errands
from backend.applying.errands import Watch, kept_plan, perform
from backend.errors import LabelStudioUnreachableError
from backend.settings import Settings
from backend.store.applied import Errand, ErrandKind, ErrandReport, Form
from backend.store.figures import Pause
from backend.work.classifiers import Classifiers
from backend.work.forms import ARGUMENTS, PERFORM_ERRAND
from backend.work.worker import WorkerProcess
from tests.fakes import FakeRounds, labeling_config
from tests.unit.backend.applying.test_apply import TEXTS, Project, gold

LABELLED = 60


@pytest.fixture(scope="module")
def labelled(tmp_path_factory, encoder) -> Project:
    settings = Settings(
        model_dir=tmp_path_factory.mktemp("errands"), bert_model=encoder, retrain_every=8, query_size=10, recipe="head"
    )
    project = Project(settings)
    project.round()
    for _ in range(LABELLED // 10):
        project.label_next(10)
    return project


@pytest.fixture
def worker(labelled) -> WorkerProcess:
    return WorkerProcess(labelled.settings, FakeRounds(), Event(), Classifiers(1))


@pytest.fixture
def ask(labelled, worker):
    """Ask for something, have the worker do it, and return its report; in the end all is taken back."""

    def ask(kind: ErrandKind, studio=None, **asked) -> ErrandReport:
        errand = Errand(kind, time.time(), **asked)
        labelled.folder.errand.write(errand)
        perform(worker, labelled.folder, errand, lambda _: nullcontext(studio or labelled.studio))
        report = labelled.folder.errand_report.read()
        assert report.of == errand.at
        return report

    yield ask
    ask(ErrandKind.UNDO)
    labelled.folder.wish.remove()


def test_a_check_finds_out_what_the_command_would_promise_and_writes_nothing(labelled, ask):
    calls = len(labelled.studio.calls)
    report = ask(ErrandKind.CHECK, precision=0.8)
    assert (report.wrong, report.ended_at > 0) == ("", True)
    _, plan = labelled.plan(0.8)
    checked = labelled.folder.checked.read()
    assert (checked.precision, checked.model, checked.question) == (0.8, plan.model, "sentiment")
    assert (checked.is_promised, checked.reason) == (True, "")
    assert (checked.tasks, checked.copies) == (len(plan.labels), 0)
    assert checked.share == pytest.approx(plan.share, abs=1e-4)
    assert checked.interval == pytest.approx(plan.promise.interval, abs=1e-4)
    assert any("with 95 % certainty" in sentence for sentence in checked.said)
    assert labelled.studio.calls[calls:] == []


def test_what_cannot_be_promised_is_kept_with_the_way_on_and_is_not_written(labelled, ask):
    ask(ErrandKind.CHECK, precision=0.99)
    checked = labelled.folder.checked.read()
    assert (checked.is_promised, checked.tasks, checked.interval) == (False, 0, None)
    assert "(--sample 100)" in checked.reason
    refused = ask(ErrandKind.WRITE, precision=0.99)
    assert "99% cannot be promised" in refused.wrong
    assert refused.said == ()
    assert labelled.folder.applied.read() == []


def test_labels_are_written_as_they_were_checked_and_taken_back(labelled, ask):
    ask(ErrandKind.CHECK, precision=0.8)
    promised = labelled.folder.checked.read().tasks
    (said,) = ask(ErrandKind.WRITE, precision=0.8).said
    (run,) = labelled.folder.applied.read()
    assert f"Label Studio has {promised} predictions of the model version {run.name}" in said
    assert labelled.studio.prediction_counts(1)[run.name] == promised
    assert labelled.folder.checked.read() is None, "what was promised is written"
    (said,) = ask(ErrandKind.UNDO).said
    assert f"Deleted {promised} predictions and 0 annotations" in said
    assert run.name not in labelled.studio.prediction_counts(1)


def test_a_sample_waits_for_people_and_the_next_check_says_so(labelled, ask):
    (said,) = ask(ErrandKind.SAMPLE, precision=0.9, count=12).said
    assert said.startswith("12 of ")
    assert len(labelled.folder.sample.read().shown) == 12
    ask(ErrandKind.CHECK, precision=0.9)
    assert "12 of the 12 texts of the sample wait for people" in labelled.folder.checked.read().reason


def test_found_texts_come_next_with_the_search_as_their_reason(labelled, ask):
    (said,) = ask(ErrandKind.FIND, words="lovely", count=5).said
    assert said == "5 texts were found. They come next, in a moment."
    wish = labelled.folder.wish.read()
    assert wish.reason == "find: lovely"
    found = [labelled.studio.tasks_now[task_id].data["text"] for task_id in wish.task_ids]
    assert [text.split()[-1] for text in found] == ["lovely"] * 5
    assert "no task 9999" in ask(ErrandKind.FIND, like=9_999).wrong
    assert "no label 'odd'" in ask(ErrandKind.FIND, label="odd").wrong
    assert labelled.folder.wish.read() == wish, "a search that fails leaves the last one"


def test_a_paused_project_gives_nobody_the_found_texts_or_the_sample_before_somebody_resumes_it(labelled, ask):
    labelled.folder.pause.write(Pause(1.8e9))
    try:
        found, sample = ask(ErrandKind.FIND, words="lovely", count=5), ask(ErrandKind.SAMPLE, precision=0.9, count=12)
    finally:
        labelled.folder.pause.remove()
    for report in (found, sample):
        assert "once somebody resumes the project, which is paused" in report.said[0]


def test_an_errand_that_label_studio_does_not_answer_says_so(ask):
    class Silent:
        def project(self, project_id):
            raise LabelStudioUnreachableError("Label Studio does not answer", "is it running?")

    assert ask(ErrandKind.CHECK, studio=Silent()).wrong == "Label Studio does not answer: is it running?"


def test_a_fault_of_ours_is_reported_without_its_words(ask):
    class Broken:
        def project(self, project_id):
            raise RuntimeError("a text that belongs to people")

    assert ask(ErrandKind.CHECK, studio=Broken()).wrong == "unexpected RuntimeError; see the worker's log"


def test_an_errand_that_somebody_stops_ends_and_reports_nothing(labelled, worker, monkeypatch):
    monkeypatch.setattr(errands, "_LOOK_EVERY_S", 0.0)
    errand = Errand(ErrandKind.CHECK, time.time())
    labelled.folder.errand.remove()
    assert not perform(worker, labelled.folder, errand, lambda _: nullcontext(labelled.studio))
    assert labelled.folder.errand_report.read() == ErrandReport(errand.at)


def test_progress_is_shown(labelled, worker, monkeypatch):
    monkeypatch.setattr(errands, "_LOOK_EVERY_S", 0.0)
    errand = Errand(ErrandKind.CHECK, time.time())
    labelled.folder.errand.write(errand)
    Watch(worker, labelled.folder, errand)(40, 100)
    assert labelled.folder.errand_report.read() == ErrandReport(errand.at, 40, 100)


def begun(labelled, worker, monkeypatch):
    """Begin to write annotations while a round waits, so that the errand makes way; returns the call that goes on."""
    monkeypatch.setattr(errands, "_LOOK_EVERY_S", 0.0)
    monkeypatch.setattr(errands, "_SLICE_S", 0.0)
    errand = Errand(ErrandKind.WRITE, time.time(), precision=0.8, form=Form.ANNOTATIONS)
    labelled.folder.errand.write(errand)
    worker.rounds.request(2)
    go_on = lambda: perform(worker, labelled.folder, errand, lambda _: nullcontext(labelled.studio))  # noqa: E731
    assert go_on()
    return go_on


def test_annotating_makes_way_for_rounds_and_goes_on_with_the_same_labels(labelled, worker, monkeypatch, ask):
    """A round waits; the errand ends after its slice and is done when it is called again, each task labelled once."""
    go_on = begun(labelled, worker, monkeypatch)
    plan = kept_plan(labelled.folder).read().plan
    assert 0 < len(labelled.studio.given) < len(plan.labels)
    worker.rounds.requests.clear()
    assert not go_on()
    assert labelled.folder.errand_report.read().wrong == ""
    assert sorted(labelled.studio.given.values()) == sorted(plan.labels)
    assert kept_plan(labelled.folder).read() is None
    right = [given.labels == (gold(TEXTS[task_id - 1]),) for task_id, given in plan.labels.items()]
    assert sum(right) / len(right) >= 0.8


@pytest.mark.usefixtures("ask")
def test_labels_that_the_config_lost_while_an_errand_made_way_are_not_written(labelled, worker, monkeypatch):
    go_on = begun(labelled, worker, monkeypatch)
    written = dict(labelled.studio.given)
    changed = replace(labelled.studio.told, label_config=labeling_config("fine", "poor"))
    monkeypatch.setattr(labelled.studio, "told", changed)
    assert not go_on()
    assert "the labeling config has no label" in labelled.folder.errand_report.read().wrong
    assert labelled.studio.given == written


def test_a_worker_that_ends_leaves_the_errand_to_the_next_one(labelled, worker, monkeypatch):
    monkeypatch.setattr(errands, "_LOOK_EVERY_S", 0.0)
    errand = Errand(ErrandKind.FIND, time.time(), words="awful")
    labelled.folder.errand.write(errand)
    worker.stopping.set()
    assert perform(worker, labelled.folder, errand, lambda _: nullcontext(labelled.studio))
    worker.stopping.clear()
    assert not perform(worker, labelled.folder, errand, lambda _: nullcontext(labelled.studio))
    assert labelled.folder.wish.read().reason == "find: awful"
    labelled.folder.wish.remove()


def test_the_job_names_a_function_that_is_there():
    module, name = PERFORM_ERRAND.rsplit(".", 1)
    assert module == errands.__name__
    assert callable(getattr(errands, name))
    assert ARGUMENTS[PERFORM_ERRAND].validate_python((1,)) == (1,)
