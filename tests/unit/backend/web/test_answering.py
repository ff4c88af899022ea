import threading

import pytest

from backend.errors import BusyError
from backend.settings import Settings
from backend.store.connection import Connection
from backend.web.answering import MOST_TEXTS
from backend.web.app import create_app
from backend.web.classifying import WebClassifier
from backend.web.service import Service
from model.encoder.inference import score_texts
from model.export.answers import AnswerForm, plain_answers
from model.types import LabelSet
from tests.exports import TEXTS, a_classifier, assert_same, write_version
from tests.fakes import SENTIMENT, labeling_config

URL = "/projects/1/classify"
TWO_QUESTIONS = """<View><HyperText name="t" value="$html"/>
  <Rating name="stars" toName="t" maxRating="4"/>
  <Choices name="about" toName="t" choice="multiple"><Choice value="plot"/><Choice value="cast"/></Choices></View>"""
STARS, ABOUT = LabelSet(("1", "2", "3", "4")), LabelSet(("plot", "cast"), is_multilabel=True)


@pytest.fixture
def folder(service):
    """A connected project that asks for the sentiment, without a model."""
    found = service.folder(1)
    found.connection.write(Connection("http://localhost:9090"))
    found.label_config.write(labeling_config())
    return found


@pytest.fixture
def classifier(folder, encoder):
    """The classifier of the version in use."""
    made = a_classifier(encoder)
    write_version(folder.registry, made, "sentiment")
    return made


def ask(browser, texts, status=200) -> dict:
    answer = browser.post(URL, json={"texts": texts})
    assert answer.status_code == status, answer.text
    return answer.get_json()


def refused(browser, body, status=400) -> str:
    answer = browser.post(URL, json=body)
    assert answer.status_code == status, answer.text
    return answer.get_json()["error"]["message"]


def test_each_text_gets_the_answer_of_the_model_in_use(browser, classifier):
    said = ask(browser, list(TEXTS))
    read = [text.strip() for text in TEXTS]
    wanted = plain_answers(read, score_texts(classifier, read).proba_N_C, SENTIMENT.labels, AnswerForm.LIKELIEST)
    assert_same(said["results"], list(wanted), within=1e-5)
    assert said["results"][2] == {"label": None, "probability": None}
    assert said["models"] == {"sentiment": 1}


def test_no_text_is_no_answer(browser, classifier):
    assert ask(browser, []) == {"results": [], "models": {"sentiment": 1}}


def test_a_version_that_was_rolled_back_to_answers(browser, classifier, folder, encoder):
    write_version(folder.registry, a_classifier(encoder, seed=5), "sentiment")
    newer = ask(browser, ["good film"])
    folder.registry.point(1)
    older = ask(browser, ["good film"])
    assert (newer["models"], older["models"]) == ({"sentiment": 2}, {"sentiment": 1})
    assert newer["results"] != older["results"]


def test_several_questions_are_each_answered_in_their_own_form(browser, folder, encoder):
    folder.label_config.write(TWO_QUESTIONS)
    write_version(folder.registry, a_classifier(encoder, STARS), "stars")
    write_version(folder.of_question(1).registry, a_classifier(encoder, ABOUT), "about")
    (answer,) = ask(browser, ["<p>good <b>film</b></p>"])["results"]
    assert answer["answers"].keys() == {"stars", "about"}
    assert {key: answer[key] for key in ("label", "probability")} == answer["answers"]["stars"]
    assert answer["answers"]["about"].keys() == {"labels", "probabilities"}
    classifier = folder.registry.current().load()
    (median,) = plain_answers(["x"], score_texts(classifier, ["good film"]).proba_N_C, STARS.labels, AnswerForm.MEDIAN)
    assert_same([answer["answers"]["stars"]], [median], within=1e-5)


def test_a_question_without_a_model_has_no_label_beside_one_that_has(browser, folder, encoder):
    folder.label_config.write(TWO_QUESTIONS)
    write_version(folder.of_question(1).registry, a_classifier(encoder, ABOUT), "about")
    said = ask(browser, ["good film"])
    assert said["models"] == {"stars": 0, "about": 1}
    assert said["results"][0]["answers"]["stars"] == {"label": None, "probability": None}
    assert said["results"][0]["label"] is None


