"""The client against a real Label Studio that a proxy serves under a path, with both kinds of token."""

import pytest

from backend.errors import LabelStudioError, TokenRefusedError, UnknownProjectError
from backend.settings import Settings
from backend.studio.client import SAMPLING, LabelStudioClient
from backend.studio.opening import check_answers
from examples.servers import Server
from model.progress import ignore_progress
from tests.annotators import Person, choices_config
from tests.servers import LEGACY_TOKEN
from tests.studio_servers import forwarding, studio_server

# label-studio-sdk's own, when it reads a personal access token.
pytestmark = pytest.mark.filterwarnings("ignore:The `parse_obj` method is deprecated")

BASE = "/labels"


@pytest.mark.parametrize("kind", ["legacy token", "personal access token"])
def test_every_request_works_under_a_path(studio: Server, owner: Person, title: str, kind: str) -> None:
    key = LEGACY_TOKEN if kind == "legacy token" else owner.personal_access_token()
    project_id = owner.create_project(title, choices_config(["neg", "pos"]), ["a text", "another"])
    with studio_server(forwarding(studio.url, BASE)) as proxy:
        settings = Settings(label_studio_url=f"{proxy.url}{BASE}", label_studio_api_key=key)
        check_answers(settings, 60.0)
        with LabelStudioClient(settings) as client:
            assert client.whoami() == owner.email
            assert project_id in client.project_ids()
            assert client.project(project_id).tasks == 2
            (page,) = client.tasks(project_id)
            assert [task.data["text"] for task in page] == ["a text", "another"]
            owner.annotate(page[0].task_id, "pos")
            (annotated,) = client.annotated_tasks(project_id, ["intent"])
            assert annotated.task_id == page[0].task_id
            predictions = [{"task": task.task_id, "result": [], "score": 0.5, "model_version": "1.1"} for task in page]
            client.import_predictions(project_id, predictions, ignore_progress)
            client.use_model_version(project_id, "1.1")
            project = client.project(project_id)
            assert (project.model_version, project.sampling) == ("1.1", SAMPLING)
            assert client.prediction_counts(project_id) == {"1.1": 2}
            first, _ = client.prediction_ids(project_id, ["1.1"])
            client.delete_prediction(first)
            client.delete_prediction(first)
            client.delete_predictions(project_id, "1.1")
            assert client.prediction_counts(project_id) == {}
            assert client.backends(project_id) == []
            assert client.set_webhook_headers(project_id, lambda url: True, {"Authorization": "Basic x"}) is False
    assert all(asked.path.startswith(f"{BASE}/api/") for asked in proxy.asked)


@pytest.mark.parametrize("key", ["f" * 40, "not.a.token"])
def test_a_key_that_label_studio_calls_wrong_is_told_from_other_refusals(studio: Server, key: str) -> None:
    settings = Settings(label_studio_url=studio.url, label_studio_api_key=key)
    with LabelStudioClient(settings) as client, pytest.raises(TokenRefusedError, match="Invalid token"):
        client.whoami()


def test_a_project_that_does_not_exist_is_told_from_an_address_that_does_not(studio: Server) -> None:
    with (
        LabelStudioClient(Settings(label_studio_url=studio.url, label_studio_api_key=LEGACY_TOKEN)) as client,
        pytest.raises(UnknownProjectError, match="has no project 999999"),
    ):
        client.project(999_999)
    elsewhere = Settings(label_studio_url=f"{studio.url}/nowhere", label_studio_api_key=LEGACY_TOKEN)
    with LabelStudioClient(elsewhere) as client, pytest.raises(LabelStudioError, match="with its path if it has one"):
        client.project(999_999)
