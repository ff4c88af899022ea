import errno
import json
import re
import shutil
import sqlite3
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import SafetensorError

from backend.rounds.context import InUse
from backend.rounds.facts import training_facts
from backend.rounds.fit import fit as fit_if_due
from backend.rounds.llm.choosing import choose
from backend.rounds.order import RANDOM_SAMPLE
from backend.rounds.ordering import Ordered, make_order
from backend.rounds.plan import plan
from backend.rounds.round import Round
from backend.rounds.score import classify_by_names
from backend.rounds.standing import Standing
from backend.rounds.sync import Synced
from backend.settings import Settings
from backend.store.project_folder import ProjectFolder
from backend.store.selections import PASTED, Picked, Selection
from backend.store.sync_record import Facts
from backend.store.tasks import TaskStore
from backend.studio.client import SAMPLING
from backend.work.classifiers import Classifiers
from backend.work.requests import Requested
from model.errors import InvalidTargetsError, TrainingCancelledError, TrainingDivergedError
from model.learner.training import train
from model.tasks.classification.llm import Checks
from model.types import PoolText, ResultItem, Targets
from tests.fake_tasks import WholeLabelStudio
from tests.fakes import (
    BLAME,
    NEUTRAL,
    PRAISE,
    SENTIMENT,
    FakeLabelStudio,
    FakeTurn,
    a_context,
    a_project,
    labeling_config,
    the_task,
)

FILMS = tuple(f"{noun} {word}" for noun in NEUTRAL for word in (*PRAISE, *BLAME))
POOL = tuple(PoolText(id_, text) for id_, text in enumerate(FILMS))


@pytest.fixture
def settings(tmp_path, encoder) -> Settings:
    return Settings(model_dir=tmp_path, bert_model=encoder, retrain_every=4, query_size=5, queue_size=20, recipe="head")


@pytest.fixture
def folder(settings) -> ProjectFolder:
    return ProjectFolder(settings.model_dir, 1)


@pytest.fixture
def synced(settings):
    """The project after so many labels; the labelled texts have left the pool."""

    def synced(labels: int = 0, label_config: str = labeling_config(), **own) -> Synced:
        done = POOL[:labels]
        is_praise = [any(word in text.text for word in PRAISE) for text in done]
        targets = Targets(
            tuple(text.task_id for text in done),
            tuple(text.text for text in done),
            np.eye(2, dtype=np.float32)[np.array(is_praise, dtype=int)],
            SENTIMENT,
        )
        project = a_project(label_config=label_config)
        question = the_task(label_config)
        return Synced(project, question, settings.for_project(own), targets, POOL[labels:], settings.bert_model)

    return synced


@pytest.fixture(scope="module")
def classifiers() -> Classifiers:
    """Kept warm, as a worker keeps them."""
    return Classifiers(1)


@pytest.fixture
def fit(settings, classifiers):
    """Train if that is due; the version to use."""

    def fit(project, turn=None, **context):
        context = a_context(settings, turn=turn, classifiers=classifiers, **context)
        return fit_if_due(context, project, is_due=plan(training_facts(context, project), time.time()).train)

    return fit


@pytest.fixture
def order(settings, classifiers):
    """Put the pool in order."""

    def order(project, version=None, number=1, turn=None, named=None) -> Ordered:
        in_use = InUse(version, named)
        context = a_context(settings, turn=turn, classifiers=classifiers)
        return make_order([Standing(Round(context).llm_context(project, in_use), in_use)], number)

    return order


@pytest.fixture
def order_and_publish(settings, classifiers):
    """Publish an order if one is due; its head, None if none is."""

    def order_and_publish(client, project, version=None, named=None):
        in_use, round_ = InUse(version, named), Round(a_context(settings, client, classifiers=classifiers))
        llm = round_.llm_context(project, in_use)
        return round_.publish_if_due([Standing(llm, in_use, choose(llm))])

    return order_and_publish


@pytest.fixture
def names(settings, classifiers):
    """The classifier of label names."""
    return lambda project: classify_by_names(a_context(settings, classifiers=classifiers), project)


