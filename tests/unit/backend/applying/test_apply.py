"""`apply` over a fake Label Studio: 200 tasks, of which people label some in the order that rounds publish."""

import copy
import itertools
import shutil
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from backend.applying.labelling import Labelling, Wanted
from backend.applying.planning import draw_sample, in_percent, plan_labels, plan_likely, read_sample, widened
from backend.applying.reading import Rest, find_question, look_on, read_now
from backend.applying.writing import undo, write_annotations, write_predictions
from backend.errors import (
    CannotPromiseError,
    ConfigurationError,
    NoModelError,
    NotConnectedError,
    PublicationError,
    UnknownQuestionError,
)
from backend.rounds.clean_up import clean_up, remove_all
from backend.rounds.order import RANDOM_SAMPLE
from backend.rounds.round import Round
from backend.settings import Settings
from backend.store.applied import Form
from backend.store.project_folder import ProjectFolder
from backend.work.classifiers import Classifiers
from model.applying.promise import Evidence
from model.progress import ignore_progress
from tests.fake_tasks import WholeLabelStudio
from tests.fakes import BLAME, NEUTRAL, PRAISE, FakeRounds, FakeTurn, a_context

PAIRS = [f"{a} {b} {c}" for a, b, c in itertools.permutations(NEUTRAL, 3)][:25]
TEXTS = [f"{pair} {word}" for word in (*PRAISE, *BLAME) for pair in PAIRS]


def gold(text: str) -> str:
    return "pos" if any(word in text for word in PRAISE) else "neg"


class Project:
    """A project whose people always take the task that comes next."""

    def __init__(self, settings: Settings, texts: list[str] = TEXTS) -> None:
        self.settings = settings
        self.studio = WholeLabelStudio(texts)
        self.studio.extra_params = {"names": "off", "pool": "off", "explore": 0.5}
        self.folder = ProjectFolder(settings.model_dir, 1)
        # The tasks that people labelled at random places.
        self.drawn: set[int] = set()

    def round(self, trains: bool = False) -> None:
        Round(a_context(self.settings, self.studio, FakeTurn(1, 1, trains), Classifiers(1))).run()

    def next_tasks(self, count: int) -> list[int]:
        with self.folder.publications.open() as order:
            served = [place.task_id for place in order.places(0, order.head.queued)]
        return [task_id for task_id in served if not self.studio.tasks_now[task_id].is_done][:count]

    def label_next(self, count: int, say: Callable[[str], str] = gold) -> list[int]:
        labelled = self.next_tasks(count)
        self.drawn |= {task_id for task_id in labelled if self.reason(task_id) == RANDOM_SAMPLE}
        for task_id in labelled:
            self.studio.annotate(task_id, say(self.studio.tasks_now[task_id].data["text"]))
        self.round()
        return labelled

    def reason(self, task_id: int) -> str:
        with self.folder.publications.open() as order:
            return order.find([task_id])[task_id].reason

    def rest(self) -> Rest:
        context = look_on(self.settings, self.studio, FakeRounds(), 1, ignore_progress)
        return Rest(context, find_question(read_now(context), ""))

    def plan(self, precision: float = 0.8):
        rest = self.rest()
        return rest, plan_labels(rest, rest.evidence(), precision)


@pytest.fixture(scope="module")
def grown(tmp_path_factory, encoder) -> Project:
    """A project whose people labelled 60 tasks; nobody changes it."""
    folder = tmp_path_factory.mktemp("grown")
    settings = Settings(model_dir=folder, bert_model=encoder, retrain_every=8, query_size=10, recipe="head")
    project = Project(settings)
    project.round()
    for _ in range(6):
        project.label_next(10)
    return project


@pytest.fixture
def project(grown, tmp_path) -> Project:
    """A copy of the grown project."""
    shutil.copytree(grown.settings.model_dir, tmp_path, dirs_exist_ok=True)
    project = Project(grown.settings.model_copy(update={"model_dir": tmp_path}))
    project.studio, project.drawn = copy.deepcopy(grown.studio), set(grown.drawn)
    return project