def test_a_version_of_a_question_that_is_asked_no_more_does_not_answer(browser, classifier, folder):
    folder.label_config.write(labeling_config().replace('name="sentiment"', 'name="mood"'))
    assert "no model version yet" in refused(browser, {"texts": ["a"]}, 409)


def test_a_folder_of_an_earlier_release_answers_without_a_labeling_config(browser, classifier, folder):
    folder.label_config.remove()
    assert ask(browser, ["good film"])["models"] == {"sentiment": 1}


def test_a_project_without_a_model_says_when_there_will_be_one(browser, folder):
    assert "RETRAIN_EVERY" in refused(browser, {"texts": ["a"]}, 409)


def test_a_project_that_is_not_connected_is_not_found(browser):
    assert "connect it in Label Studio" in refused(browser, {"texts": ["a"]}, 404)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, '{"texts":'),
        ([], '{"texts":'),
        ({"texts": "a text"}, '{"texts":'),
        ({"texts": None}, '{"texts":'),
        ({"texts": ["a", 5]}, "entry 1"),
        ({"texts": [None]}, "entry 0"),
        ({"texts": ["a"] * (MOST_TEXTS + 1)}, "1,001 texts: send 1,000 at once"),
    ],
)
def test_a_request_of_another_form_is_told_which(browser, classifier, body, said):
    assert said in refused(browser, body)


def test_a_body_above_the_limit_is_refused_and_a_text_of_a_megabyte_is_not(browser, classifier):
    assert ask(browser, ["good film " * 100_000])["results"][0]["label"] in SENTIMENT.labels
    assert "fewer" in refused(browser, {"texts": ["x" * 3 * 1024 * 1024]}, 413)


def test_half_a_surrogate_pair_is_read_like_any_text(browser, classifier):
    answer = browser.post(URL, data=b'{"texts": ["good \\ud83d film"]}', content_type="application/json")
    assert answer.get_json()["results"][0]["label"] in SENTIMENT.labels


def test_classifying_wants_the_password(service, classifier):
    locked = Settings(model_dir=service.settings.model_dir, basic_auth_user="ann", basic_auth_pass="geheim")
    door = create_app(Service(locked, service.rounds, service.classifier)).test_client()
    assert door.post(URL, json={"texts": ["a"]}).status_code == 401
    assert door.post(URL, json={"texts": ["a"]}, auth=("ann", "geheim")).status_code == 200


def test_a_damaged_version_is_set_aside_and_the_one_before_answers(browser, classifier, folder, encoder):
    write_version(folder.registry, a_classifier(encoder, seed=5), "sentiment")
    weights = folder.registry.find(2).folder / "head.safetensors"
    weights.write_bytes(bytes(weights.stat().st_size))
    assert ask(browser, ["good film"])["models"] == {"sentiment": 1}


def test_a_model_that_is_still_being_loaded_is_no_missing_model(browser, classifier, monkeypatch):
    monkeypatch.setattr("backend.web.classifying.LOAD_TIMEOUT_S", 0.0)
    assert "still being loaded" in refused(browser, {"texts": ["a"]}, 503)


def test_many_requests_at_once_leave_threads_to_others():
    classifier, entered, leave = WebClassifier(), threading.Event(), threading.Event()

    def hold() -> None:
        with classifier.turn(1):
            entered.set()
            leave.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    assert entered.wait(10)
    with pytest.raises(BusyError, match="again"), classifier.turn(0):
        pass
    with classifier.turn(2):
        pass
    leave.set()
    holder.join()
    with classifier.turn(1):
        pass


def test_texts_are_scored_in_full_precision_where_a_round_would_take_less(browser, classifier, monkeypatch):
    def mixed(*_):
        raise AssertionError("probabilities would differ from an exported model's by up to 0.02")

    monkeypatch.setattr("backend.web.classifying.embed_pool", mixed)
    assert ask(browser, ["good film"])["results"][0]["label"] in SENTIMENT.labels
