import json
import re

import pytest

from backend.rounds.llm.access import open_ledger
from backend.settings import Settings
from backend.store.connection import Connection, WebhookSecret
from backend.store.figures import RoundRecord
from backend.store.order.head import HookFailure
from backend.store.project_folder import ProjectFolder
from backend.store.selections import PastePrompt, Selection
from backend.store.sync_record import Failure
from backend.studio.results import rank_score
from backend.studio.webhooks import secret_header
from backend.web.app import create_app
from backend.web.classifying import WebClassifier
from backend.web.routes import AFTER_SETUP_S
from backend.web.service import Service
from backend.work.queue import RoundQueue
from backend.work.redis_access import open_redis
from backend.work.states import TRAINING, RoundState
from model.llm.chat import Reply
from tests.fakes import FakeRounds, a_sync_record, labeling_config, write_publication

EVENT = {"action": "ANNOTATION_CREATED", "project": {"id": 1}, "annotation": {"id": 2}}
SETUP = {"project": "1.1767193600", "schema": labeling_config(), "hostname": "http://labels", "access_token": "geheim"}
PREDICT = {"project": "1.1767193600", "label_config": labeling_config(), "tasks": []}

RATING = '<Rating name="urgency" toName="text"/>'
EMPTY_LABELS = '<Choices name="topic" toName="text"><Choice value=""/><Choice/></Choices>'


def asking(*controls: str) -> str:
    """A labeling config with these controls over a text."""
    return f'<View><Text name="text" value="$text"/>{"".join(controls)}</View>'


SECRET = "0123"
SIGNED = secret_header(1, SECRET)

NO_REQUESTS = [b"", b"{", b"[1, 2", b"\xff\xfe", b"NaN", b"null", b"5", b'"text"', b"[]", b"{}"]
NO_REQUESTS += [b"[" * 100_000, b'{"project": ' * 100_000, b"9" * 5000, b'{"project": 1, "action": ["x"]']


@pytest.fixture
def connected(service):
    """A connected project, whose webhook has a secret."""
    folder = service.folder(1)
    folder.connection.write(Connection("http://localhost:9090", {}, 5))
    folder.webhook_secret.write(WebhookSecret(SECRET))
    return folder


@pytest.fixture
def published(connected):
    """A project that published tasks 10 to 14, two of them in the queue, the last at random."""
    write_publication(connected, 5, queued=2)
    return connected


@pytest.fixture
def locked(tmp_path, connected):
    settings = Settings(model_dir=tmp_path, basic_auth_user="ann", basic_auth_pass="geheim")
    return create_app(Service(settings, FakeRounds(), WebClassifier()))


def refused(answer, status: int, code: str | None = None) -> str:
    """Checks the shape of a refusal and returns its message."""
    assert answer.status_code == status, answer.text
    error = answer.get_json()["error"]
    assert set(error) == {"code", "message", "request_id"}
    assert error["request_id"] == answer.headers["X-Request-ID"]
    assert code is None or error["code"] == code
    assert "Traceback" not in answer.text
    return error["message"]


def task(id_: int, text: str | None = None) -> dict:
    return {"id": id_, "data": {"text": f"text {id_}" if text is None else text}}


def predict(browser, *tasks) -> dict:
    answer = browser.post("/predict", json={**PREDICT, "tasks": list(tasks)})
    assert answer.status_code == 200, answer.text
    return answer.get_json()


@pytest.mark.parametrize("path", ["/health", "/"])
def test_health_says_that_we_are_up_and_who_we_are(browser, path):
    assert browser.get(path).get_json() == {"status": "UP", "model_class": "ShortlistModel"}


def test_health_is_open_and_everything_else_wants_credentials(locked):
    door = locked.test_client()
    assert door.get("/health").status_code == 200
    for rule in locked.url_map.iter_rules():
        path = str(rule).replace("<int:project_id>", "1").replace("<path:filename>", "x.css")
        for method in rule.methods - {"OPTIONS", "HEAD"}:
            if path not in ("/health", "/"):
                answer = door.open(path, method=method, json={})
                assert "Basic auth" in refused(answer, 401, "unauthorized")
                assert answer.headers["WWW-Authenticate"].startswith("Basic")


def test_with_the_right_credentials_the_door_opens(locked):
    door = locked.test_client()
    assert door.post("/webhook", json=EVENT, auth=("ann", "geheim")).status_code == 201
    assert door.post("/webhook", json=EVENT, auth=("ann", "falsch")).status_code == 401


def test_label_studios_webhook_comes_in_with_the_secret_we_give_it(locked):
    assert locked.test_client().post("/webhook", json=EVENT, headers=SIGNED).status_code == 201