def shown(ordered: Ordered) -> dict[int, str]:
    """The label that people see preselected, by task id."""
    results = dict(zip(ordered.places.task_ids_N.tolist(), map(json.loads, ordered.places.results_N), strict=True))
    return {task_id: items[0]["value"]["choices"][0] for task_id, items in results.items() if items}


def is_praise(task_id: int) -> bool:
    return any(word in FILMS[task_id] for word in PRAISE)


def test_without_enough_labels_nothing_is_trained(fit, folder, synced):
    assert fit(synced(3)) is None
    assert folder.registry.numbers() == []


def test_a_training_that_is_due_makes_a_version_that_is_not_current_yet(fit, folder, synced, encoder):
    turn = FakeTurn()
    version = fit(synced(8), turn)
    assert (version.number, version.labels, version.recipe, version.encoder) == (1, 8, "head", encoder)
    assert turn.steps == ["training"]
    assert folder.registry.current() is None


def test_a_training_whose_round_was_killed_is_not_done_twice(fit, folder, synced):
    fit(synced(8))
    again = fit(synced(8))
    assert again.number == 1
    assert folder.registry.numbers() == [1]


def test_start_training_trains_though_nothing_changed(fit, synced):
    fit(synced(8))
    assert fit(synced(8), FakeTurn(asked_to_train=True)).number == 2


@pytest.mark.parametrize("labels", [0, 1])
def test_start_training_with_too_few_labels_says_so(fit, synced, labels):
    with pytest.raises(InvalidTargetsError, match="label a few more"):
        fit(synced(labels), FakeTurn(asked_to_train=True))


def test_start_training_with_one_class_alone_trains_and_says_what_that_is_worth(fit, synced):
    version = fit(synced(4), FakeTurn(asked_to_train=True))
    assert version.warnings == ("all 4 labelled texts are 'pos': nothing else can be predicted yet",)


def test_a_training_that_is_cancelled_leaves_no_version(fit, folder, synced):
    with pytest.raises(TrainingCancelledError):
        fit(synced(8, recipe="lp-ft"), should_stop=lambda: True)
    assert folder.registry.numbers() == []


def test_a_rolled_back_version_stays_in_use_until_the_next_training(fit, folder, synced):
    for labels in (8, 12):
        folder.registry.point(fit(synced(labels), FakeTurn(asked_to_train=True)).number)
    folder.registry.point(1)
    assert fit(synced(12)).number == 1
    assert fit(synced(16)).number == 3


def test_a_version_of_other_labels_is_not_used(fit, folder, synced):
    folder.registry.point(fit(synced(8)).number)
    renamed = synced(2, labeling_config("negative", "positive"))
    assert fit(renamed) is None


def test_before_there_is_a_model_the_order_goes_by_the_encoder(order, synced):
    turn = FakeTurn()
    ordered = order(synced(), turn=turn)
    assert sorted(ordered.places.task_ids_N.tolist()) == [text.task_id for text in POOL]
    assert (ordered.publication.name, ordered.publication.queued, ordered.publication.size) == ("0.1", 20, 40)
    assert sum("maxherding, pick" in reason for reason in ordered.places.reasons_N) > 0
    assert shown(ordered) == {}
    assert turn.steps == ["scoring"]


NAMES = (("bad",), ("good",))


@pytest.fixture
def by_names(synced, names, order):
    """The classifier of a project's label names, and the order by it."""

    def by_names(labels: int = 0, **different):
        project = replace(synced(labels), label_texts=NAMES, **different)
        named = names(project)
        return named, order(project, named=named)

    return by_names


def test_label_names_order_the_pool_before_anything_is_labelled_and_show_nothing(by_names):
    named, ordered = by_names()
    assert ordered.publication.strategy == "hybrid"
    assert any("margin" in reason for reason in ordered.places.reasons_N)
    assert shown(ordered) == {}
    assert named.agreement.of == 0


