import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.rounds.plan import (
    NEW_LABELS,
    fingerprint,
    labels_until_training,
    nothing_due,
    order_digest,
    publication_due,
    reorders_on_every_label,
    usable,
)
from backend.rounds.sync import Synced
from backend.settings import ProjectSettings
from backend.store.project_folder import ProjectFolder
from backend.store.selections import PASTED, Picked, Selection
from backend.studio.client import SAMPLING
from backend.studio.labeling_config import read_labeling_config
from model.errors import TrainingDivergedError
from model.learner.registry import ModelVersion, data_sha256, label_digests
from model.text_digests import text_digest
from model.types import LabelSet, PoolText, Targets
from tests.fakes import FakeTurn, a_project, a_publication, labeling_config

SETTINGS = ProjectSettings(retrain_every=16, query_size=3, queue_size=10)


def labelled(*classes: int, label_set: LabelSet | None = None) -> Targets:
    """Tasks 100, 101 … of these classes."""
    label_set = label_set or LabelSet(("neg", "pos"), is_multilabel=False)
    ids = tuple(range(100, 100 + len(classes)))
    targets_N_C = np.eye(len(label_set.labels), dtype=np.float32)[list(classes)]
    return Targets(ids, tuple(f"text {id_}" for id_ in ids), targets_N_C, label_set)


def synced(targets: Targets | None = None, pool_ids=range(10, 14), settings=SETTINGS, encoder="", **config) -> Synced:
    targets = labelled() if targets is None else targets
    project = a_project(label_config=labeling_config(*targets.label_set.labels, **config))
    pool = tuple(PoolText(id_, f"text {id_}") for id_ in pool_ids)
    return Synced(project, read_labeling_config(project.label_config), settings, targets, pool, encoder)


def trained_on(targets: Targets, **different) -> ModelVersion:
    version = ModelVersion(
        number=3,
        folder=Path("unread"),
        label_set=targets.label_set,
        labels=len(targets),
        recipe="auto",
        encoder="",
        label_digests_N=label_digests(targets),
    )
    return replace(version, **different)


@pytest.mark.parametrize(("labels", "missing"), [(0, 16), (2, 14), (15, 1), (16, 0), (30, -14)])
def test_the_first_training_waits_for_retrain_every_labels(labels, missing):
    assert labels_until_training(None, synced(labelled(*([0, 1] * 20)[:labels]))) == missing


@pytest.mark.parametrize("labels", [1, 15, 16, 500])
def test_labels_of_one_class_alone_never_train(labels):
    assert labels_until_training(None, synced(labelled(*[1] * labels))) == max(1, 16 - labels)


def test_where_several_labels_may_hold_one_class_is_enough():
    several = labelled(*[0] * 16, label_set=LabelSet(("plot", "cast"), is_multilabel=True))
    assert labels_until_training(None, synced(several, choice="multiple")) == 0