def test_setup_notes_that_a_project_asks_and_asks_for_a_round(browser, service):
    answer = browser.post("/setup", json={**SETUP, "extra_params": '{"QUERY_SIZE": 5}'})
    assert (answer.status_code, answer.get_json()) == (200, {"model_version": "", "status": "queued"})
    assert service.folder(1).is_known()
    assert service.rounds.requests == [{"project": 1, "changes": 0, "train": False}]


def test_setup_has_the_project_looked_at_again_once_label_studio_has_finished_connecting(browser, service):
    browser.post("/setup", json=SETUP)
    assert service.rounds.later == [(1, AFTER_SETUP_S)]


def test_setup_keeps_no_token(browser, service):
    browser.post("/setup", json=SETUP)
    assert "geheim" not in "".join(path.read_text() for path in service.folder(1).path.rglob("*.json"))


def test_setup_says_which_order_is_published(browser, published):
    assert browser.post("/setup", json=SETUP).get_json()["model_version"] == "3.7"


@pytest.mark.parametrize(
    ("different", "status", "told"),
    [
        ({"project": None}, 400, "project"),
        ({"schema": None}, 400, "schema"),
        ({"schema": "<View/>"}, 422, "no Choices"),
        ({"schema": "<View><Te"}, 422, "cannot be read"),
        ({"schema": asking(RATING, RATING)}, 422, "2 tags have the name 'urgency'"),
        ({"schema": asking(RATING.replace('toName="text"', ""))}, 422, "Rating 'urgency' has no toName"),
        ({"schema": asking(RATING.replace("/>", ' maxRating="0"/>'))}, 422, "Rating 'urgency' has maxRating='0'"),
        ({"schema": asking(RATING, EMPTY_LABELS)}, 422, "Choices 'topic' has 0 labels"),
        ({"schema": asking(RATING, EMPTY_LABELS.replace("Choices", "Taxonomy"))}, 422, "Taxonomy 'topic' has 0 paths"),
        ({"extra_params": "{"}, 422, "not JSON"),
        ({"extra_params": [5]}, 422, "JSON object"),
        ({"extra_params": {"query_sise": 5}}, 422, "query_sise"),
        ({"extra_params": {"query_size": 0}}, 422, "query_size"),
        ({"extra_params": {"strategy": "bold"}}, 422, "bold"),
        (
            {"extra_params": {"strategy": "tests.ordering_hooks:broken"}},
            422,
            "ORDERING_HOOKS in the environment",
        ),
        ({"extra_params": {"label_descriptions": {"pos": 5}}}, 422, "label_descriptions.pos"),
        ({"extra_params": {"label_descriptions": {"Pos": "praise"}}}, 422, "'Pos'"),
        ({"extra_params": {"label_descriptions": {"Pos": "praise"}}}, 422, "'neg', 'pos'"),
        ({"extra_params": {"ask_for": ["topic"]}}, 422, "ask_for names 'topic'"),
        ({"extra_params": {"ask_for": "topic"}}, 422, "ask_for"),
        ({"extra_params": {"ask_for": [5]}}, 422, "ask_for"),
    ],
)
def test_a_setup_that_cannot_work_is_refused_and_changes_nothing(browser, service, different, status, told):
    assert told in refused(browser.post("/setup", json={**SETUP, **different}), status)
    assert service.rounds.requests == []
    assert not service.folder(1).exists()


@pytest.mark.usefixtures("connected")
def test_a_label_event_asks_for_a_round(browser, service):
    answer = browser.post("/webhook", json=EVENT, headers=SIGNED)
    assert (answer.status_code, answer.get_json()) == (201, {"status": "queued", "job_id": "round-1"})
    assert service.rounds.requests == [{"project": 1, "changes": 1, "train": False}]


@pytest.mark.usefixtures("connected")
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/webhook", {"action": "START_TRAINING", "project": {"id": 1}}),
        ("/train", {"project": "1.1767193600"}),
        ("/train", {"project": {"id": 1}, "annotations": []}),
    ],
)
def test_start_training_trains_however_label_studio_asks(browser, service, path, body):
    assert browser.post(path, json=body).status_code == 201
    assert service.rounds.requests == [{"project": 1, "changes": 0, "train": True}]


@pytest.mark.usefixtures("connected")
def test_an_event_that_changes_nothing_for_us_is_acknowledged_and_ignored(browser, service):
    answer = browser.post("/webhook", json={"action": "LABEL_LINK_CREATED", "project": {"id": 1}})
    assert (answer.status_code, answer.get_json()["status"]) == (200, "ignored")
    assert service.rounds.requests == []