def test_once_people_agreed_with_label_names_their_answers_are_shown(by_names):
    few, convinced = (by_names(labels) for labels in (7, 16))
    assert (few[0].agreement.of, shown(few[1])) == (7, {})
    named, ordered = convinced
    assert named.agreement.is_convincing
    right = [(label == "pos") == is_praise(task_id) for task_id, label in shown(ordered).items()]
    assert len(right) > 20
    assert np.mean(right) > 0.8


def test_label_names_that_people_contradict_are_not_shown(by_names, synced):
    flipped = replace(synced(16).targets, targets_N_C=1 - synced(16).targets.targets_N_C)
    named, ordered = by_names(16, targets=flipped)
    assert not named.agreement.is_convincing
    assert shown(ordered) == {}


def test_names_that_say_nothing_are_no_classifier(names, synced):
    assert names(replace(synced(), label_texts=((), ()))) is None


def test_a_label_orders_the_queue_anew_at_once_where_label_names_decide(order_and_publish, names, synced):
    client = FakeLabelStudio()
    heads = []
    for labels in (0, 1):
        project = replace(synced(labels), label_texts=NAMES)
        heads.append(order_and_publish(client, project, named=names(project)))
    assert [(head.name, head.is_live) for head in heads] == [("0.1", False), ("0.2", True)]


def test_a_version_remembers_what_its_labels_meant(fit, synced):
    version = fit(replace(synced(8), label_texts=NAMES))
    assert version.label_texts == NAMES
    assert version.trust.names is True


def test_the_encoder_reads_every_text_once_however_often_it_is_ordered(order, synced):
    order(synced())
    later = FakeTurn()
    order(synced(3), number=2, turn=later)
    assert later.done == []


def test_with_a_model_every_text_has_its_own_answer(fit, order, synced):
    project = synced(8, explore=0.0)
    ordered = order(project, fit(project), 3)
    assert ordered.publication.name == "1.3"
    assert shown(ordered) == {text.task_id: "pos" if text.text.split()[1] in PRAISE else "neg" for text in project.pool}


def test_texts_drawn_at_random_and_texts_without_words_carry_no_answer(fit, order, synced):
    project = synced(8, explore=0.25)
    silent = replace(project, pool=(*project.pool, PoolText(999, "")))
    ordered = order(silent, fit(project))
    random = {
        task_id
        for task_id, reason in zip(ordered.places.task_ids_N.tolist(), ordered.places.reasons_N, strict=True)
        if reason == RANDOM_SAMPLE
    }
    assert len(random) >= 4
    assert set(shown(ordered)) == {text.task_id for text in project.pool} - random


def test_the_same_round_run_again_makes_the_same_order(order, synced):
    first, again, later = (order(synced(), number=number).places.task_ids_N.tolist() for number in (1, 1, 2))
    assert first == again != later


@pytest.fixture
def trained_and_published(folder, fit, order_and_publish, synced):
    """A model of the first labels, in use, with its order; its head."""

    def trained_and_published(client, labels: int = 8):
        project = synced(labels)
        version = fit(project)
        head = order_and_publish(client, project, version)
        folder.registry.point(version.number)
        return head

    return trained_and_published


def test_a_label_orders_the_queue_anew_at_once_without_a_training(
    trained_and_published, fit, order_and_publish, synced
):
    client = FakeLabelStudio()
    before = trained_and_published(client)
    project = synced(9)
    version = fit(project)
    head = order_and_publish(client, project, version)
    assert (before.name, head.name, client.current.model_version) == ("1.1", "1.2", "1.2")
    assert (head.labelled_tasks, head.is_live, before.is_live) == (9, True, False)
    # Two batches are written, and the whole pool is in order.
    assert [call for call in client.calls if call.startswith("import")] == ["import 20", "import 10"]
    assert head.size == len(POOL) - 9
    assert order_and_publish(client, project, version) is None


def test_what_people_just_said_moves_what_is_believed_of_like_texts(fit, order, folder, synced):
    before = order(synced(8, explore=0.0), fit(synced(8)))
    project = synced(11, explore=0.0)
    # Somebody says the opposite of what was labelled so far.
    flipped = replace(project.targets, targets_N_C=1 - project.targets.targets_N_C)
    after = order(replace(project, targets=flipped), folder.registry.find(1), 2)
    both = set(shown(before)) & set(shown(after))
    assert sum(shown(before)[task] != shown(after)[task] for task in both) > len(both) / 2


