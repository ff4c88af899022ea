"""`python -m backend doctor`: names what is wrong, and the fix."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from backend.commands.doctor.doctor import examine
from backend.commands.doctor.finding import Finding
from backend.settings import Settings
from examples.servers import Server, free_port
from tests.annotators import Person, choices_config, reviews, signed_in, until_published
from tests.servers import LEGACY_TOKEN, BackendServer, label_studio, run_backend
from tests.studio_servers import Answer, Asked, studio_server

# label-studio-sdk's own, when it reads a personal access token.
pytestmark = pytest.mark.filterwarnings("ignore:The `parse_obj` method is deprecated")

CONFIG = choices_config(["neg", "pos"])


@pytest.fixture(scope="module")
def strict(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Person]]:
    """Label Studio as it comes: private addresses blocked, legacy tokens off; and its owner."""
    data_dir = tmp_path_factory.mktemp("strict") / "data"
    shutil.copytree(migrated, data_dir)
    as_it_comes = {
        "ML_BLOCK_LOCAL_IP": "",
        "SSRF_PROTECTION_ENABLED": "",
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "",
    }
    with label_studio(data_dir, **as_it_comes) as server, signed_in(server.url) as person:
        person.call("POST", "/api/jwt/settings", {"api_tokens_enabled": True, "legacy_api_tokens_enabled": False})
        yield server, person


@pytest.fixture
def settings(quick: BackendServer, studio: Server, small_encoder: str) -> dict[str, Any]:
    """Settings with which all is well."""
    return {
        "label_studio_url": studio.url,
        "label_studio_api_key": LEGACY_TOKEN,
        "model_dir": quick.model_dir,
        "bert_model": small_encoder,
        "port": int(quick.url.rsplit(":", 1)[1]),
    }


def _wrong(settings: dict[str, Any], project_id: int | None, url: str) -> dict[str, Finding]:
    findings = examine(Settings(**settings), project_id, url)
    return {finding.name.split(" (")[0]: finding for finding in findings if not finding.is_well}


def test_all_is_well_when_the_loop_runs(owner: Person, quick: BackendServer, title: str) -> None:
    project_id = owner.create_project(title, CONFIG, list(reviews(6)))
    owner.connect(project_id, quick.url)
    until_published(owner, quick, project_id)

    doctor = quick.command("doctor", "--project", str(project_id), "--url", quick.url)

    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    assert "wrong" not in doctor.stdout
    assert f"Label Studio reaches {quick.url}" in doctor.stdout


def test_the_command_ends_with_1_and_names_the_mend(quick: BackendServer) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    quick_elsewhere = {**quick.environment, "LABEL_STUDIO_URL": url}

    doctor = run_backend(quick_elsewhere, "doctor", "--url", quick.url)

    assert doctor.returncode == 1
    assert f"Label Studio at {url} did not answer" in doctor.stdout
    assert "nobody listens there" in doctor.stdout
    assert "LABEL_STUDIO_URL" in doctor.stdout


def test_a_label_studio_that_is_not_there(settings: dict[str, Any], quick: BackendServer) -> None:
    url = f"http://127.0.0.1:{free_port()}"

    wrong = _wrong({**settings, "label_studio_url": url}, None, quick.url)

    assert list(wrong) == ["Label Studio"]
    assert url in wrong["Label Studio"].found
    assert "LABEL_STUDIO_URL" in wrong["Label Studio"].fix


def test_private_addresses_that_label_studio_blocks(
    settings: dict[str, Any], quick: BackendServer, strict: tuple[Server, Person], title: str
) -> None:
    server, person = strict
    project_id = person.create_project(title, CONFIG, ["a text"])
    key = person.personal_access_token()

    wrong = _wrong({**settings, "label_studio_url": server.url, "label_studio_api_key": key}, project_id, quick.url)

    assert "ML_BLOCK_LOCAL_IP=false" in wrong["address"].fix
    assert "SSRF_PROTECTION_ENABLED=false" in wrong["address"].fix


def test_connecting_to_a_label_studio_that_blocks_private_addresses_names_the_mend(
    quick: BackendServer, strict: tuple[Server, Person], title: str
) -> None:
    server, person = strict
    project_id = person.create_project(title, CONFIG, ["a text"])
    environment = {
        **quick.environment,
        "LABEL_STUDIO_URL": server.url,
        "LABEL_STUDIO_API_KEY": person.personal_access_token(),
    }

    command = run_backend(environment, "connect", "--project", str(project_id), "--url", quick.url)

    assert command.returncode == 1
    assert "ML_BLOCK_LOCAL_IP=false" in command.stderr
    assert "Traceback" not in command.stderr


@pytest.mark.parametrize("key", [LEGACY_TOKEN, "f" * 40, "not.a.token"])
def test_a_key_that_is_not_taken(
    settings: dict[str, Any], quick: BackendServer, strict: tuple[Server, Person], key: str
) -> None:
    server, _ = strict

    wrong = _wrong({**settings, "label_studio_url": server.url, "label_studio_api_key": key}, None, quick.url)

    assert list(wrong) == ["API key"]
    assert "Personal Access Token" in wrong["API key"].fix
    assert "legacy tokens are off by default" in wrong["API key"].fix
    assert key not in wrong["API key"].found


def test_a_missing_key(settings: dict[str, Any], quick: BackendServer) -> None:
    wrong = _wrong({**settings, "label_studio_api_key": None}, None, quick.url)

    assert list(wrong) == ["API key"]
    assert "LABEL_STUDIO_API_KEY" in wrong["API key"].fix


def test_a_project_without_choices(owner: Person, settings: dict[str, Any], quick: BackendServer, title: str) -> None:
    config = '<View><Text name="t" value="$text"/><Labels name="l" toName="t"><Label value="x"/></Labels></View>'
    project_id = owner.create_project(title, config, ["a text"])

    wrong = _wrong(settings, project_id, quick.url)

    assert list(wrong) == [f"project {project_id}"]
    assert "no Choices" in wrong[f"project {project_id}"].found
    assert "labeling config" in wrong[f"project {project_id}"].fix


def test_a_project_that_never_connected(
    owner: Person, settings: dict[str, Any], quick: BackendServer, title: str
) -> None:
    project_id = owner.create_project(title, CONFIG, ["a text"])

    wrong = _wrong(settings, project_id, quick.url)

    assert list(wrong) == [f"project {project_id}"]
    assert f"connect --project {project_id} --url {quick.url}" in wrong[f"project {project_id}"].fix


def test_a_project_that_does_not_exist(settings: dict[str, Any], quick: BackendServer) -> None:
    wrong = _wrong(settings, 999_999, quick.url)

    # The address is not blamed for a project that nobody can connect.
    assert list(wrong) == ["project"]
    assert "has no project 999999" in wrong["project"].found
    assert "--project" in wrong["project"].fix


def test_a_backend_that_label_studio_cannot_reach(owner: Person, settings: dict[str, Any], title: str) -> None:
    project_id = owner.create_project(title, CONFIG, ["a text"])
    url = f"http://127.0.0.1:{free_port()}"

    wrong = _wrong(settings, project_id, url)

    assert "start `python -m backend serve`" in wrong["backend"].fix
    assert wrong["address"].found == f"Label Studio cannot reach {url}"


@contextmanager
def _called_by(name: str | Callable[[], str], backend_url: str) -> Iterator[str]:
    """A proxy before the backend that calls it by a name of its own, as one does that rewrites the Host header."""

    def forward(asked: Asked) -> Answer:
        headers = {"Host": name() if callable(name) else name, "Content-Type": "application/json"}
        answer = httpx.request(asked.method, f"{backend_url}{asked.path}", content=asked.body, headers=headers)
        return Answer(answer.status_code, answer.content, reason=answer.reason_phrase)

    with studio_server(forward) as proxy:
        yield proxy.url


def test_a_name_that_the_backend_does_not_go_by(
    owner: Person, settings: dict[str, Any], quick: BackendServer, title: str
) -> None:
    project_id = owner.create_project(title, CONFIG, ["a text"])
    fix = "add shortlist.lan to ALLOWED_HOSTS in the backend's environment, and start it again"
    with _called_by("localhost", quick.url) as url:
        owner.connect(project_id, url)
        with _called_by("shortlist.lan", quick.url) as refused_url:
            assert _wrong(settings, project_id, refused_url)["address"].fix == fix
            refused = quick.command("connect", "--project", str(project_id), "--url", refused_url)
            assert fix in refused.stderr


def test_a_connected_backend_whose_name_is_no_longer_allowed(
    owner: Person, settings: dict[str, Any], quick: BackendServer, title: str
) -> None:
    """Somebody changed the proxy, or ALLOWED_HOSTS, after connecting; doctor is asked without --url."""
    project_id = owner.create_project(title, CONFIG, ["a text"])
    names = ["localhost"]
    with _called_by(lambda: names[-1], quick.url) as url:
        owner.connect(project_id, url)
        names.append("shortlist.lan")
        wrong = _wrong(settings, project_id, quick.url)

    assert list(wrong) == [f"project {project_id}"]
    assert wrong[f"project {project_id}"].found == f"Label Studio calls {url} by the name 'shortlist.lan'"
    assert "ALLOWED_HOSTS" in wrong[f"project {project_id}"].fix


def test_something_else_at_the_backends_address(
    owner: Person, settings: dict[str, Any], studio: Server, title: str
) -> None:
    project_id = owner.create_project(title, CONFIG, ["a text"])

    wrong = _wrong(settings, project_id, studio.url)

    assert "something else answers" in wrong["backend"].found


def test_a_redis_that_is_down(settings: dict[str, Any], quick: BackendServer) -> None:
    url = f"redis://127.0.0.1:{free_port()}"

    wrong = _wrong({**settings, "redis_url": url}, None, quick.url)

    assert "REDIS_URL" in wrong["Redis"].fix


def test_an_encoder_that_is_not_there(settings: dict[str, Any], quick: BackendServer, tmp_path: Path) -> None:
    wrong = _wrong({**settings, "bert_model": str(tmp_path / "nowhere")}, None, quick.url)

    assert "BERT_MODEL" in wrong["encoder"].fix


def test_annotators_who_get_another_order(
    owner: Person, settings: dict[str, Any], quick: BackendServer, title: str
) -> None:
    """Somebody chose another version in Label Studio while the worker could not see it."""
    project_id = owner.create_project(title, CONFIG, list(reviews(4)))
    owner.connect(project_id, quick.url)
    until_published(owner, quick, project_id)
    os.kill(quick.worker_pid(), signal.SIGSTOP)
    try:
        owner.call("PATCH", f"/api/projects/{project_id}/", {"model_version": "", "sampling": "Sequential sampling"})
        wrong = _wrong(settings, project_id, quick.url)
    finally:
        os.kill(quick.worker_pid(), signal.SIGCONT)

    assert "not our '0.1'" in wrong[f"project {project_id}"].found


def test_a_webhook_that_somebody_deleted_or_switched_off(
    owner: Person, settings: dict[str, Any], quick: BackendServer, title: str
) -> None:
    project_id = owner.create_project(title, CONFIG, list(reviews(4)))
    owner.connect(project_id, quick.url)
    until_published(owner, quick, project_id)
    (webhook,) = owner.call("GET", "/api/webhooks/", project=project_id)

    owner.call("PATCH", f"/api/webhooks/{webhook['id']}/", {"is_active": False})
    switched_off = _wrong(settings, project_id, quick.url)
    owner.call("DELETE", f"/api/webhooks/{webhook['id']}/", project=project_id)
    deleted = _wrong(settings, project_id, quick.url)

    for wrong in (switched_off, deleted):
        assert list(wrong) == [f"project {project_id}"]
        assert f"no active webhook {quick.url}/webhook" in wrong[f"project {project_id}"].found
        assert "connect it again" in wrong[f"project {project_id}"].fix


def test_a_redis_of_which_no_worker_takes_jobs(
    settings: dict[str, Any], quick: BackendServer, module_redis: Redis
) -> None:
    url = f"unix://{module_redis.connection_pool.connection_kwargs['path']}"

    wrong = _wrong({**settings, "redis_url": url}, None, quick.url)

    assert wrong["worker"].fix == "start `python -m backend worker`"
