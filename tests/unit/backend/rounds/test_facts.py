import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.rounds.context import InUse
from backend.rounds.facts import (
    order_digest,
    published_texts,
    reorders_on_every_label,
    training_facts,
    with_order,
)
from backend.rounds.fit import usable
from backend.rounds.llm.choosing import LLMContext
from backend.rounds.plan import NEW_LABELS, labels_until_training, plan
from backend.rounds.standing import Standing
from backend.rounds.sync import Synced
from backend.settings import ProjectSettings, Settings
from backend.store.order.head import HookFailure
from backend.store.project_folder import ProjectFolder
from backend.store.selections import Picked, Selection
from model.learner.model_version import ModelVersion
from model.learner.registry import data_sha256, label_digests
from model.text_digests import text_digest
from model.types import LabelSet, PoolText, Targets
from tests.fakes import FakeTurn, a_context, a_project, labeling_config, some_places, the_task, write_publication

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
    return Synced(project, the_task(project.label_config), settings, targets, pool, encoder)


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


class Registry:
    """The newest version is the one that the test says."""

    def __init__(self, latest: ModelVersion | None) -> None:
        self._latest = latest

    def latest(self) -> ModelVersion | None:
        return self._latest

    def is_set_back(self, number: int) -> bool:
        return False


@pytest.fixture
def context(tmp_path):
    """The round of a project whose newest version is the one that the test says."""

    def context(latest: ModelVersion | None = None, **turn):
        made = a_context(Settings(model_dir=tmp_path), turn=FakeTurn(**turn))
        made.folder.registry = Registry(latest)
        return made

    return context


@pytest.fixture
def missing(context):
    """How many labels are missing until the next training."""

    def missing(latest: ModelVersion | None, project: Synced) -> int:
        return labels_until_training(training_facts(context(latest), project))

    return missing


def test_labels_of_one_class_alone_teach_nothing(missing):
    assert missing(None, synced(labelled(*[1] * 500))) == 1
    assert missing(None, synced(labelled(*[0, 1] * 8))) == 0


def test_where_several_labels_may_hold_one_class_is_enough(missing):
    several = labelled(*[0] * 16, label_set=LabelSet(("plot", "cast"), is_multilabel=True))
    assert missing(None, synced(several, choice="multiple")) == 0


def test_every_new_label_brings_the_next_training_nearer(missing):
    now = labelled(*[0, 1] * 20)
    assert missing(trained_on(labelled(*[0, 1] * 16)), synced(now)) == 16 - 8


def test_a_corrected_label_counts_once(missing):
    before, after = labelled(0, 1, 0, 1), labelled(0, 1, 0, 0)
    assert missing(trained_on(before), synced(after)) == 16 - 1


def test_a_withdrawn_label_counts_once(missing):
    before, after = labelled(0, 1, 0, 1), labelled(0, 1, 0)
    assert missing(trained_on(before), synced(after)) == 16 - 1


@pytest.mark.parametrize("different", [{"recipe": "head"}, {"encoder": "another/encoder"}])
def test_another_recipe_or_encoder_trains_at_once(missing, different):
    labels = labelled(*[0, 1] * 10)
    assert missing(trained_on(labels, **different), synced(labels)) == 0


def test_labels_that_mean_something_else_now_train_at_once(missing):
    labels = labelled(*[0, 1] * 10)
    described = replace(synced(labels), label_texts=(("bad",), ("good",)))
    assert missing(trained_on(labels), described) == 0
    assert missing(trained_on(labels, label_texts=(("bad",), ("good",))), described) == 16


def test_other_labels_in_the_config_make_a_new_beginning(missing):
    other = LabelSet(("neg", "neutral", "pos"), is_multilabel=False)
    now = labelled(*[0, 2] * 5, label_set=other)
    assert missing(trained_on(labelled(*[0, 1] * 200)), synced(now)) == 16 - 10


def test_start_training_is_a_fact(context):
    assert training_facts(context(asked_to_train=True), synced()).asked_to_train
    assert not training_facts(context(), synced()).asked_to_train


def test_a_version_is_of_use_as_long_as_the_projects_labels_are_its_own():
    version = trained_on(labelled(0, 1))
    assert usable(version, synced(labelled(0, 1))) is version
    assert usable(version, synced(labelled(label_set=LabelSet(("pos", "neg"), is_multilabel=False)))) is None
    assert usable(None, synced()) is None


def test_a_version_of_another_question_in_the_same_place_is_of_no_use():
    version = replace(trained_on(labelled(0, 1)), question="mood")
    assert usable(version, synced(labelled(0, 1))) is None
    assert usable(replace(version, question="sentiment"), synced(labelled(0, 1))) is not None


MODEL = trained_on(labelled(0, 1))
BY_MODEL = InUse(MODEL)


@pytest.fixture
def reason(context):
    """Why a new order is due where tasks 10, 11 … are published."""

    def reason(now: Synced, published=None, in_use=BY_MODEL, selection=None, size=4, places=None, **head) -> str:
        published = published or now
        digest = order_digest(published.project.label_config, published.settings)
        known = {"labelled_tasks": len(published.targets), "labels_sha256": data_sha256(published.targets)}
        made = context(in_use.version)
        write_publication(made.folder, size, places, **{"settings_digest": digest, **known, **head})
        facts = training_facts(made, now)
        standing = Standing(LLMContext(made, now, in_use.has_model, None, None), in_use, selection)
        return plan(with_order(facts, standing, published_texts(made.folder)), time.time()).why

    return reason


