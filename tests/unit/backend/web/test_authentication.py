import base64

import pytest
from werkzeug.datastructures import Authorization

from backend.settings import Settings
from backend.studio.webhooks import webhook_headers
from backend.web.authentication import is_admitted

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


def test_webhooks_bring_what_the_door_wants():
    kind, _, pair = webhook_headers(LOCKED)["Authorization"].partition(" ")
    assert kind == "Basic"
    assert base64.b64decode(pair).decode() == "jürgen:pässword"
    assert is_admitted(LOCKED, Authorization.from_header(webhook_headers(LOCKED)["Authorization"]))


def test_webhooks_bring_nothing_to_an_open_door():
    assert webhook_headers(OPEN) == {}