def test_texts_that_were_read_once_are_not_read_for_a_label(trained_and_published, order, folder, synced):
    trained_and_published(FakeLabelStudio())
    turn = FakeTurn()
    order(synced(9), folder.registry.find(1), 2, turn)
    assert turn.done == []


def test_a_version_that_was_rolled_back_to_orders_as_it_was_trained(fit, order, folder, synced):
    for labels in (8, 12):
        fit(synced(labels), FakeTurn(asked_to_train=True))
    folder.registry.point(1)
    project = synced(16)
    # Somebody says the opposite of what was labelled so far.
    flipped = replace(project, targets=replace(project.targets, targets_N_C=1 - project.targets.targets_N_C))
    of_8, again = (shown(order(flipped, folder.registry.find(1), 3)) for _ in range(2))
    shutil.rmtree(folder.registry.find(2).folder)
    assert of_8 == again != shown(order(flipped, folder.registry.find(1), 3))


@pytest.fixture
def by_chance(order_and_publish, synced):
    """A round's second half without an encoder."""
    return lambda client, **own: order_and_publish(client, synced(cold_start="random", **own))


def test_the_first_round_publishes_and_the_next_has_nothing_to_publish(by_chance, order_and_publish, synced):
    client = FakeLabelStudio()
    assert by_chance(client).name == "0.1"
    project = replace(synced(cold_start="random"), project=client.current)
    assert order_and_publish(client, project) is None
    assert client.calls == ["import 20", "use 0.1"]
    assert client.current.sampling == SAMPLING


def test_annotators_who_were_switched_away_are_switched_back(by_chance):
    client = FakeLabelStudio()
    by_chance(client)
    client.calls.clear()
    assert by_chance(client) is None
    assert client.calls == ["use 0.1"]


def test_predictions_that_are_gone_are_published_anew(by_chance):
    client = FakeLabelStudio()
    by_chance(client)
    client.predictions.clear()
    assert by_chance(client).name == "0.2"


def test_other_settings_publish_a_new_order(by_chance):
    client = FakeLabelStudio()
    by_chance(client)
    assert by_chance(client, explore=0.3).name == "0.2"


def test_an_exhausted_pool_has_nothing_to_publish(by_chance):
    client = FakeLabelStudio()
    assert by_chance(client, labels=40) is None
    assert client.calls == []


@pytest.fixture
def studio() -> WholeLabelStudio:
    return WholeLabelStudio(FILMS)


MARK = Checks(agreed=99)


@pytest.fixture
def run(settings, folder, studio, classifiers):
    """Run a whole round; returns whether it went beyond Label Studio's counts. Settings of the project may differ."""
    own = {"cold_start": "random", "strategy": "random", "names": "off"}

    def run(turn=None, settings=settings, **different) -> bool:
        studio.extra_params = {**own, **different}
        studio.asked.clear()
        studio.calls.clear()
        if (record := folder.sync_record.read()) is not None:
            # Only a round that reads the project counts these anew.
            folder.sync_record.write(replace(record, llm_checks=MARK))
        Round(a_context(settings, studio, turn, classifiers)).run()
        return folder.sync_record.read().llm_checks != MARK

    return run


def test_a_round_reads_the_project_publishes_an_order_and_keeps_how_things_stand(run, folder, studio):
    assert run()
    assert studio.asked == ["all"]
    assert studio.calls == ["import 20", "use 0.1"]
    assert (folder.sync_record.read().labels, folder.sync_record.read().left) == (0, 40)
    assert [record.publication for record in folder.rounds.read()] == ["0.1"]