def test_labels_that_can_be_promised_are_right(project):
    rest, plan = project.plan()
    texts = {task_id: task.data["text"] for task_id, task in project.studio.tasks_now.items()}
    right = [given.labels == (gold(texts[task_id]),) for task_id, given in plan.labels.items()]
    assert plan.promise.expected >= 0.8
    assert plan.promise.interval[0] <= sum(right) / len(right) <= plan.promise.interval[1]
    assert not plan.labels.keys() & set(rest.synced.targets.task_ids)
    assert 0.5 < plan.share <= 1.0
    assert plan.unlabelled == len(TEXTS) - 60


def test_the_evidence_is_what_people_labelled_because_it_was_drawn_at_random(project):
    tested = len(project.rest().evidence().confidence_R)
    assert 15 <= len(project.drawn) <= 45
    # One task in twenty may be missing, and a label that a strategy asked for may stand beside it.
    assert len(project.drawn) <= tested <= 1.15 * len(project.drawn)


def test_too_few_labels_of_the_random_sample_promise_nothing_and_the_sentence_says_how_many_it_takes(project):
    with pytest.raises(CannotPromiseError, match="99% cannot be promised: it needs at least 100 labels") as refused:
        project.plan(0.99)
    assert "--sample 100" in str(refused.value)
    assert "--precision 0." in str(refused.value)


def test_a_sample_that_is_less_right_than_was_asked_for_promises_nothing(project):
    rest = project.rest()
    evidence = rest.evidence()
    half_wrong = Evidence(evidence.confidence_R, np.arange(len(evidence.confidence_R)) % 2 == 0)
    with pytest.raises(CannotPromiseError, match=r"it was right on \d+, which is [45]\d\.\d%\. Label more texts"):
        plan_labels(rest, half_wrong, 0.8)


def test_without_a_model_version_there_is_nothing_to_apply(tmp_path, encoder):
    project = Project(Settings(model_dir=tmp_path, bert_model=encoder, recipe="head"))
    with pytest.raises(NotConnectedError):
        project.rest()
    project.round()
    with pytest.raises(NoModelError, match="label 16 texts"):
        project.rest()


def test_a_question_that_is_not_asked_is_named(project):
    context = look_on(project.settings, project.studio, FakeRounds(), 1, ignore_progress)
    with pytest.raises(UnknownQuestionError, match="no question 'topic' that a classifier learns: it asks 'sentiment'"):
        find_question(read_now(context), "topic")


def test_reading_changes_nothing_that_rounds_use(project):
    before = {path: path.read_bytes() for path in project.folder.path.rglob("*") if path.is_file()}
    project.plan()
    after = {path: path.read_bytes() for path in project.folder.path.rglob("*") if path.is_file()}
    changed = {path.name for path in after if before.get(path) != after[path]}
    assert {name for name in changed if "embeddings" not in name and not name.endswith((".f16", ".npz"))} == set()
    assert before.keys() - after.keys() == set()


def test_labels_that_came_since_the_last_round_are_not_labelled_again(project):
    (newest,) = project.next_tasks(1)
    project.studio.annotate(newest, gold(project.studio.tasks_now[newest].data["text"]))
    _, plan = project.plan()
    assert newest not in plan.labels


def test_predictions_have_a_model_version_of_their_own_and_the_order_stays(project):
    before, order = project.studio.project(1), project.next_tasks(20)
    rest, plan = project.plan()
    run = write_predictions(project.studio, project.folder, rest.synced.task, plan, ignore_progress)
    assert run.name == f"{plan.model}.apply-1"
    assert project.studio.prediction_counts(1)[run.name] == len(plan.labels)
    now = project.studio.project(1)
    assert (now.model_version, now.sampling) == (before.model_version, before.sampling)
    project.round()
    assert project.next_tasks(20) == order
    written = [raw for raw in project.studio.predictions.values() if raw["model_version"] == run.name]
    for raw in written:
        (item,) = raw["result"]
        assert item["value"]["choices"] == list(plan.labels[raw["task"]].labels)
        assert raw["score"] == item["score"] == plan.labels[raw["task"]].confidence


