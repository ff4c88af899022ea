"""A kind of question that only these tests know goes through rounds, alone and as a list of two questions."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from backend.rounds.round import Round
from backend.settings import Settings
from backend.store.project_folder import ProjectFolder
from backend.studio.config.kinds import KINDS, read_tasks
from backend.studio.records import Task
from backend.web.classifying import WebClassifier
from backend.web.metrics import metrics_text
from backend.web.predicting import predict
from backend.web.service import Service
from backend.web.status import project_status
from backend.work.classifiers import Classifiers
from model.query.uncertainty import margin_scores
from model.query.unlabelled import Unlabelled
from model.types import ResultItem
from tests.counts import COUNT, count_config, counted
from tests.fake_tasks import WholeLabelStudio
from tests.fakes import PRAISE, FakeRounds, FakeTurn, a_context, chosen
from tests.unit.backend.films import FILMS

OWN = {"names": "off", "cold_start": "random", "strategy": "margin", "explore": 0.0}


@pytest.fixture(autouse=True)
def counts_are_registered():
    KINDS.append(COUNT)
    yield
    KINDS.remove(COUNT)


@pytest.fixture
def settings(tmp_path, encoder) -> Settings:
    return Settings(model_dir=tmp_path, bert_model=encoder, retrain_every=4, query_size=5, queue_size=20, recipe="head")


@pytest.fixture
def folder(settings) -> ProjectFolder:
    return ProjectFolder(settings.model_dir, 1)


@pytest.fixture
def run(settings, folder):
    """Run a round of a project."""
    classifiers = Classifiers(1)

    def run(studio, turn=None):
        studio.extra_params = OWN
        Round(a_context(settings, studio, turn, classifiers)).run()

    return run


def is_praise(text: str) -> bool:
    return any(word in text for word in PRAISE)


def rate(studio: WholeLabelStudio, task_ids, *controls: str) -> FakeTurn:
    """Give praise three stars and blame one; returns a turn that has heard of it."""
    for task_id in task_ids:
        given = 3 if is_praise(FILMS[task_id - 1]) else 1
        studio.answer(task_id, tuple(counted(control, given) for control in controls))
    return FakeTurn(changes=len(task_ids))


def given_stars(result: str) -> dict[str, int]:
    return {item["from_name"]: item["value"]["number"] for item in json.loads(result)}


def test_a_made_up_kind_goes_from_its_config_to_a_served_publication(run, settings, folder):
    config = count_config("stars")
    studio = WholeLabelStudio(FILMS, label_config=config)
    run(studio)
    assert studio.current.model_version == "0.1"
    run(studio, rate(studio, range(1, 17), "stars"))
    assert (folder.registry.current().number, studio.current.model_version) == (1, "1.2")
    with folder.publications.open() as order:
        places = order.places(0)
    assert {place.reason.split()[0] for place in places} == {"margin"}
    right = [
        given_stars(place.result)["stars"] == (3 if is_praise(FILMS[place.task_id - 1]) else 1) for place in places
    ]
    assert sum(right) > 0.8 * len(FILMS[16:])

    service = Service(settings, FakeRounds(), WebClassifier())
    known, new = predict(
        service, 1, config, [Task(40, {"text": FILMS[39]}), Task(99, {"text": "a lovely lovely film"})]
    )
    assert known["result"] == json.loads(next(place.result for place in places if place.task_id == 40))
    assert new["result"][0]["type"] == "number"


def test_its_units_and_its_reduction_make_the_scores():
    (task,) = read_tasks(count_config("stars"))
    answers = task.answers(np.array([[0.5, 0.9]]))
    assert answers.text_of_unit_U.tolist() == [0, 0]
    unlabelled = Unlabelled(1, np.array([[0.5, 0.9]]), link=task.link)
    assert unlabelled.scores(margin_scores).tolist() == pytest.approx([(1 + 0.2) / 2])


def test_a_list_of_two_questions_goes_through_a_round(run, folder):
    studio = WholeLabelStudio(FILMS, label_config=count_config("stars", "pace"))
    run(studio)
    assert len(folder.sync_record.read().further) == 1
    run(studio, rate(studio, range(1, 17), "stars", "pace"))
    second = folder.of_question(1)
    assert [each.registry.current().number for each in (folder, second)] == [1, 1]
    with folder.publications.open() as order:
        places, head = order.places(0), order.head
    assert (head.model, [question.model for question in head.further]) == (1, [1])
    assert sorted(place.task_id for place in places) == list(range(17, 41))
    assert {tuple(given_stars(place.result)) for place in places} == {("stars", "pace")}
    studio.calls.clear()
    run(studio)
    assert studio.calls == []


def test_a_question_that_nobody_answers_waits_while_the_other_is_learned(run, folder):
    studio = WholeLabelStudio(FILMS, label_config=count_config("stars", "pace"))
    run(studio, rate(studio, range(1, 17), "pace"))
    assert folder.registry.current() is None
    assert folder.of_question(1).registry.current().number == 1
    with folder.publications.open() as order:
        assert {tuple(given_stars(place.result)) for place in order.places(0)} == {("pace",)}


TWO_CHOICES = (
    '<View><Text name="text" value="$text"/>'
    '<Choices name="mood" toName="text"><Choice value="good"/><Choice value="bad"/></Choices>'
    '<Choices name="tags" toName="text" choice="multiple"><Choice value="good"/><Choice value="bad"/></Choices></View>'
)


def choose(studio: WholeLabelStudio, task_ids) -> FakeTurn:
    """Say what a film is like, and tag it with the opposite, so that the two questions cannot be mixed up."""
    for task_id in task_ids:
        is_good = is_praise(FILMS[task_id - 1])
        mood, tag = ("good", "bad") if is_good else ("bad", "good")
        studio.answer(task_id, (*chosen(mood, control="mood"), *chosen(tag, control="tags")))
    return FakeTurn(changes=len(task_ids))


def choices_of(result: str) -> dict[str, list[str]]:
    return {item["from_name"]: item["value"]["choices"] for item in json.loads(result)}


def test_every_choices_of_a_config_is_learned_and_preselected(run, settings, folder):
    studio = WholeLabelStudio(FILMS, label_config=TWO_CHOICES)
    run(studio, choose(studio, range(1, 17)))
    with folder.publications.open() as order:
        answers = [(FILMS[place.task_id - 1], choices_of(place.result)) for place in order.places(0)]
    right = [
        answer == ({"mood": ["good"], "tags": ["bad"]} if is_praise(text) else {"mood": ["bad"], "tags": ["good"]})
        for text, answer in answers
    ]
    assert sum(right) > 0.8 * len(FILMS[16:])

    service = Service(settings, FakeRounds(), WebClassifier())
    (new,) = predict(service, 1, TWO_CHOICES, [Task(99, {"text": "a lovely lovely film"})])
    assert [(item["from_name"], item["value"]) for item in new["result"]] == [
        ("mood", {"choices": ["good"]}),
        ("tags", {"choices": ["bad"]}),
    ]


def test_questions_that_change_their_places_never_answer_for_each_other(run, settings, folder):
    one_kind = TWO_CHOICES.replace(' choice="multiple"', "")
    studio = WholeLabelStudio(FILMS, label_config=one_kind)
    run(studio, choose(studio, range(1, 17)))
    first, second = (part for part in one_kind.partition('<Choices name="tags"')[::2])
    mood = first[first.index("<Choices") :]
    swapped = first.replace(mood, "") + '<Choices name="tags"' + second.replace("</View>", f"{mood}</View>")
    service = Service(settings, FakeRounds(), WebClassifier())
    (before,) = predict(service, 1, swapped, [Task(99, {"text": "a lovely lovely film"})])
    assert before["result"] == []
    studio.told = replace(studio.told, label_config=swapped)
    run(studio, FakeTurn(changes=1))
    (after,) = predict(service, 1, swapped, [Task(99, {"text": "a lovely lovely film"})])
    assert choices_of(json.dumps(after["result"])) == {"mood": ["good"], "tags": ["bad"]}


def test_the_encoder_before_any_training_embeds_the_pool_once_for_all_questions(run, folder):
    studio = WholeLabelStudio(FILMS, label_config=TWO_CHOICES)
    run(studio, choose(studio, range(1, 17)))
    assert list(folder.embeddings_folder.iterdir())
    assert not folder.of_question(1).embeddings_folder.exists()


THREE_KINDS = (
    '<View><Text name="text" value="$text"/>'
    '<Choices name="mood" toName="text"><Choice value="good"/><Choice value="bad"/></Choices>'
    '<Rating name="stars" toName="text"/><Taxonomy name="shelf" toName="text" leafsOnly="true">'
    '<Choice value="buy"><Choice value="at once"/><Choice value="later"/></Choice><Choice value="leave"/></Taxonomy>'
    "</View>"
)


SAID = {True: ("good", 5, [["buy", "at once"]]), False: ("bad", 1, [["leave"]])}


def answer_three(studio: WholeLabelStudio, task_ids) -> FakeTurn:
    """Answer choices, stars and a taxonomy as praise or blame; returns a turn that has heard of it."""
    for task_id in task_ids:
        mood, number, shelf = SAID[is_praise(FILMS[task_id - 1])]
        rated = ResultItem("stars", "rating", {"rating": number})
        shelved = ResultItem("shelf", "taxonomy", {"taxonomy": shelf})
        studio.answer(task_id, (*chosen(mood, control="mood"), rated, shelved))
    return FakeTurn(changes=len(task_ids))


def test_choices_stars_and_a_taxonomy_are_learned_preselected_and_kept_apart(run, settings, folder):
    studio = WholeLabelStudio(FILMS, label_config=THREE_KINDS)
    run(studio, answer_three(studio, range(1, 17)))
    service = Service(settings, FakeRounds(), WebClassifier())
    (new,) = predict(service, 1, THREE_KINDS, [Task(99, {"text": "a lovely lovely film"})])
    given = {item["from_name"]: (item["type"], item["value"][item["type"]]) for item in new["result"]}
    mood, number, shelf = SAID[True]
    assert given == {"mood": ("choices", [mood]), "stars": ("rating", number), "shelf": ("taxonomy", shelf)}
    assert all(0 < item["score"] <= 1 for item in new["result"])
    status = project_status(service, 1)
    asked = status["questions"]
    assert [(one["name"], one["labels"], one["model"], one["trained_on"]) for one in asked] == [
        (name, 16, 1, 16) for name in ("mood", "stars", "shelf")
    ]
    assert status["out_of_fold"] == asked[0]["out_of_fold"]
    text = metrics_text(service).decode()
    assert 'shortlist_question_labels{project="1",question="shelf"} 16.0' in text
    assert 'shortlist_question_out_of_fold_accuracy{project="1",question="stars"}' in text
    assert [one["out_of_fold"]["mae"] is None for one in asked] == [True, False, True]
    errors = re.findall(r'shortlist_mae{project="1",question="(\w+)"} ([\d.]+)', text)
    assert [(name, float(error)) for name, error in errors] == [("stars", asked[1]["out_of_fold"]["mae"])]
    with folder.publications.open() as order:
        assert {len(json.loads(place.result)) for place in order.places(0)} == {3}


def test_a_taxonomy_turns_to_several_paths_once_people_give_several(run, settings, folder):
    config = THREE_KINDS.replace('<Rating name="stars" toName="text"/>', "")
    studio = WholeLabelStudio(FILMS, label_config=config)
    for task_id in range(1, 17):
        paths = [["buy", "at once"], ["buy", "later"]] if is_praise(FILMS[task_id - 1]) else [["leave"]]
        studio.answer(task_id, (ResultItem("shelf", "taxonomy", {"taxonomy": paths}),))
    run(studio, FakeTurn(changes=16))
    assert folder.of_question(1).registry.current().label_set.is_multilabel
    service = Service(settings, FakeRounds(), WebClassifier())
    (new,) = predict(service, 1, config, [Task(99, {"text": "a lovely lovely film"})])
    assert [item["value"] for item in new["result"]] == [{"taxonomy": [["buy", "at once"], ["buy", "later"]]}]


def test_ask_for_puts_the_texts_of_its_question_first(settings):
    """One question is answered and goes by its classifier; the other has none, and goes at random."""
    firsts = {}
    for wanted in (["stars"], ["pace"], ["gone"]):
        own = settings.model_copy(update={"model_dir": settings.model_dir / wanted[0]})
        studio = WholeLabelStudio(FILMS, label_config=count_config("stars", "pace"))
        studio.extra_params = {**OWN, "ask_for": wanted}
        Round(a_context(own, studio, rate(studio, range(1, 17), "pace"), Classifiers(1))).run()
        with ProjectFolder(own.model_dir, 1).publications.open() as order:
            firsts[wanted[0]] = [place.reason.split()[0] for place in order.places(0)][:6]
    assert set(firsts["stars"]) == {"random"}
    assert set(firsts["pace"]) == {"margin"}
    assert firsts["gone"] == ["random", "margin"] * 3


FREE_TEXT = '<View><Text name="text" value="$text"/><TextArea name="translation" toName="text"/></View>'


def test_texts_to_write_about_are_put_in_an_order_that_covers_them_and_nothing_is_learned(run, settings, folder):
    studio = WholeLabelStudio(FILMS, label_config=FREE_TEXT)
    studio.extra_params = {**OWN, "cold_start": "maxherding"}
    classifiers = Classifiers(1)

    def round_of(turn: FakeTurn) -> None:
        Round(a_context(settings, studio, turn, classifiers)).run()

    round_of(FakeTurn())
    with folder.publications.open() as order:
        first = order.places(0)
    assert {place.reason.split()[0] for place in first[:5]} == {"maxherding,"}
    assert {place.result for place in first} == {"[]"}
    for place in first[:16]:
        studio.answer(place.task_id, (ResultItem("translation", "textarea", {"text": ["ein Film"]}),))
    asked_to_train = FakeTurn(changes=16)
    asked_to_train.requested = replace(asked_to_train.requested, train=True)
    round_of(asked_to_train)
    assert folder.registry.current() is None
    record = folder.sync_record.read()
    assert (record.failure, record.labels, record.left) == (None, 16, len(FILMS) - 16)
    with folder.publications.open() as order:
        assert {place.task_id for place in order.places(0)} == {*range(1, len(FILMS) + 1)} - {
            place.task_id for place in first[:16]
        }


def test_the_labeling_config_is_kept_to_answer_questions_without_label_studio(run, folder):
    config = count_config("stars")
    assert folder.label_config.read() == ""
    run(WholeLabelStudio(FILMS, label_config=config))
    assert folder.label_config.read() == config
