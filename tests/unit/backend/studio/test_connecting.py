from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from backend.errors import ConfigurationError, LabelStudioError
from backend.settings import Settings
from backend.store.connection import Connection, WebhookSecret
from backend.store.project_folder import ProjectFolder
from backend.studio.connecting import connect_over, refusal, refusal_text
from backend.studio.webhooks import secret_header
from model.errors import LabelDescriptionError
from tests.fakes import a_project

URL = "http://backend:9090"


@pytest.mark.parametrize(
    ("said", "fix"),
    [
        ({"detail": "URL resolves to a reserved network address"}, "ML_BLOCK_LOCAL_IP=false and SSRF_PROTECTION"),
        ({"detail": "Can't resolve hostname backend"}, "as Label Studio sees it"),
        ({"detail": "health check failed: connection refused"}, "is the backend running"),
        (
            {"detail": "health check failed: 403 Client Error: this backend does not go by the name 'lan': if it does"},
            "add lan to ALLOWED_HOSTS in the backend's environment, and start it again",
        ),
        ({"detail": "Something new"}, '(403): {"detail": "Something new"}'),
    ],
)
def test_a_refusal_to_connect_names_the_address_and_the_fix(said, fix):
    error = str(refusal(httpx.Response(403, json=said), URL))
    assert URL in error
    assert fix in error


def test_a_refusal_is_read_without_its_markup_whether_it_is_json_or_not():
    assert refusal_text(httpx.Response(400, text="<b>not</b> possible")) == "not possible"
    assert refusal_text(httpx.Response(400, json=["<i>not</i> möglich"])) == '["not möglich"]'


@dataclass
class Connected:
    """An ML backend as Label Studio lists it."""

    url: str = URL
    extra_params: Any = None
    id: int = 5


@dataclass
class FakeConnector:
    """A Label Studio with one project, which records the changes that it is asked for."""

    known: list[Connected] = field(default_factory=list)
    status: int = 200
    posted: list[dict] = field(default_factory=list)
    patched: list[tuple[int, dict]] = field(default_factory=list)
    webhook: dict[str, str] = field(default_factory=dict)

    def project(self, project_id):
        return a_project()

    def backends(self, project_id):
        return self.known

    def set_webhook_headers(self, project_id, is_ours, headers):
        self.webhook = dict(headers)
        return is_ours(f"{URL}/webhook")

    def connect_backend(self, project_id, backend):
        self.posted.append(dict(backend))
        return httpx.Response(self.status, json={})

    def update_backend(self, backend_id, changes):
        self.patched.append((backend_id, dict(changes)))
        return httpx.Response(self.status, json={})


SETTINGS = Settings(basic_auth_user="ann", basic_auth_pass="geheim")
CREDENTIALS = {"auth_method": "BASIC_AUTH", "basic_auth_user": "ann", "basic_auth_pass": "geheim"}


def connect(studio: FakeConnector, descriptions=None, settings: Settings = SETTINGS) -> str:
    return connect_over(studio, settings, 1, URL, descriptions)


def test_a_project_is_connected_with_the_credentials_that_the_backend_wants():
    studio = FakeConnector([Connected("http://another:9090")])
    assert connect(studio) == f"Project 1 is connected to {URL}: open it in Label Studio and label."
    assert studio.posted == [{"url": URL, "title": "Shortlist", **CREDENTIALS}]
    assert studio.patched == []


def test_a_project_is_connected_with_its_label_descriptions():
    studio = FakeConnector()
    connect(studio, {"pos": "praise"}, Settings())
    assert studio.posted[0]["extra_params"] == {"label_descriptions": {"pos": "praise"}}
    assert studio.posted[0]["auth_method"] == "NONE"


def test_a_connected_project_stays_unchanged():
    studio = FakeConnector([Connected(f"{URL}/")])
    assert connect(studio) == f"Project 1 is connected to {URL} already."
    assert (studio.posted, studio.patched) == ([], [])


def test_connecting_once_more_rotates_the_secret_of_the_webhook(tmp_path):
    folder = ProjectFolder(tmp_path, 1)
    folder.connection.write(Connection(URL, {}, 5))
    folder.webhook_secret.write(WebhookSecret("old"))
    studio = FakeConnector([Connected()])
    answer = connect(studio, settings=Settings(model_dir=tmp_path))
    assert answer == f"Project 1 is connected to {URL} already. Its webhook has a new secret."
    assert studio.webhook == secret_header(1, folder.webhook_secret.read().current)
    assert folder.webhook_secret.read().current != "old"


@pytest.mark.parametrize("stored", [{"query_size": 5}, '{"QUERY_SIZE": 5, "label_descriptions": {"neg": "blame"}}'])
def test_a_connected_project_gets_new_descriptions_and_keeps_its_other_settings(stored):
    studio = FakeConnector([Connected(extra_params=stored)])
    assert "describes 1 of its 2 labels now" in connect(studio, {"pos": "praise"})
    params = {"query_size": 5, "label_descriptions": {"pos": "praise"}}
    assert studio.patched == [(5, {"url": URL, "project": 1, **CREDENTIALS, "extra_params": params})]
    assert studio.posted == []


def test_empty_descriptions_delete_the_earlier_descriptions():
    studio = FakeConnector([Connected(extra_params={"label_descriptions": {"pos": "praise"}})])
    connect(studio, {})
    assert studio.patched[0][1]["extra_params"] == {"label_descriptions": {}}


@pytest.mark.parametrize("known", [[], [Connected()]])
def test_a_description_of_an_unknown_label_is_refused_before_any_change(known):
    studio = FakeConnector(known)
    with pytest.raises(LabelDescriptionError, match=r"'Pos'.*'neg', 'pos'"):
        connect(studio, {"Pos": "praise"})
    assert (studio.posted, studio.patched) == ([], [])


@pytest.mark.parametrize("known", [[], [Connected()]])
def test_a_change_that_label_studio_refuses_is_an_error(known):
    with pytest.raises(LabelStudioError, match=URL):
        connect(FakeConnector(known, status=400), {"pos": "praise"})


def test_extra_params_that_cannot_be_read_are_not_overwritten():
    studio = FakeConnector([Connected(extra_params="{")])
    with pytest.raises(ConfigurationError, match="not JSON"):
        connect(studio, {"pos": "praise"})
    assert studio.patched == []
