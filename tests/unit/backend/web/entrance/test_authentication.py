import pytest
from werkzeug.datastructures import Authorization

from backend.settings import Settings
from backend.store.connection import WebhookSecret
from backend.store.project_folder import ProjectFolder
from backend.studio.webhooks import HEADER, secret_header
from backend.web.entrance.authentication import is_admitted, signed_project

OPEN = Settings(basic_auth_user=None, basic_auth_pass=None)
LOCKED = Settings(basic_auth_user="jürgen", basic_auth_pass="pässword")


def basic(user: str | None, password: str | None) -> Authorization:
    return Authorization("basic", {"username": user, "password": password})


def test_without_credentials_in_the_settings_everybody_may_come_in():
    assert is_admitted(OPEN, None)
    assert is_admitted(OPEN, basic("anybody", "anything"))


def test_the_right_pair_may_come_in():
    assert is_admitted(LOCKED, basic("jürgen", "pässword"))


@pytest.mark.parametrize(
    "given",
    [
        None,
        basic("jürgen", "wrong"),
        basic("wrong", "pässword"),
        basic("", ""),
        basic(None, None),
        basic("jürgen", "pässwor"),
        basic("jürgen", "pässword "),
        Authorization("bearer", token="pässword"),
    ],
)
def test_anything_else_may_not(given):
    assert not is_admitted(LOCKED, given)


@pytest.fixture
def settings(tmp_path) -> Settings:
    """Two projects with a secret each; project 2's is being rotated."""
    ProjectFolder(tmp_path, 1).webhook_secret.write(WebhookSecret("of one"))
    ProjectFolder(tmp_path, 2).webhook_secret.write(WebhookSecret("of two", previous="of two before"))
    return Settings(model_dir=tmp_path)


@pytest.mark.parametrize(("project_id", "secret"), [(1, "of one"), (2, "of two"), (2, "of two before")])
def test_a_webhook_with_its_projects_secret_is_known_also_while_the_secret_is_rotated(settings, project_id, secret):
    assert signed_project(settings, secret_header(project_id, secret)[HEADER]) == project_id


@pytest.mark.parametrize(
    "header", [None, "", "1", "1.", "1.of two", "2.of one", "3.", "3.of one", "of one", "../1.of one", "1.öf one"]
)
def test_a_webhook_with_any_other_secret_is_not(settings, header):
    assert signed_project(settings, header) is None