def test_written_twice_predictions_are_there_once_and_a_new_run_replaces_the_old(project):
    rest, plan = project.plan()
    task = rest.synced.task
    write_predictions(project.studio, project.folder, task, plan, ignore_progress)
    calls = len(project.studio.calls)
    again = write_predictions(project.studio, project.folder, task, plan, ignore_progress)
    assert project.studio.calls[calls:] == []
    assert project.studio.prediction_counts(1)[again.name] == len(plan.labels)
    project.label_next(10)
    rest, plan = project.plan()
    newer = write_predictions(project.studio, project.folder, task, plan, ignore_progress)
    assert newer.name.endswith(".apply-2")
    assert again.name not in project.studio.prediction_counts(1)
    assert [run.name for run in project.folder.applied.read()] == [newer.name]


def test_an_import_that_broke_off_goes_on_where_it_was(project):
    rest, plan = project.plan()
    project.studio.is_failing = True
    with pytest.raises(PublicationError):
        write_predictions(project.studio, project.folder, rest.synced.task, plan, ignore_progress)
    (run,) = project.folder.applied.read()
    assert not run.is_done
    project.studio.is_failing = False
    done = write_predictions(project.studio, project.folder, rest.synced.task, plan, ignore_progress)
    assert (done.name, done.is_done) == (run.name, True)
    assert project.studio.calls[-1] == f"import {len(plan.labels) - 1}"
    assert project.studio.prediction_counts(1)[run.name] == len(plan.labels)


def test_rounds_never_clean_up_what_was_applied_and_forgetting_does(project):
    rest, plan = project.plan()
    run = write_predictions(project.studio, project.folder, rest.synced.task, plan, ignore_progress)
    for _ in range(3):
        project.label_next(10)
    clean_up(project.studio, project.folder, lambda: True, ignore_progress)
    assert project.studio.prediction_counts(1)[run.name] == len(plan.labels)
    remove_all(project.studio, project.folder)
    assert run.name not in project.studio.prediction_counts(1)


def test_annotations_are_marked_and_teach_nothing(project):
    rest, plan = project.plan()
    labels, version = len(rest.synced.targets), project.folder.registry.current().number
    run, written = write_annotations(project.studio, project.folder, rest.synced.task, plan, ignore_progress)
    assert written == len(plan.labels)
    project.round(trains=True)
    trained = project.folder.registry.current()
    assert (trained.number, trained.labels) == (version + 1, labels)
    record = project.folder.sync_record.read()
    assert (record.labels, record.applied, record.left) == (labels, written, len(TEXTS) - 60 - written)
    assert run.is_done


def test_an_annotation_that_somebody_changes_is_theirs(project):
    rest, plan = project.plan()
    write_annotations(project.studio, project.folder, rest.synced.task, plan, ignore_progress)
    changed = next(iter(plan.labels))
    project.studio.annotate(changed, "neg", who="1")
    assert changed in project.rest().synced.targets.task_ids


def test_no_task_gets_a_second_annotation(project):
    rest, plan = project.plan()
    theirs = next(iter(plan.labels))
    project.studio.annotate(theirs, "neg")
    _, written = write_annotations(project.studio, project.folder, rest.synced.task, plan, ignore_progress)
    _, again = write_annotations(project.studio, project.folder, rest.synced.task, plan, ignore_progress)
    assert (written, again) == (len(plan.labels) - 1, 0)
    assert all(len(project.studio.tasks_now[task_id].annotations) == 1 for task_id in plan.labels)


