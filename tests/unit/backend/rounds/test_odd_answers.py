"""Answers that cannot be used, to three questions at once: left out, counted and named, and the project goes on."""

import json
import time
from pathlib import Path

import pytest

from backend.rounds.round import Round
from backend.rounds.sync import read_targets
from backend.settings import Settings
from backend.store.project_folder import ProjectFolder
from backend.studio.config.kinds import read_tasks
from backend.studio.records import AnnotatedTask
from backend.web.classifying import WebClassifier
from backend.web.metrics import metrics_text
from backend.web.service import Service
from backend.web.status import project_status
from backend.work.classifiers import Classifiers
from backend.work.requests import Requested
from model.simulation.gold import read_answers
from model.tasks.gold_lines import gold_lines
from model.types import ResultItem
from tests.fake_tasks import WholeLabelStudio
from tests.fakes import NEUTRAL, PRAISE, FakeRounds, FakeTurn, a_context, labeling_config
from tests.unit.backend.films import FILMS

OWN = {"names": "off", "strategy": "margin", "explore": 0.0}
THREE_KINDS = (
    '<View><Text name="text" value="$text"/>'
    '<Choices name="mood" toName="text"><Choice value="good"/><Choice value="bad"/></Choices>'
    '<Rating name="stars" toName="text"/><Taxonomy name="shelf" toName="text" leafsOnly="true">'
    '<Choice value="buy"><Choice value="at once"/><Choice value="later"/></Choice><Choice value="leave"/></Taxonomy>'
    "</View>"
)
LABELLED = 12


@pytest.fixture
def settings(tmp_path, encoder) -> Settings:
    return Settings(model_dir=tmp_path, bert_model=encoder, retrain_every=4, query_size=5, queue_size=20, recipe="head")


@pytest.fixture
def run(settings):
    """Run a round of a project."""
    classifiers = Classifiers(1)

    def run(studio: WholeLabelStudio, turn: FakeTurn) -> None:
        studio.extra_params = OWN
        Round(a_context(settings, studio, turn, classifiers)).run()

    return run


def usual(text: str) -> dict[str, tuple[str, dict]]:
    """What people say of a text, by control: type and value."""
    is_praise = any(word in text for word in PRAISE)
    return {
        "mood": ("choices", {"choices": ["good" if is_praise else "bad"]}),
        "stars": ("rating", {"rating": 5 if is_praise else 1}),
        "shelf": ("taxonomy", {"taxonomy": [["buy", "at once"] if is_praise else ["leave"]]}),
    }


def result(answers: dict[str, tuple[str, dict]]) -> tuple[ResultItem, ...]:
    return tuple(ResultItem(control, kind, value) for control, (kind, value) in answers.items())


ODD = {
    "a label that is gone": ("mood", "choices", {"choices": ["angry"]}, "the answer is 'angry', a label that"),
    "an empty label": ("mood", "choices", {"choices": [""]}, "the answer is '', a label that"),
    "stars in place of choices": ("mood", "rating", {"rating": 3}, "of the type 'rating', not 'choices'"),
    "no stars": ("stars", "rating", {"rating": 0}, "the answer is 0 stars, and the labeling config has 1 to 5"),
    "too many stars": ("stars", "rating", {"rating": 6}, "the answer is 6 stars"),
    "half a star": ("stars", "rating", {"rating": 2.5}, "in place of a number of stars"),
    "choices in place of stars": ("stars", "choices", {"choices": ["5"]}, "of the type 'choices', not 'rating'"),
    "a path that is gone": ("shelf", "taxonomy", {"taxonomy": [["buy", "never"]]}, "the answer is 'buy / never'"),
    "a parent of leaves": ("shelf", "taxonomy", {"taxonomy": [["buy"]]}, "the answer is 'buy', a label that"),
    "choices in place of paths": ("shelf", "choices", {"choices": ["leave"]}, "of the type 'choices', not 'taxonomy'"),
    "nothing in place of paths": ("shelf", "taxonomy", {"taxonomy": None}, "nothing in place of a list of paths"),
}


def answer_all(studio: WholeLabelStudio, *odd: str) -> dict[int, str]:
    """Answer all questions on twelve texts, and on a further text each an odd answer beside two usual ones."""
    for task_id in range(1, LABELLED + 1):
        studio.answer(task_id, result(usual(FILMS[task_id - 1])))
    for task_id, name in enumerate(odd, LABELLED + 1):
        control, kind, value, _ = ODD[name]
        studio.answer(task_id, result({**usual(FILMS[task_id - 1]), control: (kind, value)}))
    return dict(enumerate(odd, LABELLED + 1))