def test_before_training_predictions_are_empty_but_one_a_task(browser):
    answer = predict(browser, task(1), task(2))
    assert answer == {"results": [{"model_version": "", "score": 1.0, "result": []}] * 2, "model_version": ""}


def test_no_tasks_have_no_predictions(browser):
    assert predict(browser)["results"] == []


@pytest.mark.usefixtures("published")
def test_predictions_carry_the_rank_and_the_answer_that_were_published(browser):
    answer = predict(browser, task(13), task(10), task(11))
    assert [result["score"] for result in answer["results"]] == [rank_score(place, 5) for place in (3, 0, 1)]
    for result in answer["results"]:
        assert result["result"][0]["value"] == {"choices": ["pos"]}
        assert result["result"][0]["score"] == 0.75
        assert result["model_version"] == answer["model_version"] == "3.7"


@pytest.mark.usefixtures("published")
def test_a_task_drawn_at_random_is_not_pre_annotated(browser):
    assert predict(browser, task(14))["results"] == [{"model_version": "3.7", "score": 1.0, "result": []}]


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_a_task_without_text_has_an_empty_prediction_and_does_not_trouble_the_others(browser, text):
    nothing, something = predict(browser, task(12, text), task(10))["results"]
    assert nothing == {"model_version": "3.7", "score": 1.0, "result": []}
    assert something["result"]


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize(
    "odd",
    [
        {"data": {}},
        {"id": "10", "data": {"text": "text 10"}},
        {"id": 10, "data": {"text": []}},
        {"id": 2**63, "data": {"text": "text 10"}},
    ],
    ids=repr,
)
def test_odd_tasks_have_empty_predictions(browser, odd):
    assert predict(browser, odd)["results"][0]["result"] == []


@pytest.mark.parametrize(
    ("different", "status"),
    [
        ({"project": None}, 400),
        ({"project": "../1"}, 400),
        ({"tasks": None}, 400),
        ({"tasks": {"id": 1}}, 400),
        ({"tasks": [5]}, 400),
        ({"tasks": [{"id": 1}]}, 400),
        ({"label_config": None}, 400),
        ({"label_config": ""}, 422),
        ({"label_config": "<View/>"}, 422),
        ({"label_config": "<View><Te"}, 422),
    ],
    ids=repr,
)
def test_a_predict_request_that_cannot_be_answered_is_refused(browser, different, status):
    refused(browser.post("/predict", json={**PREDICT, **different}), status)


@pytest.mark.parametrize("path", ["/setup", "/predict", "/webhook", "/train"])
@pytest.mark.parametrize("body", NO_REQUESTS, ids=lambda body: repr(body[:20]))
def test_a_body_that_is_no_request_is_refused(browser, path, body):
    refused(browser.post(path, data=body, content_type="application/json"), 400)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/projects/1/status", 404),
        ("GET", "/projects/-1/status", 404),
        ("GET", "/projects/abc/status", 404),
        ("GET", f"/projects/{'9' * 300}/status", 404),
        ("GET", f"/projects/{'9' * 5000}/status", 404),
        ("GET", "/webhook", 405),
        ("DELETE", "/setup", 405),
        ("GET", "/versions?project=abc", 400),
    ],
)
def test_a_page_that_is_not_there_is_refused_in_json(browser, method, path, status):
    refused(browser.open(path, method=method), status)


def test_another_method_is_refused_with_those_that_are_allowed(browser):
    assert set(browser.delete("/setup").allow) == {"OPTIONS", "POST"}


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize(
    ("method", "given"), [("GET", {"query_string": {"project": "1"}}), ("POST", {"json": {"project": "1.5"}})]
)
def test_versions_names_the_published_one(browser, method, given):
    assert browser.open("/versions", method=method, **given).get_json() == {"versions": ["3.7"], "models": []}


@pytest.mark.parametrize("body", ["", "{}", "[]", "{"])
def test_versions_of_no_project_are_none(browser, body):
    assert browser.post("/versions", data=body, content_type="application/json").get_json() == {"versions": []}


@pytest.mark.usefixtures("published")
def test_a_projects_status_says_where_it_stands(browser, service, published):
    service.rounds.current = RoundState(TRAINING, {"done": 20, "total": 60}, "", "")
    published.sync_record.write(a_sync_record())
    published.rounds.append(RoundRecord(1.0, 12, 3, "3.7", "hybrid", 30, 2.0))
    told = browser.get("/projects/1/status").get_json()
    assert (told["project"], told["state"], told["progress"]) == (1, "training", {"done": 20, "total": 60})
    assert (told["model_version"], told["labels"], told["unlabelled"], told["rounds"]) == ("3.7", 12, 30, 1)
    assert (told["last_error"], told["last_error_code"]) == ("", "")