@pytest.mark.parametrize(
    ("hook", "told"),
    [("broken", r"raised KeyError \(ordering_hooks.py, line \d+\)"), ("leaves", "raised SystemExit")],
)
def test_where_an_ordering_hook_fails_another_orders_and_it_is_recorded(run, folder, settings, caplog, hook, told):
    name = f"tests.ordering_hooks:{hook}"
    with_hook = settings.model_copy(update={"ordering_hooks": name})
    assert run(settings=with_hook, cold_start=name)
    published = folder.publications.current()
    assert (published.strategy, published.hook_failure.hook) == ("maxherding", name)
    assert published.hook_failure.problem_code == "hook_failed"
    assert re.search(told, published.hook_failure.problem)
    logged = [record.message for record in caplog.records if "event=hook_failed" in record.message]
    assert [f"project=1 hook={name} fallback=maxherding reason=" in line for line in logged] == [True]
    assert not [text for text in FILMS if text in caplog.text]
    # The hook is asked again when the next order is due, not at every event.
    assert not run(settings=with_hook, cold_start=name)
    assert not run(FakeTurn(changes=1), settings=with_hook, cold_start=name)
    assert run(FakeTurn(changes=1), settings=with_hook, cold_start=name, query_size=6)
    assert run(cold_start="random")
    assert folder.publications.current().hook_failure is None


def test_an_ordering_hook_orders_a_round(run, folder, settings):
    name = "tests.ordering_hooks:longest_first"
    assert run(settings=settings.model_copy(update={"ordering_hooks": name}), cold_start=name, explore=0.0)
    with folder.publications.open() as order:
        lengths = [len(FILMS[place.task_id - 1]) for place in order.places()]
    assert lengths == sorted(lengths, reverse=True)
    assert folder.publications.current().strategy == name


def test_a_round_that_finds_everything_as_it_was_reads_nothing(run, studio):
    run()
    assert not run()
    assert not run(FakeTurn(changes=3))
    assert (studio.asked, studio.calls) == ([], [])


@pytest.mark.parametrize("queue_size", [1, 2, 4, 5, 6, 40])
def test_an_order_that_was_just_published_is_not_used_up_however_short_its_queue_is(run, studio, queue_size):
    run(queue_size=queue_size)
    # Label Studio sends an event for the switch to the new order.
    assert not run(FakeTurn(), queue_size=queue_size)
    studio.told = replace(studio.told, title="Films and plays")
    folder_is_read_again = run(FakeTurn(asked_to_train=False, changes=99), queue_size=queue_size)
    assert folder_is_read_again
    assert studio.calls == []


def test_changes_that_events_told_of_add_up_until_a_batch_may_be_used_up(run):
    run(retrain_every=100)
    went_on = [run(FakeTurn(changes=1), retrain_every=100) for _ in range(5)]
    assert went_on == [False, False, False, False, True]


def test_a_training_that_is_due_is_done_and_its_version_becomes_current(run, folder, studio):
    run()
    for task_id in range(1, 9):
        studio.annotate(task_id, "pos" if is_praise(task_id - 1) else "neg")
    run(FakeTurn(changes=8))
    assert folder.registry.current().number == 1
    assert studio.current.model_version == "1.2"
    assert folder.sync_record.read().facts.trained_labels == 8


def test_annotations_whose_events_never_came_are_noticed(run, studio):
    run(query_size=3)
    for task_id in (1, 2):
        studio.annotate(task_id)
    assert not run(query_size=3)
    studio.annotate(3)
    assert run(query_size=3)


def test_counts_are_kept_up_though_nothing_is_read(run, folder, studio):
    run()
    studio.annotate(1)
    assert not run(FakeTurn(changes=1))
    record = folder.sync_record.read()
    assert (record.labels, record.left, record.unread.changes) == (1, 39, 1)


def test_start_training_is_never_for_nothing(run, folder, studio):
    run()
    for task_id in (1, 7):
        studio.annotate(task_id, "pos" if is_praise(task_id - 1) else "neg")
    run(FakeTurn(changes=2, asked_to_train=True))
    assert folder.registry.numbers() == [1]
    assert not run()


@pytest.mark.parametrize("different", [{"model_version": "Shortlist"}, {"sampling": "Sequential sampling"}], ids=str)
def test_a_project_that_somebody_switched_away_is_read_and_switched_back(run, studio, different):
    run()
    studio.current = replace(studio.current, **different)
    run()
    assert studio.calls == ["use 0.1"]


