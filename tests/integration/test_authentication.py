"""Basic auth on the backend, and personal access tokens."""

from pathlib import Path

import httpx

from backend.studio.webhooks import HEADER
from examples.servers import Server
from tests.annotators import Person, choices_config, reviews, until_published
from tests.servers import LEGACY_TOKEN, BackendServer, backend, eventually

CONFIG = choices_config(["neg", "pos"])


def test_behind_basic_auth_the_whole_loop_works_and_nobody_else_comes_in(
    owner: Person, studio: Server, small_encoder: str, title: str, tmp_path: Path
) -> None:
    gold = reviews(8)
    project_id = owner.create_project(title, CONFIG, list(gold))
    auth = {"BASIC_AUTH_USER": "label-studio", "BASIC_AUTH_PASS": "a secret: with colons"}
    with backend(tmp_path, studio.url, LEGACY_TOKEN, BERT_MODEL=small_encoder, RETRAIN_EVERY="2", **auth) as server:
        stranger = httpx.post(f"{server.url}/webhook", json={"action": "START_TRAINING", "project": project_id})
        assert stranger.status_code == 401
        assert stranger.json()["error"]["code"] == "unauthorized"
        wrong = httpx.get(f"{server.url}/metrics", auth=("label-studio", "another"))
        assert wrong.status_code == 401
        assert httpx.get(f"{server.url}/health").status_code == 200

        command = server.command("connect", "--project", str(project_id), "--url", server.url)
        assert command.returncode == 0, command.stderr
        until_published(owner, server, project_id)

        def headers() -> list[str]:
            hooks = owner.call("GET", "/api/webhooks/", project=project_id)
            return [hook["headers"].get(HEADER, "") for hook in hooks if hook["url"].startswith(server.url)]

        found = eventually(lambda: all(headers()) and headers(), "the webhook's secret")
        assert len(found) == 1
        assert "a secret" not in str(owner.call("GET", "/api/webhooks/", project=project_id))
        owner.label_both(project_id, gold, 2)
        until_published(owner, server, project_id, model=1)

        log = server.log.read_text(encoding="utf-8")
        assert "a secret" not in log
        assert LEGACY_TOKEN not in log


def test_a_personal_access_token_is_an_api_key(owner: Person, quick: BackendServer, title: str) -> None:
    """The shared backend runs with one. Label Studio's access tokens live for minutes; the client renews them."""
    key = quick.environment["LABEL_STUDIO_API_KEY"]
    project_id = owner.create_project(title, CONFIG, list(reviews(4)))

    owner.connect(project_id, quick.url)

    assert key.count(".") == 2
    assert key != LEGACY_TOKEN
    assert until_published(owner, quick, project_id).name == "0.1"