def test_a_published_order_serves_while_nothing_changes(reason):
    assert reason(synced(labelled(0, 1))) == ""


@pytest.mark.parametrize("version", [None, replace(MODEL, number=2), replace(MODEL, number=4)])
def test_another_model_makes_another_order(reason, version):
    assert reason(synced(), in_use=InUse(version)) == "model version changed"


@pytest.mark.parametrize("own", [{"strategy": "entropy"}, {"explore": 0.2}, {"queue_size": 9}, {"query_size": 2}])
def test_other_settings_make_another_order(reason, own):
    changed = synced(settings=SETTINGS.model_copy(update=own))
    assert reason(changed, published=synced()) == "settings changed"


def test_another_labeling_config_makes_another_order(reason):
    assert reason(synced(choice="multiple"), published=synced()) == "settings changed"


def test_a_new_task_makes_another_order_and_one_that_is_done_does_not(reason):
    assert reason(synced(pool_ids=range(10, 15))) == "new or changed tasks"
    assert reason(synced(pool_ids=[12, 99])) == "new or changed tasks"
    assert reason(synced(pool_ids=[13, 10, 11])) == ""


def test_a_changed_text_makes_another_order(reason):
    old = some_places(4, text_digests_N=np.array([text_digest("old")] * 4, dtype=np.uint64))
    assert reason(synced(), places=old) == "new or changed tasks"


def test_an_order_without_tasks_lacks_every_task(reason):
    assert reason(synced(), size=0) == "new or changed tasks"


def test_a_used_up_batch_makes_another_order(reason):
    patient = SETTINGS.model_copy(update={"strategy": "random"})
    before, two, three = (synced(labelled(*[0, 1, 0][:count]), settings=patient) for count in (0, 2, 3))
    assert reason(two, published=before) == ""
    assert reason(three, published=before) == "batch used up"


@pytest.mark.parametrize(("queued", "due"), [(10, ""), (7, ""), (6, "queue used up"), (0, "queue used up")])
def test_a_queue_with_less_than_a_batch_left_makes_another_order(reason, queued, due):
    # The first four of ten are done.
    assert reason(synced(pool_ids=range(14, 20)), size=10, queued=queued) == due


def test_of_a_queue_that_is_shorter_than_two_batches_half_may_go(reason):
    assert reason(synced(pool_ids=range(10, 14)), queued=2) == ""
    assert reason(synced(pool_ids=range(11, 14)), queued=2) == ""
    assert reason(synced(pool_ids=range(12, 14)), queued=2) == "queue used up"


def test_a_live_queue_that_is_shorter_than_a_batch_is_used_up_when_half_of_it_is_left(reason):
    large = synced(pool_ids=range(10, 110), settings=SETTINGS.model_copy(update={"query_size": 50}))
    assert reason(large, size=100, queued=10, is_live=True) == ""
    six_taken = replace(large, pool=large.pool[6:])
    assert reason(six_taken, size=100, queued=10, is_live=True) == "queue used up"


def test_a_pool_smaller_than_a_batch_is_no_used_up_queue(reason):
    assert reason(synced(pool_ids=[19]), size=10) == ""
    assert reason(synced(pool_ids=[]), size=10) == ""


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
def test_an_llms_choice_makes_another_order_and_so_does_its_end(reason, published_by, selected_at, selection, due):
    assert reason(synced(), selection=selection, strategy=published_by, selected_at=selected_at) == due


def test_a_hook_that_failed_waits_for_the_next_order(reason):
    hook = "tests.ordering_hooks:broken"
    settings = SETTINGS.model_copy(update={"cold_start": hook, "strategy": hook})
    failed = {"strategy": "hybrid", "hook_failure": HookFailure(hook, "it raised", "hook_failed")}
    assert reason(synced(settings=settings), **failed) == ""
    assert reason(synced(settings=settings), strategy="hybrid") == "another strategy decides"
    assert reason(synced(), **failed) == "another strategy decides"


@pytest.mark.parametrize(("own", "due"), [({}, NEW_LABELS), ({"strategy": "random"}, "")])
def test_where_labels_count_at_once_one_more_makes_another_order_and_nothing_else_does(reason, own, due):
    settings = SETTINGS.model_copy(update=own)
    before, more = synced(labelled(0, 1), settings=settings), synced(labelled(0, 1, 1), settings=settings)
    assert reason(before) == ""
    assert reason(more, published=before) == due


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
    assert reorders_on_every_label(folder, ProjectSettings(**own), InUse(version)) is live


@pytest.mark.parametrize(
    ("own", "live"), [({}, True), ({"cold_start": "maxherding"}, False), ({"llm_labels": "route"}, False)]
)
def test_labels_count_at_once_from_the_first_on_where_label_names_decide(tmp_path, own, live):
    by_names = InUse(named=object())
    assert reorders_on_every_label(ProjectFolder(tmp_path, 1), ProjectSettings(**own), by_names) is live


def test_a_version_that_was_rolled_back_to_stays_as_it_was_trained(tmp_path):
    folder = with_versions(ProjectFolder(tmp_path, 1), 3, 4)
    (folder.versions_folder / "current").write_text('{"number": 3, "newest_seen": 4}')
    assert not reorders_on_every_label(folder, ProjectSettings(), InUse(MODEL))


def test_a_version_before_one_that_waits_goes_on_with_every_label(tmp_path):
    folder = with_versions(ProjectFolder(tmp_path, 1), 3, 4)
    (folder.versions_folder / "current").write_text('{"number": 3, "newest_seen": 3}')
    assert reorders_on_every_label(folder, ProjectSettings(), InUse(MODEL))