def test_a_failed_training_stays_in_the_status_though_the_round_went_well(browser, published):
    published.sync_record.write(a_sync_record(failure=Failure("training_diverged", "the loss became nan")))
    told = browser.get("/projects/1/status").get_json()
    assert (told["state"], told["last_error_code"]) == ("failed", "training_diverged")


@pytest.mark.usefixtures("published")
def test_metrics_are_told_a_project(browser, published):
    published.sync_record.write(a_sync_record())
    lines = browser.get("/metrics").text.splitlines()
    assert 'shortlist_labels{project="1"} 12.0' in lines
    assert 'shortlist_unlabelled{project="1"} 30.0' in lines
    assert 'shortlist_state{project="1",state="idle"} 1.0' in lines
    assert 'shortlist_state{project="1",state="training"} 0.0' in lines


def test_every_answer_carries_a_request_id_of_its_own(browser):
    ids = {browser.get("/health").headers["X-Request-ID"] for _ in range(3)}
    assert len(ids) == 3


def test_the_reason_phrase_says_what_is_wrong_since_people_see_nothing_else(browser):
    answer = browser.post("/setup", json={**SETUP, "schema": '<View><Text name="é" value="$x"/></View>'})
    assert answer.status.startswith("422 the labeling config has no Choices, Rating, Taxonomy or TextArea over a text")
    assert answer.status.isascii()
    assert "\n" not in answer.status


def test_a_redis_that_does_not_answer_makes_a_503(tmp_path):
    settings = Settings(model_dir=tmp_path, redis_url=f"unix://{tmp_path}/nobody.sock")
    ProjectFolder(tmp_path, 1).connection.write(Connection())
    browser = create_app(Service(settings, RoundQueue(open_redis(settings)), WebClassifier())).test_client()
    assert browser.get("/health").status_code == 200
    refused(browser.post("/webhook", json=EVENT), 503, "redis_unavailable")
    refused(browser.post("/setup", json=SETUP), 503, "redis_unavailable")


class Broken(FakeRounds):
    def request(self, project_id, *, changes=0, train=False):
        raise RuntimeError("geheim")


def test_what_nobody_thought_of_is_a_500_that_gives_nothing_away(tmp_path):
    ProjectFolder(tmp_path, 1).connection.write(Connection())
    browser = create_app(Service(Settings(model_dir=tmp_path), Broken(), WebClassifier())).test_client()
    assert "geheim" not in refused(browser.post("/webhook", json=EVENT), 500, "internal")


@pytest.fixture
def asking(connected):
    """A project with a prompt for chat windows: tasks 10 to 19 under the numbers 0 to 9, three of them asked for."""
    connected.paste_prompt.write(PastePrompt('0: "A & B"', tuple(range(10, 20)), 3, ("neg", "pos"), 7.5))
    return connected


def paste(browser, **form):
    """Send the form of the page for chat windows, as a browser does that was shown it."""
    page = browser.get("/projects/1/prompt")
    (token,) = re.findall(r'name="form_token" value="(\w+)"', page.text)
    return browser.post("/projects/1/prompt", data={"form_token": token, **form})


def test_the_prompt_page_shows_the_question_as_text(browser, asking):
    page = browser.get("/projects/1/prompt")
    assert page.status_code == 200
    assert "0: &#34;A &amp; B&#34;" in page.text


def test_a_pasted_answer_is_kept_by_task_in_turns_of_the_labels_and_a_round_is_asked_for(browser, asking, service):
    picks = [{"number": n, "label": label} for n, label in ((4, "Pos."), (7, "pos"), (2, "neg"))]
    answer = f'I thought about it. {{"picks": {json.dumps(picks)}}}'
    page = paste(browser, answer=answer, made_at="7.5")
    assert page.status_code == 200
    assert [pick.task_id for pick in asking.selection.read().picks] == [14, 12, 17]
    assert [pick.guess for pick in asking.selection.read().picks] == ["pos", "neg", "pos"]
    assert asking.selection.read().is_pasted
    assert service.rounds.requests == [{"project": 1, "changes": 0, "train": False}]


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({"answer": ""}, "read 0"),
        ({"answer": "<script>alert(1)</script>"}, "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ({"answer": "50, 60, 70"}, "0 to 9"),
        ({"answer": "1, 5, 7", "made_at": "6.5"}, "have changed"),
        ({"answer": "1, 5, 7", "made_at": "soon"}, "load the page again"),
    ],
)
def test_an_answer_that_cannot_be_used_is_shown_again_with_the_reason(browser, asking, service, form, told):
    page = paste(browser, **form)
    assert page.status_code == 422
    assert told in page.text
    assert asking.selection.read() is None
    assert service.rounds.requests == []


