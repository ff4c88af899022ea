"""Requests of foreign pages, by foreign names, of other types, too many, and without what a form needs."""

import re

import pytest

from backend.settings import Settings
from backend.store.connection import Connection, WebhookSecret
from backend.store.selections import PastePrompt
from backend.studio.webhooks import HEADER, secret_header
from backend.web import events
from backend.web.app import create_app
from backend.web.classifying import WebClassifier
from backend.web.entrance.door import BURST_S, WRONG_PASSWORDS_AT_ONCE
from backend.web.service import Service
from tests.fakes import FakeRounds, labeling_config

EVENT = {"action": "ANNOTATION_CREATED", "project": {"id": 1}, "annotation": [{"id": 2, "task": 10}] * 3}
BODIES = {
    "/setup": {"project": "1.1767193600", "schema": labeling_config()},
    "/predict": {"project": "1", "label_config": labeling_config(), "tasks": []},
    "/webhook": EVENT,
    "/train": {"project": 1},
    "/versions": {"project": 1},
}
FORM = "/projects/1/prompt"
LOCK = {"basic_auth_user": "ann", "basic_auth_pass": "geheim"}
posts = pytest.mark.parametrize("path", BODIES)
pages = pytest.mark.parametrize("path", [FORM, "/projects/1/status", "/metrics", "/versions?project=1"])


@pytest.fixture
def open_door(tmp_path):
    """Make a service, and a browser that asks it."""

    def open_door(**settings):
        service = Service(Settings(model_dir=tmp_path, **settings), FakeRounds(), WebClassifier())
        folder = service.folder(1)
        folder.connection.write(Connection("http://localhost:9090", {}, 5))
        folder.webhook_secret.write(WebhookSecret("0123"))
        folder.paste_prompt.write(PastePrompt("a secret text", (10, 11), 1, ("neg", "pos"), 7.5))
        return service, create_app(service).test_client()

    return open_door


@pytest.fixture
def service_and_browser(open_door):
    return open_door()


@pytest.fixture
def service(service_and_browser):
    return service_and_browser[0]


@pytest.fixture
def browser(service_and_browser):
    return service_and_browser[1]


def code(answer) -> tuple[int, str]:
    return answer.status_code, answer.get_json()["error"]["code"]


# Host


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:9090", "localhost.evil.example", "127.0.0.1.evil.example", "evil", "0x7f.1"),
        *("", "[", "[::1", "a b", "localhost@evil.example", "évil"),
    ],
)
@pages
def test_a_foreign_name_is_shown_nothing(browser, path, host):
    answer = browser.get(path, headers={"Host": host})
    assert answer.status_code in (400, 403)
    assert "secret text" not in answer.text


@posts
def test_a_foreign_name_moves_nothing(browser, service, path):
    answer = browser.post(path, json=BODIES[path], headers={"Host": "evil.example"})
    assert code(answer) == (403, "foreign_request")
    assert "ALLOWED_HOSTS" in answer.get_json()["error"]["message"]
    assert service.rounds.requests == []


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:9090", "127.0.0.1:9090", "[::1]:9090", "10.0.0.7", "host.docker.internal:9090"]
)
def test_addresses_and_the_names_of_this_machine_are_ours(browser, host):
    assert browser.get(FORM, headers={"Host": host}).status_code == 200


def test_allowed_hosts_are_ours_too_and_a_star_stands_for_all(open_door):
    named, anything = open_door(allowed_hosts="backend, Shortlist.example")[1], open_door(allowed_hosts="*")[1]
    for host in ("backend:9090", "shortlist.example"):
        assert named.get(FORM, headers={"Host": host}).status_code == 200
    assert named.get(FORM, headers={"Host": "evil.example"}).status_code == 403
    assert anything.get(FORM, headers={"Host": "evil.example"}).status_code == 200


# Origin and type


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "http://localhost:8080"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=repr,
)
@posts
def test_what_a_browser_sends_for_a_foreign_page_moves_nothing(browser, service, path, headers):
    assert code(browser.post(path, json=BODIES[path], headers=headers)) == (403, "foreign_request")
    assert service.rounds.requests == []


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "text/plain; a=application/json", "application/x-www-form-urlencoded", "multipart/form-data", None],
)
@posts
def test_a_type_that_any_page_may_send_moves_nothing(browser, service, path, content_type):
    answer = browser.post(path, data=b'{"project": 1, "action": "START_TRAINING"}', content_type=content_type)
    assert code(answer) == (415, "wrong_content_type")
    assert service.rounds.requests == []