@pytest.mark.parametrize(("before", "missing"), [(16, 16), (64, 16), (65, 17), (100, 25), (1000, 250)])
def test_the_next_training_waits_until_labels_grew_by_a_quarter_but_for_retrain_every_at_least(before, missing):
    labels = labelled(*[0, 1] * (before // 2), *[0] * (before % 2))
    assert labels_until_training(trained_on(labels), synced(labels)) == missing


def test_every_new_label_brings_the_next_training_nearer():
    now = labelled(*[0, 1] * 20)
    assert labels_until_training(trained_on(labelled(*[0, 1] * 16)), synced(now)) == 16 - 8


def test_a_corrected_label_counts_once():
    before, after = labelled(0, 1, 0, 1), labelled(0, 1, 0, 0)
    assert labels_until_training(trained_on(before), synced(after)) == 16 - 1


def test_a_withdrawn_label_counts_once():
    before, after = labelled(0, 1, 0, 1), labelled(0, 1, 0)
    assert labels_until_training(trained_on(before), synced(after)) == 16 - 1


@pytest.mark.parametrize("different", [{"recipe": "head"}, {"encoder": "another/encoder"}])
def test_another_recipe_or_encoder_trains_at_once(different):
    labels = labelled(*[0, 1] * 10)
    assert labels_until_training(trained_on(labels, **different), synced(labels)) == 0


def test_labels_that_mean_something_else_now_train_at_once():
    labels = labelled(*[0, 1] * 10)
    described = replace(synced(labels), label_texts=(("bad",), ("good",)))
    assert labels_until_training(trained_on(labels), described) == 0
    assert labels_until_training(trained_on(labels, label_texts=(("bad",), ("good",))), described) == 16


def test_other_labels_in_the_config_make_a_new_beginning():
    other = LabelSet(("neg", "neutral", "pos"), is_multilabel=False)
    now = labelled(*[0, 2] * 5, label_set=other)
    before = trained_on(labelled(*[0, 1] * 200))
    assert labels_until_training(before, synced(now)) == 16 - 10


def test_a_version_is_of_use_as_long_as_the_projects_labels_are_its_own():
    version = trained_on(labelled(0, 1))
    assert usable(version, synced(labelled(0, 1))) is version
    assert usable(version, synced(labelled(label_set=LabelSet(("pos", "neg"), is_multilabel=False)))) is None
    assert usable(None, synced()) is None


def published_for(project: Synced, size: int = 4, **different):
    """The publication of tasks 10, 11 … that serves a project."""
    digest = order_digest(project.project.label_config, project.settings)
    labels = data_sha256(project.targets)
    known = {"settings_digest": digest, "labelled_tasks": len(project.targets), "labels_sha256": labels}
    return a_publication(size, **{**known, **different})


MODEL = trained_on(labelled(0, 1))


def test_a_published_order_serves_while_nothing_changes():
    assert publication_due(published_for(synced()), synced(), MODEL) == ""


def test_the_first_order_is_always_due():
    assert publication_due(None, synced(), None) == "first order"


@pytest.mark.parametrize("version", [None, replace(MODEL, number=2), replace(MODEL, number=4)])
def test_another_model_makes_another_order(version):
    assert publication_due(published_for(synced()), synced(), version) == "model version changed"


@pytest.mark.parametrize("own", [{"strategy": "entropy"}, {"explore": 0.2}, {"queue_size": 9}, {"query_size": 2}])
def test_other_settings_make_another_order(own):
    changed = synced(settings=SETTINGS.model_copy(update=own))
    assert publication_due(published_for(synced()), changed, MODEL) == "settings changed"


def test_another_labeling_config_makes_another_order():
    changed = synced(choice="multiple")
    assert publication_due(published_for(synced()), changed, MODEL) == "settings changed"


def test_a_new_task_makes_another_order_and_one_that_is_done_does_not():
    published = published_for(synced())
    assert publication_due(published, synced(pool_ids=range(10, 15)), MODEL) == "new or changed tasks"
    assert publication_due(published, synced(pool_ids=range(10, 13)), MODEL) == ""


def test_a_changed_text_makes_another_order():
    published = published_for(synced(), text_digests_N=np.array([text_digest("old")] * 4, dtype=np.uint64))
    assert publication_due(published, synced(), MODEL) == "new or changed tasks"


def test_a_used_up_batch_makes_another_order():
    published = published_for(synced())
    assert publication_due(published, synced(labelled(0, 1)), MODEL) == ""
    assert publication_due(published, synced(labelled(0, 1, 0)), MODEL) == "batch used up"


@pytest.mark.parametrize(("queued", "due"), [(10, ""), (7, ""), (6, "queue used up"), (0, "queue used up")])
def test_a_queue_with_less_than_a_batch_left_makes_another_order(queued, due):
    # The first four of ten are done.
    published = published_for(synced(), size=10, queued=queued)
    assert publication_due(published, synced(pool_ids=range(14, 20)), MODEL) == due


def test_a_live_queue_that_is_shorter_than_a_batch_is_used_up_when_half_of_it_is_left():
    large = synced(pool_ids=range(10, 110), settings=SETTINGS.model_copy(update={"query_size": 50}))
    published = published_for(large, size=100, queued=10, is_live=True)
    assert publication_due(published, large, MODEL) == ""
    six_taken = replace(large, pool=large.pool[6:])
    assert publication_due(published, six_taken, MODEL) == "queue used up"


def test_a_pool_smaller_than_a_batch_is_no_used_up_queue():
    published = published_for(synced(), size=10)
    assert publication_due(published, synced(pool_ids=[19]), MODEL) == ""
    assert publication_due(published, synced(pool_ids=[]), MODEL) == ""


PICKED = Selection("activellm", "mistral x", 5.0, (Picked(10, "pos", 3, 3),))
FAILED = Selection("activellm", "mistral x", 5.0, failure="it is down", failure_code="llm_unavailable")


@pytest.mark.parametrize(
    ("published_by", "selected_at", "selection", "due"),
    [
        ("hybrid", 0.0, PICKED, "the LLM chose"),
        ("activellm", 5.0, PICKED, ""),
        ("activellm", 4.0, PICKED, "the LLM chose"),
        ("activellm", 5.0, FAILED, "another strategy decides"),
        ("typiclust", 0.0, FAILED, ""),
        ("activellm", 5.0, None, "another strategy decides"),
        ("hybrid", 0.0, None, ""),
        # From before orders said who decided.
        ("", 0.0, None, ""),
    ],
)
def test_an_llms_choice_makes_another_order_and_so_does_its_end(published_by, selected_at, selection, due):
    published = published_for(synced(), strategy=published_by, selected_at=selected_at)
    assert publication_due(published, synced(), MODEL, selection) == due


def test_where_labels_count_at_once_one_more_makes_another_order_and_nothing_else_does():
    published = published_for(synced(labelled(0, 1)))
    more = synced(labelled(0, 1, 1))
    assert publication_due(published, synced(labelled(0, 1)), MODEL, live=True) == ""
    assert publication_due(published, more, MODEL, live=True) == NEW_LABELS
    assert publication_due(published, more, MODEL, live=False) == ""


def with_versions(folder: ProjectFolder, *numbers: int) -> ProjectFolder:
    for number in numbers:
        (folder.path / "versions" / str(number)).mkdir(parents=True)
    return folder


@pytest.mark.parametrize(
    ("version", "own", "live"),
    [
        (MODEL, {}, True),
        (None, {}, False),
        # What is labelled next goes by nothing that a label changes.
        (MODEL, {"strategy": "random"}, False),
        (MODEL, {"strategy": "typiclust"}, False),
        (MODEL, {"llm_labels": "show"}, True),
        (MODEL, {"llm_labels": "route"}, False),
        (MODEL, {"llm_labels": "train"}, False),
    ],
)
def test_labels_count_at_once_where_a_classifier_decides(tmp_path, version, own, live):
    folder = with_versions(ProjectFolder(tmp_path, 1), 2, 3)
    assert reorders_on_every_label(folder, ProjectSettings(**own), version) is live


@pytest.mark.parametrize(
    ("own", "live"), [({}, True), ({"cold_start": "maxherding"}, False), ({"llm_labels": "route"}, False)]
)
def test_labels_count_at_once_from_the_first_on_where_label_names_decide(tmp_path, own, live):
    assert reorders_on_every_label(ProjectFolder(tmp_path, 1), ProjectSettings(**own), None, has_names=True) is live


def test_a_version_that_was_rolled_back_to_stays_as_it_was_trained(tmp_path):
    folder = with_versions(ProjectFolder(tmp_path, 1), 3, 4)
    assert not reorders_on_every_label(folder, ProjectSettings(), MODEL)


@pytest.fixture
def folder(tmp_path) -> ProjectFolder:
    """A project that published 3.7 for its first two labels."""
    home = ProjectFolder(tmp_path, 1)
    home.belong_to("2026")
    home.save_publication(published_for(SERVED))
    home.synced.write(fingerprint(home, SERVED, None))
    return home


SERVED = synced(labelled(0, 1))
SERVED = replace(SERVED, project=replace(SERVED.project, model_version="3.7", sampling=SAMPLING, annotations=2))


def is_quiet(folder: ProjectFolder, project=SERVED.project, settings=SETTINGS, encoder="", **turn) -> bool:
    return nothing_due(folder, project, settings, encoder, FakeTurn(**turn))


def test_a_round_that_finds_everything_as_it_was_has_nothing_to_do(folder):
    assert is_quiet(folder)
    assert is_quiet(folder, changes=2)


def test_changes_add_up_until_a_batch_is_used_up(folder):
    assert [is_quiet(folder, changes=1) for _ in range(4)] == [True, True, False, False]


def test_annotations_whose_events_never_came_are_noticed(folder):
    assert is_quiet(folder, project=replace(SERVED.project, annotations=4))
    assert not is_quiet(folder, project=replace(SERVED.project, annotations=5))


def test_start_training_is_never_for_nothing(folder):
    assert not is_quiet(folder, asked_to_train=True)


def test_a_project_that_was_never_read_has_everything_to_do(tmp_path):
    assert not is_quiet(ProjectFolder(tmp_path, 2))


@pytest.mark.parametrize(
    "different",
    [
        {"model_version": "Shortlist"},
        {"sampling": "Sequential sampling"},
        {"tasks": 11},
        {"label_config": labeling_config("yes", "no")},
    ],
    ids=lambda different: next(iter(different)),
)
def test_a_project_that_stands_otherwise_is_read_again(folder, different):
    assert not is_quiet(folder, project=replace(SERVED.project, **different))


def test_other_settings_and_another_encoder_are_never_nothing(folder):
    assert not is_quiet(folder, settings=SETTINGS.model_copy(update={"explore": 0.4}))
    assert not is_quiet(folder, encoder="another/encoder")


def test_a_failed_training_is_told_and_tried_again_after_as_many_labels_as_any(folder):
    patient = replace(SERVED, settings=SETTINGS.model_copy(update={"query_size": 100}))
    told = fingerprint(folder, patient, TrainingDivergedError("the loss became nan"))
    assert told["failure"] == {"code": "training_diverged", "message": "the loss became nan"}
    assert told["quiet_for"] == 16
    assert fingerprint(folder, patient, None)["failure"] is None


def test_quiet_ends_with_the_training_or_the_batch_whichever_comes_first(folder):
    assert fingerprint(folder, SERVED, None)["quiet_for"] == 3
    long_batches = replace(SERVED, settings=SETTINGS.model_copy(update={"query_size": 100}))
    assert fingerprint(folder, long_batches, None)["quiet_for"] == 14


def test_after_an_llm_failed_a_round_looks_again_when_its_time_has_come(folder):
    waits = synced(settings=SETTINGS.model_copy(update={"cold_start": "activellm"}))
    folder.save_publication(published_for(waits, model=0, strategy="typiclust"))
    project = replace(waits.project, model_version=folder.published_name(), sampling=SAMPLING)
    waits = replace(waits, project=project)
    for failed_at, is_quiet in ((time.time(), True), (time.time() - 61, False)):
        folder.selection.write(replace(FAILED, at=failed_at))
        folder.synced.write(fingerprint(folder, waits, None))
        assert nothing_due(folder, project, waits.settings, "", FakeTurn()) is is_quiet


def test_picks_that_somebody_pasted_are_seen_by_the_next_round(folder):
    folder.save_publication(published_for(synced(), model=0))
    project = replace(synced().project, model_version=folder.published_name(), sampling=SAMPLING)
    folder.synced.write(fingerprint(folder, replace(synced(), project=project), None))
    assert nothing_due(folder, project, SETTINGS, "", FakeTurn())
    folder.selection.write(replace(PICKED, source=PASTED))
    assert not nothing_due(folder, project, SETTINGS, "", FakeTurn())