def test_odd_answers_to_one_question_are_left_out_of_it_counted_and_named_and_count_for_the_others(run, settings):
    studio = WholeLabelStudio(FILMS, label_config=THREE_KINDS)
    odd = answer_all(studio, *ODD)
    run(studio, FakeTurn(changes=LABELLED + len(odd)))
    status = project_status(Service(settings, FakeRounds(), WebClassifier()), 1)
    assert (status["state"], status["last_error"]) == ("idle", "")
    for question in status["questions"]:
        of_question = [name for name in odd.values() if ODD[name][0] == question["name"]]
        usable = LABELLED + len(odd) - len(of_question)
        assert (question["name"], question["labels"], question["trained_on"]) == (question["name"], usable, usable)
    # Ten reasons are told apart, and what is beyond them is counted together.
    assert sum(left["tasks"] for left in status["left_out"]) == len(odd)
    told = {task_id: left["reason"] for left in status["left_out"] for task_id in left["first"]}
    assert told.keys() == odd.keys()
    named = {task_id: reason for task_id, reason in told.items() if "other reasons" not in reason}
    assert len(named) == 10
    for task_id, reason in named.items():
        control, _, _, expected = ODD[odd[task_id]]
        assert expected in reason
        assert reason.endswith(f"(question '{control}')")
    # Texts without an answer to a question are done all the same, and the others wait in order.
    with ProjectFolder(settings.model_dir, 1).publications.open() as order:
        places = order.places(0)
    assert {place.task_id for place in places} == set(range(LABELLED + len(odd) + 1, len(FILMS) + 1))
    assert {len(json.loads(place.result)) for place in places} == {3}


@pytest.mark.parametrize("name", ODD)
def test_only_odd_answers_to_a_question_leave_it_unlearned_and_the_project_goes_on(run, settings, name):
    control, kind, value, expected = ODD[name]
    studio = WholeLabelStudio(FILMS, label_config=THREE_KINDS)
    for task_id in range(1, LABELLED + 1):
        studio.answer(task_id, result({**usual(FILMS[task_id - 1]), control: (kind, value)}))
    run(studio, FakeTurn(changes=LABELLED))
    status = project_status(Service(settings, FakeRounds(), WebClassifier()), 1)
    assert status["last_error"] == ""
    assert {question["name"] for question in status["questions"] if not question["model"]} == {control}
    ((count, reason),) = ((left["tasks"], left["reason"]) for left in status["left_out"])
    assert (count, expected in reason) == (LABELLED, True)
    for task_id in range(1, LABELLED + 1):
        studio.answer(task_id, result(usual(FILMS[task_id - 1])))
    mended = FakeTurn()
    mended.requested = Requested(LABELLED, train=True, changed_tasks=frozenset(range(1, LABELLED + 1)))
    run(studio, mended)
    status = project_status(Service(settings, FakeRounds(), WebClassifier()), 1)
    assert [(question["trained_on"], question["labels"]) for question in status["questions"]] == [(12, 12)] * 3
    assert status["left_out"] == []


def test_odd_answers_are_not_exported_and_what_is_can_be_simulated_on(tmp_path: Path):
    studio = WholeLabelStudio(FILMS, label_config=THREE_KINDS)
    odd = answer_all(studio, *ODD)
    studio.annotated_tasks = lambda *_: [
        AnnotatedTask(task.task_id, task.data, task.annotations)
        for task in studio.tasks_now.values()
        if task.annotations
    ]
    asked = read_targets(studio, 1, read_tasks(THREE_KINDS))
    file = tmp_path / "gold.jsonl"
    file.write_text("\n".join(gold_lines([(task, given.targets) for task, given in asked])), encoding="utf-8")
    [gold] = read_answers([file])
    assert gold.texts == FILMS[: LABELLED + len(odd)]
    for (task, given), found in zip(asked, gold.questions, strict=True):
        assert found.name == task.control
        assert found.targets.texts == given.targets.texts
        labels = [task.label_set.labels[place] for place in given.targets.targets_N_C.argmax(axis=1)]
        read = [found.targets.label_set.labels[place] for place in found.targets.targets_N_C.argmax(axis=1)]
        assert labels == read
        assert len(found.targets) == LABELLED + sum(ODD[name][0] != task.control for name in odd.values())
    assert {left.task_id for _, given in asked for left in given.left_out} == odd.keys()


MANY = tuple(f"label {number}" for number in range(2_000))
MANY_TEXTS = tuple(f"{text} {a} {b}" for text in FILMS for a in NEUTRAL for b in NEUTRAL)


@pytest.mark.parametrize("choice", ["single", "multiple"])
def test_two_thousand_labels_go_through_a_round_and_neither_status_nor_metrics_grow(run, settings, choice):
    """Three hundred texts have an answer, each label at most one; the bounds are far above what was measured."""
    studio = WholeLabelStudio(MANY_TEXTS[:400], label_config=labeling_config(*MANY, choice=choice))
    for task_id in range(1, 301):
        studio.answer(task_id, (ResultItem("sentiment", "choices", {"choices": [MANY[6 * task_id]]}),))
    began = time.monotonic()
    run(studio, FakeTurn(changes=300))
    assert time.monotonic() - began < 60
    service = Service(settings, FakeRounds(), WebClassifier())
    status = project_status(service, 1)
    assert (status["last_error"], status["labels"], status["trained_on"]) == ("", 300, 300)
    assert len(json.dumps(status)) < 10_000
    assert len(metrics_text(service)) < 10_000
    with ProjectFolder(settings.model_dir, 1).publications.open() as order:
        places = order.places(0)
    assert len(places) == 100
    assert max(len(place.result) for place in places) < 1_000
