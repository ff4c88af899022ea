import time

import pytest

from backend.store.connection import Connection, WebhookSecret
from backend.store.project_folder import ProjectFolder
from backend.studio.webhooks import LOOK_EVERY_S, is_secret_of, rotate_secret, secret_header, sign_webhook


class Hooks:
    """A Label Studio with webhooks by address, which counts how often it is asked."""

    def __init__(self, *urls: str) -> None:
        self.headers = {url: {} for url in urls}
        self.asked = 0
        self.is_silent = False

    def set_webhook_headers(self, project_id, is_ours, headers) -> bool:
        self.asked += 1
        if self.is_silent:
            raise OSError("silent")
        ours = [url for url in self.headers if is_ours(url)]
        self.headers.update((url, dict(headers)) for url in ours)
        return bool(ours)


@pytest.fixture
def folder(tmp_path) -> ProjectFolder:
    folder = ProjectFolder(tmp_path, 1)
    folder.connection.write(Connection("http://backend:9090/", {}, 5))
    return folder


@pytest.fixture
def hooks() -> Hooks:
    return Hooks("http://backend:9090/webhook", "http://other:9090/webhook")


def test_our_webhook_gets_the_projects_secret_and_no_other_does(folder, hooks):
    sign_webhook(hooks, folder)
    secret = folder.webhook_secret.read().current
    assert hooks.headers == {
        "http://backend:9090/webhook": secret_header(1, secret),
        "http://other:9090/webhook": {},
    }


def test_the_secret_stays_and_label_studio_is_asked_now_and_then_alone(folder, hooks):
    sign_webhook(hooks, folder)
    first = folder.webhook_secret.read()
    sign_webhook(hooks, folder)
    assert hooks.asked == 1
    folder.webhook_secret.write(WebhookSecret(first.current, written_at=time.time() - LOOK_EVERY_S - 1))
    hooks.headers["http://backend:9090/webhook"] = {}
    sign_webhook(hooks, folder)
    assert hooks.headers["http://backend:9090/webhook"] == secret_header(1, first.current)


def test_a_webhook_that_is_not_there_yet_gets_its_secret_in_the_next_round(folder):
    hooks = Hooks()
    sign_webhook(hooks, folder)
    hooks.headers["http://backend:9090/webhook"] = {}
    sign_webhook(hooks, folder)
    assert hooks.headers["http://backend:9090/webhook"]


def test_a_rotated_secret_replaces_the_old_one(folder, hooks):
    sign_webhook(hooks, folder)
    old = folder.webhook_secret.read().current
    assert rotate_secret(hooks, folder)
    new = folder.webhook_secret.read().current
    assert new != old
    assert hooks.headers["http://backend:9090/webhook"] == secret_header(1, new)
    assert is_secret_of(folder, new)
    assert not is_secret_of(folder, old)


def test_the_old_secret_is_good_until_label_studio_has_the_new_one(folder, hooks):
    sign_webhook(hooks, folder)
    old = folder.webhook_secret.read().current
    hooks.is_silent = True
    with pytest.raises(OSError, match="silent"):
        rotate_secret(hooks, folder)
    assert is_secret_of(folder, old)
    hooks.is_silent = False
    sign_webhook(hooks, folder)
    assert not is_secret_of(folder, old)
    assert hooks.headers["http://backend:9090/webhook"] == secret_header(1, folder.webhook_secret.read().current)


def test_a_project_without_a_secret_has_nothing_to_rotate(folder, hooks):
    assert not rotate_secret(hooks, folder)
    assert hooks.asked == 0


def test_no_secret_and_an_empty_secret_are_never_right(folder):
    assert not is_secret_of(folder, "")
    folder.webhook_secret.write(WebhookSecret("geheim"))
    assert not is_secret_of(folder, "")
    assert not is_secret_of(folder, "geheim ")