@posts
def test_no_foreign_page_is_allowed_to_ask_by_a_preflight(browser, path):
    asked = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    answer = browser.options(path, headers=asked)
    assert not [name for name, _ in answer.headers if name.lower().startswith("access-control")]


# Webhooks


def test_an_event_without_the_secret_asks_for_a_look_and_is_believed_nothing_else(browser, service):
    assert browser.post("/webhook", json=EVENT).status_code == 201
    assert service.rounds.requests == [{"project": 1, "changes": 1, "train": False}]
    assert service.rounds.named == [(set(), False)]


def test_an_event_with_the_secret_is_believed(browser, service):
    assert browser.post("/webhook", json=EVENT, headers=secret_header(1, "0123")).status_code == 201
    assert service.rounds.requests == [{"project": 1, "changes": 3, "train": False}]
    assert service.rounds.named == [({10}, True)]


@pytest.mark.parametrize("secret", ["1.0124", "1.", "", "2.0123", "0123", "1.0123x", "../1.0123"])
def test_an_event_with_a_wrong_secret_is_refused(browser, service, secret):
    assert code(browser.post("/webhook", json=EVENT, headers={HEADER: secret})) == (401, "wrong_secret")
    assert service.rounds.requests == []


def test_the_secret_of_one_project_says_nothing_of_another(browser, service):
    service.folder(2).connection.write(Connection("http://localhost:9090", {}, 6))
    other = {**EVENT, "project": {"id": 2}}
    assert code(browser.post("/webhook", json=other, headers=secret_header(1, "0123"))) == (401, "wrong_secret")
    assert service.rounds.requests == []


def test_the_secret_opens_the_webhook_alone(open_door):
    service, locked = open_door(**LOCK)
    signed = secret_header(1, "0123")
    assert locked.post("/webhook", json=EVENT, headers=signed).status_code == 201
    assert locked.post("/train", json={"project": 1}, headers=signed).status_code == 401
    assert locked.get(FORM, headers=signed).status_code == 401
    assert len(service.rounds.requests) == 1


@pytest.mark.parametrize(("path", "body"), [("/webhook", {**EVENT, "project": 2}), ("/train", {"project": 2})])
def test_a_project_that_is_not_connected_cannot_be_asked_for(browser, service, path, body):
    assert code(browser.post(path, json=body)) == (404, "not_connected")
    assert service.rounds.requests == []
    assert not service.folder(2).exists()


@pytest.mark.parametrize("path", ["/projects/2/prompt", "/projects/2/status"])
def test_a_project_that_was_forgotten_shows_nothing_though_somebody_sends_setup_again(browser, service, path):
    folder = service.folder(2)
    folder.paste_prompt.write(PastePrompt("a secret text", (10, 11), 1, ("neg", "pos"), 7.5))
    assert browser.get(path).status_code == 404
    browser.post("/setup", json={**BODIES["/setup"], "project": 2})
    assert "secret text" not in browser.get(path).text
    assert browser.get("/projects/2/prompt").status_code == 404


def test_while_a_round_looks_for_this_backend_setup_answers_with_the_proof_and_asks_for_nothing(browser, service):
    service.folder(1).proof.write("shortlist-1234")
    answer = browser.post("/setup", json=BODIES["/setup"])
    assert answer.get_json()["model_version"] == "shortlist-1234"
    assert service.rounds.requests == []


def test_a_flood_of_setups_for_unknown_projects_ends(browser, service, monkeypatch):
    monkeypatch.setattr(events, "MOST_UNCONFIRMED", 3)
    statuses = [browser.post("/setup", json={**BODIES["/setup"], "project": 10 + n}).status_code for n in range(5)]
    assert statuses == [200, 200, 200, 429, 429]
    assert browser.post("/setup", json=BODIES["/setup"]).status_code == 200
    assert browser.post("/setup", json={**BODIES["/setup"], "project": 10}).status_code == 200


# Forms


def token_of(page) -> str:
    (token,) = re.findall(r'name="form_token" value="(\w+)"', page.text)
    return token