def test_new_tasks_another_config_and_other_settings_are_never_nothing(run, studio):
    run()
    studio.add("a film")
    assert run()
    assert not run()
    assert run(explore=0.4)
    studio.told = replace(studio.told, label_config=labeling_config("neg", "pos", "so-so"))
    assert run(explore=0.4)


def breaking(error: BaseException, times: int = 99):
    """A training that breaks off, after so many times no more; `sizes` has the batch size of each try."""
    sizes = []

    def train_or_break(data, config, *others):
        sizes.append(config.batch_size)
        if len(sizes) <= times:
            raise error
        return train(data, config, *others)

    return train_or_break, sizes


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (TrainingDivergedError("the loss became NaN at task 4"), "training_diverged", "task 4"),
        (RuntimeError("mat1 and mat2 shapes\ncannot be multiplied"), "training_failed", "RuntimeError (mat1 and mat2"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "training_failed", "more memory"),
        (torch.OutOfMemoryError("CUDA out of memory"), "training_failed", "more memory"),
        (MemoryError(), "training_failed", "more memory"),
        (OSError(errno.ENOSPC, "No space left on device"), "training_failed", "No space left on device"),
        (sqlite3.OperationalError("database or disk is full"), "training_failed", "is MODEL_DIR full"),
        (SafetensorError("I/O error: No space left on device (os error 28)"), "training_failed", "is MODEL_DIR full"),
        (KeyError("a column"), "training_failed", "KeyError ('a column')"),
    ],
)
def test_a_failed_training_still_publishes_an_order_and_is_tried_again_after_as_many_labels_as_any(
    run, folder, studio, monkeypatch, error, code, said
):
    run()
    label_five(studio)
    with monkeypatch.context() as patched:
        patched.setattr("model.tasks.task.train", breaking(error)[0])
        run(FakeTurn(changes=5))
    failure = folder.sync_record.read().failure
    assert failure.code == code
    assert said in failure.message
    assert studio.current.model_version == "0.2"
    assert not run(FakeTurn(changes=3))
    assert run(FakeTurn(changes=1))


def test_a_failed_training_is_not_tried_again_with_every_label_though_every_label_orders_anew(
    run, folder, studio, monkeypatch
):
    run(strategy="margin")
    label_five(studio)
    run(FakeTurn(changes=5), strategy="margin")
    train_or_break, sizes = breaking(KeyError("a column"))
    monkeypatch.setattr("model.tasks.task.train", train_or_break)
    tries = []
    for task_id in range(6, 14):
        studio.annotate(task_id)
        run(FakeTurn(changes=1), strategy="margin")
        tries.append(len(sizes))
        assert folder.publications.current().labelled_tasks == task_id
        assert (folder.sync_record.read().failure is not None) == bool(tries[-1])
    assert tries == [0, 0, 0, 1, 1, 1, 1, 2]
    run(strategy="margin", explore=0.2)
    assert len(sizes) == 3, "other settings may be the mend"


def test_a_training_that_was_asked_for_with_too_few_labels_delays_no_later_one(run, folder, studio):
    run()
    studio.annotate(1, "neg")
    run(FakeTurn(changes=1, asked_to_train=True))
    assert folder.sync_record.read().failure.code == "invalid_targets"
    for task_id in range(2, 5):
        studio.annotate(task_id)
    run(FakeTurn(changes=3))
    assert folder.registry.current().labels == 4
    assert folder.sync_record.read().failure is None


def test_where_memory_is_too_little_batches_are_halved_until_it_is_enough(run, folder, studio, monkeypatch):
    run()
    label_five(studio)
    train_or_break, sizes = breaking(MemoryError(), times=2)
    monkeypatch.setattr("model.tasks.task.train", train_or_break)
    run(FakeTurn(changes=5))
    assert sizes == [16, 8, 4]
    assert folder.registry.current().number == 1