def annotate_five(project, rest, plan) -> None:
    """Write annotations, and be killed after the fifth."""

    def break_off(done: int, total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_annotations(project.studio, project.folder, rest.synced.task, plan, break_off)


def test_annotating_that_broke_off_goes_on_under_the_same_name(project):
    rest, plan = project.plan()
    annotate_five(project, rest, plan)
    project.round()
    rest, rest_plan = project.plan()
    assert len(rest_plan.labels) == len(plan.labels) - 5
    run, written = write_annotations(project.studio, project.folder, rest.synced.task, rest_plan, ignore_progress)
    assert (run.name, written) == (f"{plan.model}.apply-1", len(plan.labels) - 5)


def test_everything_can_be_taken_back(project):
    rest, plan = project.plan()
    task = rest.synced.task
    run = write_predictions(project.studio, project.folder, task, plan, ignore_progress)
    _, written = write_annotations(project.studio, project.folder, task, plan, ignore_progress)
    assert undo(project.studio, project.folder, ignore_progress) == (len(plan.labels), written)
    assert run.name not in project.studio.prediction_counts(1)
    assert project.folder.applied.read() == []
    project.round()
    assert project.folder.sync_record.read().left == len(TEXTS) - 60
    assert project.plan()[1].labels == plan.labels


def test_a_lost_record_of_runs_mixes_no_labels_of_two_runs(project):
    rest, plan = project.plan()
    task = rest.synced.task
    lost = write_predictions(project.studio, project.folder, task, plan, ignore_progress)
    project.folder.applied.remove()
    project.label_next(10)
    _, plan = project.plan()
    run = write_predictions(project.studio, project.folder, task, plan, ignore_progress)
    assert (lost.name[-8:], run.name[-8:]) == (".apply-1", ".apply-2")
    assert project.studio.prediction_counts(1).keys() & {lost.name, run.name} == {run.name}
    written = {raw["task"] for raw in project.studio.predictions.values() if raw["model_version"] == run.name}
    assert written == plan.labels.keys()


@pytest.mark.parametrize("take_back", [undo, lambda *to: (remove_all(*to[:2]), 0)], ids=["undo", "forget"])
def test_what_a_lost_record_of_runs_named_is_taken_back_all_the_same_and_no_other_models(project, take_back):
    rest, plan = project.plan()
    run = write_predictions(project.studio, project.folder, rest.synced.task, plan, ignore_progress)
    project.studio.import_predictions(
        1, [{"task": 1, "model_version": "my-bert.apply-1", "score": 0.5, "result": []}], ignore_progress
    )
    project.folder.applied.remove()
    assert take_back(project.studio, project.folder, ignore_progress)[0] >= len(plan.labels)
    assert run.name not in project.studio.prediction_counts(1)
    assert project.studio.prediction_counts(1)["my-bert.apply-1"] == 1


def test_a_sample_comes_next_without_an_answer_and_what_people_say_counts(project):
    rest = project.rest()
    plan = plan_likely(rest, rest.evidence(), 0.9)
    sample = draw_sample(plan, 40)
    project.folder.sample.write(sample)
    project.round()
    assert project.next_tasks(40) == list(sample.shown)
    with project.folder.publications.open() as order:
        assert {place.result for place in order.places(0, 40)} == {"[]"}
        assert {place.reason for place in order.places(0, 40)} == {"sample of what apply would label"}
    tested = len(project.rest().evidence().confidence_R)
    project.label_next(20)
    half = read_sample(project.rest(), sample)
    assert (half.answered, half.waiting) == (20, 20)
    project.label_next(20)
    seen = read_sample(project.rest(), sample)
    assert (seen.agreed, seen.answered, seen.waiting, seen.skipped) == (40, 40, 0, 0)
    assert seen.plan.promise.tested == sample.tested + 40
    assert seen.plan.holds
    assert len(seen.plan.labels) == len(plan.labels) - 40
    # They were drawn among sure texts, and are no fair sample of the pool.
    assert len(project.rest().evidence().confidence_R) <= 1.15 * tested


def test_labels_that_a_sample_let_write_can_be_written_in_the_other_form_until_a_newer_version_is_in_use(project):
    drawn = Labelling(project.rest().context, Wanted(0.9), ignore_progress).show_sample(25)
    project.round()
    project.label_next(25)

    def planned(form: Form) -> dict[int, tuple[str, ...]]:
        rest = project.rest()
        labelling = Labelling(rest.context, Wanted(0.9, form=form), ignore_progress)
        plan = labelling.plan(rest)
        labelling.write(rest.synced.task, plan)
        return {task_id: given.labels for task_id, given in plan.labels.items()}

    first = planned(Form.PREDICTIONS)
    assert planned(Form.ANNOTATIONS) == first
    assert first.items() <= {task_id: given.labels for task_id, given in drawn.labels.items()}.items()
    sample = project.folder.sample.read()
    project.folder.sample.write(replace(sample, written_under=sample.written_under - 1))
    with pytest.raises(CannotPromiseError, match="no text is left to draw a sample from"):
        Labelling(project.rest().context, Wanted(0.9), ignore_progress).show_sample(25)


def test_people_who_disagree_break_the_promise(project):
    rest = project.rest()
    sample = draw_sample(plan_likely(rest, rest.evidence(), 0.9), 20)
    project.folder.sample.write(sample)
    project.round()
    project.label_next(20, lambda text: "neg")
    seen = read_sample(project.rest(), sample)
    assert seen.agreed < 20
    assert not seen.plan.holds


def test_a_sample_can_be_widened_and_keeps_its_texts(project):
    rest = project.rest()
    sample = draw_sample(plan_likely(rest, rest.evidence(), 0.9), 10)
    wider = widened(sample, 25)
    assert wider.shown[:10] == sample.shown
    assert len(set(wider.shown)) == 25
    assert widened(sample, 5) == sample


def test_where_everything_is_labelled_nothing_is_left_to_promise(project):
    for task_id, task in project.studio.tasks_now.items():
        if not task.is_done:
            project.studio.annotate(task_id, gold(task.data["text"]))
    _, plan = project.plan()
    assert (plan.labels, plan.share, plan.holds) == ({}, 0.0, True)


def test_copies_of_labelled_texts_get_the_label_of_their_twin(project):
    twin = next(task_id for task_id, task in project.studio.tasks_now.items() if task.is_done)
    (copy,) = project.studio.add(project.studio.tasks_now[twin].data["text"].upper() + " !")
    project.round()
    _, plan = project.plan()
    assert plan.copied[copy].labels == (gold(project.studio.tasks_now[twin].data["text"]),)
    assert copy not in plan.predicted
    assert plan.labels[copy].confidence == 1.0
    with project.folder.publications.open() as order:
        assert order.find([copy])[copy].reason == f"same as task {twin}"
        assert order.head.copies == 1


def other(label: str) -> str:
    return "neg" if label == "pos" else "pos"


def test_a_copy_gets_no_label_for_certain_where_people_disagree_on_its_twins(project):
    twin = next(task_id for task_id, task in project.studio.tasks_now.items() if task.is_done)
    text = project.studio.tasks_now[twin].data["text"]
    again, copy = project.studio.add(f"{text}.", text.upper())
    project.studio.annotate(again, other(gold(text)))
    _, plan = project.plan()
    assert copy not in plan.copied
    project.studio.annotate(again, gold(text))
    _, plan = project.plan()
    assert plan.copied[copy].labels == (gold(text),)


def test_a_copy_gets_no_label_for_certain_where_as_many_people_say_one_thing_as_the_other(project):
    twin = next(task_id for task_id, task in project.studio.tasks_now.items() if task.is_done)
    text = project.studio.tasks_now[twin].data["text"]
    (copy,) = project.studio.add(text.upper())
    project.studio.annotate(twin, other(gold(text)), who="bob")
    _, plan = project.plan()
    assert copy not in plan.copied
    project.studio.annotate(twin, gold(text), who="cleo")
    _, plan = project.plan()
    assert plan.copied[copy].labels == (gold(text),)


def test_annotations_that_would_leave_a_control_without_an_answer_are_refused_and_predictions_are_not(project):
    spans = '<Labels name="names" toName="text"><Label value="who"/></Labels></View>'
    told = project.studio.told
    project.studio.told = replace(told, label_config=told.label_config.replace("</View>", spans))
    context = look_on(project.settings, project.studio, FakeRounds(), 1, ignore_progress)
    with pytest.raises(ConfigurationError, match=r"would leave 'names' unanswered.* write predictions instead"):
        Labelling(context, Wanted(0.8, form=Form.ANNOTATIONS), ignore_progress).rest()
    assert Labelling(context, Wanted(0.8), ignore_progress).rest().model


def test_a_sample_with_a_label_that_the_config_has_no_more_is_void(project):
    rest = project.rest()
    sample = draw_sample(plan_likely(rest, rest.evidence(), 0.8), 10)
    labelling = Labelling(rest.context, Wanted(0.8), ignore_progress)
    project.folder.sample.write(sample)
    with pytest.raises(CannotPromiseError, match="10 of the 10 texts of the sample wait for people"):
        labelling.plan(rest)
    (first, given), *_ = sample.labels.items()
    renamed = {**sample.labels, first: replace(given, labels=("renamed since",))}
    project.folder.sample.write(replace(sample, labels=renamed))
    assert {given.labels for given in labelling.plan(rest).labels.values()} == {("neg",), ("pos",)}
    drawn = labelling.show_sample(10)
    assert drawn.labels[first] == given


def test_a_sample_that_holds_every_text_that_would_get_a_label_is_used_up_once_people_labelled_it(project):
    """Nothing is left to label by this sample; the texts beside it are not given up."""
    rest = project.rest()
    labelling = Labelling(rest.context, Wanted(0.8), ignore_progress)
    likely = draw_sample(plan_likely(rest, rest.evidence(), 0.8), 15)
    sample = replace(likely, labels={task_id: likely.labels[task_id] for task_id in likely.shown})
    project.folder.sample.write(sample)
    project.round()
    project.label_next(5)
    half = labelling.show_sample(30)
    assert (half.answered, half.waiting, project.folder.sample.read()) == (5, 10, sample), "it cannot be wider"
    project.label_next(10)
    plan = labelling.plan(project.rest())
    assert len(plan.labels) > 20
    assert not plan.labels.keys() & set(sample.shown)
    drawn = labelling.show_sample(12)
    assert len(drawn.shown) == 12
    assert not set(drawn.shown) & set(sample.shown)


@pytest.mark.parametrize(
    ("precision", "words"), [(0.95, "95%"), (0.975, "97.5%"), (0.999, "99.9%"), (0.57, "57%"), (0.8125, "81.25%")]
)
def test_a_precision_is_said_with_all_its_digits(precision, words):
    assert in_percent(precision) == words


def test_a_refusal_names_the_precision_that_was_asked_for_and_not_a_round_one(project):
    with pytest.raises(CannotPromiseError, match=r"^a precision of 99.9% cannot be promised"):
        project.plan(0.999)


def test_where_everything_is_labelled_there_is_no_sample_to_draw_and_the_classifier_is_not_blamed(project):
    for task_id, task in project.studio.tasks_now.items():
        if not task.is_done:
            project.studio.annotate(task_id, gold(task.data["text"]))
    rest = project.rest()
    with pytest.raises(CannotPromiseError, match="no text is left to draw a sample from"):
        plan_likely(rest, rest.evidence(), 0.9)


@pytest.mark.parametrize("skips", [False, True])
@pytest.mark.parametrize("which", [min, max], ids=["labelled before", "labelled later"])
def test_who_labels_or_skips_a_task_while_apply_writes_is_the_only_one_who_answered_it(project, which, skips):
    rest, plan = project.plan()
    theirs = which(plan.labels)

    def meanwhile(done: int, total: int) -> None:
        if done == 3:
            project.studio.annotate(theirs, "neg", is_skipped=skips)

    _, written = write_annotations(project.studio, project.folder, rest.synced.task, plan, meanwhile)
    assert written == len(plan.labels) - 1
    assert [given.annotator for given in project.studio.tasks_now[theirs].annotations] == ["ann"]


def test_a_run_that_broke_off_does_not_go_on_with_labels_of_another_precision(project):
    rest, plan = project.plan(0.8)
    annotate_five(project, rest, plan)
    project.round()
    rest, lower = project.plan(0.7)
    write_annotations(project.studio, project.folder, rest.synced.task, lower, ignore_progress)
    runs = [(run.name, run.precision, run.is_done) for run in project.folder.applied.read()]
    assert runs == [(f"{plan.model}.apply-1", 0.8, False), (f"{plan.model}.apply-2", 0.7, True)]