def test_a_form_with_the_token_of_its_page_is_taken(browser, service):
    form = {"form_token": token_of(browser.get(FORM)), "answer": "1", "made_at": "7.5"}
    assert browser.post(FORM, data=form, headers={"Origin": "http://localhost"}).status_code == 200
    assert len(service.rounds.requests) == 1


@pytest.mark.parametrize("token", [None, "", "1234"])
def test_a_form_without_the_token_of_its_page_is_refused(browser, service, token):
    browser.get(FORM)
    form = {"answer": "1", "made_at": "7.5", **({} if token is None else {"form_token": token})}
    assert code(browser.post(FORM, data=form)) == (403, "foreign_request")
    assert service.rounds.requests == []


def test_a_token_of_another_browser_is_refused(open_door):
    service, victim = open_door()
    strangers_token = token_of(create_app(service).test_client().get(FORM))
    assert code(victim.post(FORM, data={"form_token": strangers_token, "answer": "1"})) == (403, "foreign_request")
    victim.get(FORM)
    assert code(victim.post(FORM, data={"form_token": strangers_token, "answer": "1"})) == (403, "foreign_request")
    assert service.rounds.requests == []


def test_another_sites_form_is_refused_though_it_knows_the_token(browser, service):
    form = {"form_token": token_of(browser.get(FORM)), "answer": "1", "made_at": "7.5"}
    assert code(browser.post(FORM, data=form, headers={"Origin": "http://evil.example"})) == (403, "foreign_request")
    assert service.rounds.requests == []


def test_the_token_is_out_of_reach_for_scripts_and_other_sites(browser):
    cookie = browser.get(FORM).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie


# Headers


@pytest.mark.parametrize("path", ["/health", FORM, "/metrics", "/nowhere"])
def test_every_answer_forbids_frames_foreign_scripts_and_referrers(browser, path):
    headers = browser.get(path).headers
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-store"


def test_only_the_pages_own_script_and_style_run(browser):
    pages = [browser.get(FORM) for _ in range(2)]
    nonces = [re.search(r"script-src 'nonce-([^']+)'", page.headers["Content-Security-Policy"])[1] for page in pages]
    assert nonces[0] != nonces[1]
    for page, nonce in zip(pages, nonces, strict=True):
        assert page.text.count(f'nonce="{nonce}"') == len(re.findall(r"<(?:script|style)\b", page.text)) == 2


# How many


def test_who_asks_too_often_is_told_to_wait_and_health_stays_open(open_door):
    browser = open_door(rate_limit=2)[1]
    statuses = [browser.get("/metrics").status_code for _ in range(int(2 * BURST_S) + 3)]
    assert statuses.count(200) in (10, 11)
    assert code(browser.get("/metrics"))[1] == "too_many_requests"
    assert browser.get("/health").status_code == 200
    elsewhere = {"REMOTE_ADDR": "10.0.0.9"}
    assert browser.get("/metrics", environ_base=elsewhere).status_code == 200


def test_fifty_annotators_who_label_at_once_never_meet_the_limit(browser):
    statuses = {browser.post("/webhook", json=EVENT).status_code for _ in range(50 * 4)}
    assert statuses == {201}


def test_a_client_with_many_ipv6_addresses_is_one_client(open_door):
    browser = open_door(rate_limit=0.2)[1]
    assert browser.get("/metrics", environ_base={"REMOTE_ADDR": "2001:db8::1"}).status_code == 200
    assert browser.get("/metrics", environ_base={"REMOTE_ADDR": "2001:db8::2"}).status_code == 429
    assert browser.get("/metrics", environ_base={"REMOTE_ADDR": "2001:db8:0:1::1"}).status_code == 200


def test_passwords_cannot_be_tried_for_long_and_no_password_uses_up_no_tries(open_door):
    locked = open_door(**LOCK)[1]
    for _ in range(int(WRONG_PASSWORDS_AT_ONCE) + 5):
        assert locked.get("/metrics").status_code == 401
    tries = [locked.get("/metrics", auth=("ann", f"no {n}")).status_code for n in range(40)]
    assert tries[:20] == [401] * 20
    assert 429 in tries[20:]
    assert locked.get("/metrics", auth=("ann", "geheim")).status_code == 429, "a guess that is right tells nothing"
    assert locked.get("/metrics", auth=("ann", "geheim"), environ_base={"REMOTE_ADDR": "10.0.0.9"}).status_code == 200