@pytest.mark.parametrize("odd", ["angry", None])
def test_one_odd_answer_stops_nothing_is_logged_and_heals(run, folder, studio, odd, caplog):
    run()
    label_five(studio)
    studio.answer(6, (ResultItem("sentiment", "choices", {"choices": odd}),))
    run(FakeTurn(changes=6))
    (left,) = folder.sync_record.read().left_out
    assert (left.tasks, left.first) == (1, (6,))
    assert folder.registry.current().labels == 5
    assert f"event=left_out project=1 tasks=1 first=6 reason={left.reason}" in caplog.text
    studio.annotate(6, "pos")
    corrected = FakeTurn()
    corrected.requested = Requested(1, train=True, changed_tasks=frozenset({6}))
    run(corrected)
    assert folder.sync_record.read().left_out == ()
    assert folder.registry.current().labels == 6


def test_a_corrected_label_and_an_edited_text_of_which_no_event_told_are_seen_a_minute_later(run, folder, studio):
    run()
    label_five(studio)
    studio.answer(6, (ResultItem("sentiment", "choices", {"choices": None}),))
    run(FakeTurn(changes=6))
    assert [left.first for left in folder.sync_record.read().left_out] == [(6,)]
    studio.annotate(6, "pos")
    assert not run(), "Label Studio counts as many labels as before"
    a_minute_passes(folder)
    assert run()
    assert folder.sync_record.read().left_out == ()
    studio.edit(20, "an awful plot")
    a_minute_passes(folder)
    before = folder.publications.name()
    assert run()
    assert folder.publications.name() != before
    a_minute_passes(folder)
    assert not run(), "nothing changed since"


def a_minute_passes(folder) -> None:
    with TaskStore(folder.tasks_file) as store:
        store.note({"looked_at": store.facts()["looked_at"] - 61})


def test_annotators_are_switched_back_from_anothers_order_as_soon_as_the_turn_allows_it(run, studio):
    run()
    studio.current = replace(studio.current, model_version="another's")
    too_soon = FakeTurn()
    too_soon.switches_back = False
    run(too_soon)
    assert studio.calls == []
    run()
    assert studio.calls == ["use 0.1"]


def test_ground_truth_which_label_studio_does_not_count_is_counted_here(run, folder, studio):
    run()
    label_five(studio, is_ground_truth=True)
    run(FakeTurn(changes=5))
    assert folder.sync_record.read().labels == 5
    assert not run()
    assert folder.sync_record.read().labels == 5


def label_five(studio, **different) -> None:
    for task_id in range(1, 6):
        studio.annotate(task_id, "neg" if task_id == 5 else "pos", **different)


def test_after_an_llm_failed_a_round_looks_again_when_its_time_has_come(run, settings, folder):
    asking = settings.model_copy(update={"llm_provider": "mistral"})
    first, quiet = FakeTurn(), FakeTurn()
    run(first, settings=asking, cold_start="activellm")
    failed = folder.selection.read()
    assert failed.failure_code == "llm_key"
    assert not run(quiet, settings=asking, cold_start="activellm")
    assert first.returns_in + quiet.returns_in == pytest.approx([60, 60], abs=5)
    folder.selection.write(replace(failed, at=time.time() - 61))
    folder.sync_record.write(replace(folder.sync_record.read(), facts=aged(folder.sync_record.read().facts, 61)))
    assert run(settings=asking, cold_start="activellm")


def aged(facts: Facts, seconds: float) -> Facts:
    """The facts as if they had been found so long ago."""
    return replace(facts, ask_llm_at=facts.ask_llm_at - seconds)


def test_picks_that_somebody_pasted_are_seen_by_the_next_round(run, folder, studio):
    run()
    assert not run()
    folder.selection.write(Selection("activellm", PASTED, 5.0, (Picked(10, "pos", 1, 1),)))
    run()
    with folder.publications.open() as order:
        assert order.places(0, 1)[0].task_id == 10


def test_a_damaged_record_of_the_last_round_is_read_anew(run, folder):
    run()
    (folder.path / "synced.json").write_text('{"labels": 3}')
    run()
    assert folder.sync_record.read().left == 40