def test_an_answer_to_an_earlier_question_is_not_offered_for_sending_again(browser, asking):
    page = paste(browser, answer="1, 5, 7", made_at="6.5")
    assert "1, 5, 7" not in page.text


def test_a_project_without_a_prompt_says_when_there_is_one(browser, published):
    assert "while there is no model" in refused(browser.get("/projects/1/prompt"), 400)
    refused(browser.get("/projects/2/prompt"), 404)


def test_status_and_metrics_name_a_hook_that_failed(browser, published, service):
    assert browser.get("/projects/1/status").get_json()["ordering_hook"] is None
    assert 'shortlist_hook_fallback{project="1"} 0.0' in browser.get("/metrics").text
    failure = HookFailure("mine:order", "mine:order raised KeyError", "hook_failed")
    write_publication(published, 5, queued=2, strategy="hybrid", hook_failure=failure)
    told = browser.get("/projects/1/status").get_json()["ordering_hook"]
    assert (told["hook"], told["fallback"], told["problem_code"]) == ("mine:order", "hybrid", "hook_failed")
    assert "KeyError" in told["problem"]
    assert 'shortlist_hook_fallback{project="1"} 1.0' in browser.get("/metrics").text


def test_status_and_metrics_speak_of_the_llm_only_where_there_is_one(browser, published, service, tmp_path):
    assert browser.get("/projects/1/status").get_json()["llm"] is None
    prices = {"llm_price_input": 2.0, "llm_price_output": 4.0}
    settings = Settings(model_dir=tmp_path, llm_provider="mistral", **prices)
    open_ledger(settings, published).add(Reply("", prompt_tokens=1000, completion_tokens=500))
    published.selection.write(Selection("activellm", "mistral x", 1.0, failure="spent", failure_code="llm_budget"))
    asking_one = create_app(Service(settings, service.rounds, service.classifier)).test_client()
    llm = asking_one.get("/projects/1/status").get_json()["llm"]
    assert (llm["problem_code"], llm["fallback"], llm["asked"], llm["cost"]) == ("llm_budget", "typiclust", 1, 0.004)
    assert "MISTRAL_API_KEY" in llm["problem"]
    metrics = asking_one.get("/metrics").text
    assert 'shortlist_llm_prompt_tokens{project="1"} 1000.0' in metrics
    assert 'shortlist_llm_fallback{project="1"} 1.0' in metrics


def test_a_failure_to_choose_is_no_fallback_any_more_once_the_classifier_leads(published, service, tmp_path):
    published.selection.write(Selection("activellm", "mistral x", 1.0, failure="down", failure_code="llm_unavailable"))
    settings = Settings(model_dir=tmp_path, llm_provider="openai", llm_base_url="http://127.0.0.1:1")
    asking_one = create_app(Service(settings, service.rounds, service.classifier)).test_client()
    assert asking_one.get("/projects/1/status").get_json()["llm"]["fallback"] == "typiclust"
    published.sync_record.write(a_sync_record(has_llm_a_say=False))
    llm = asking_one.get("/projects/1/status").get_json()["llm"]
    assert (llm["fallback"], llm["problem"]) == ("", "")


def test_a_failure_to_label_is_a_problem_in_status(published, service, tmp_path):
    published.llm_failure.write(Selection("route", "x", 1.0, failure="refused", failure_code="llm_key"))
    published.sync_record.write(a_sync_record(has_llm_a_say=False))
    settings = Settings(model_dir=tmp_path, llm_provider="openai", llm_base_url="http://127.0.0.1:1")
    asking_one = create_app(Service(settings, service.rounds, service.classifier)).test_client()
    assert asking_one.get("/projects/1/status").get_json()["llm"]["problem_code"] == "llm_key"


def test_a_damaged_account_is_a_problem_in_status_and_no_error(browser, published, tmp_path, service):
    settings = Settings(model_dir=tmp_path, llm_provider="mistral", mistral_api_key="geheim", llm_max_tokens_total=1000)
    published.llm_folder.mkdir(parents=True)
    (published.llm_folder / "ledger.json").write_text("{", encoding="utf-8")
    page = create_app(Service(settings, service.rounds, service.classifier)).test_client().get("/projects/1/status")
    assert "delete it" in page.get_json()["llm"]["problem"]
    assert "geheim" not in page.text
