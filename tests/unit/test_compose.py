"""What docker-compose.yml promises about doors, secrets and limits. No Docker runs here: the file is read."""

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from backend.secret_files import SUFFIX
from backend.settings import SECRETS, environment_names
from tests.compose import ROOT, compose_file

COMPOSE = compose_file()
SERVICES = COMPOSE["services"]
in_each_service = pytest.mark.parametrize("name", SERVICES)
# What no environment of a container may hold.
SECRET_NAME = re.compile(r"(PASS|PASSWORD|KEY|TOKEN|SECRET)(_FILE)?$")
MADE_BY_HAND = {"label_studio_api_key"}


def test_nothing_listens_on_other_addresses_than_loopback_unless_told():
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports == ["127.0.0.1:8080:8080", "127.0.0.1:9090:9090"]
    told = compose_file(BIND="0.0.0.0")["services"]
    assert told["label-studio"]["ports"] == ["0.0.0.0:8080:8080"]


@in_each_service
def test_every_service_has_a_read_only_root_no_capability_and_no_way_to_more(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    # Our own image has a user of its own.
    assert service.get("user") not in ("root", "0")
    assert "user" in service or service["image"] == "shortlist"


@in_each_service
def test_every_service_has_limits_a_health_check_time_to_stop_and_is_started_again(name):
    service = SERVICES[name]
    assert re.fullmatch(r"\d+[mg]", service["mem_limit"])
    assert service["pids_limit"] > 0
    assert service["restart"] == "unless-stopped"
    assert {"test", "interval", "timeout", "retries", "start_period"} <= service["healthcheck"].keys()
    assert re.fullmatch(r"\d+[sm]", service["stop_grace_period"])
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}


@in_each_service
def test_a_service_writes_into_named_volumes_and_bounded_memory_alone(name):
    service = SERVICES[name]
    assert all(volume.split(":")[0] in COMPOSE["volumes"] for volume in service["volumes"])
    assert all(re.fullmatch(r"/\S+:size=\d+m", place) for place in service["tmpfs"])


def test_redis_and_postgres_are_reached_by_those_who_need_them_alone():
    members = {
        network: {name for name in SERVICES if network in SERVICES[name]["networks"]}
        for network in ("queue", "storage")
    }
    assert members == {"queue": {"redis", "backend", "worker"}, "storage": {"postgres", "label-studio"}}
    assert all(COMPOSE["networks"][network]["internal"] is True for network in members)
    assert all(
        SERVICES[name]["networks"] == [network] for name, network in (("redis", "queue"), ("postgres", "storage"))
    )


@pytest.mark.parametrize("file", ["docker-compose.yml", "docker-compose.llm.yml"])
def test_a_secret_stands_in_a_file_and_in_no_environment(file):
    compose = compose_file(file, LLM_PROVIDER="mistral")
    for service in compose["services"].values():
        environment = service.get("environment", {})
        named = {key: value for key, value in environment.items() if SECRET_NAME.search(key)}
        assert all(key.endswith(SUFFIX) for key in named)
        assert {Path(value) for value in named.values()} <= {Path("/run/secrets", name) for name in service["secrets"]}
        assert set(service["secrets"]) <= compose["secrets"].keys()
    assert all(secret == {"file": f"./secrets/{name}.txt"} for name, secret in compose["secrets"].items())


@in_each_service
def test_a_service_gets_no_secret_that_it_does_not_read(name):
    service = SERVICES[name]
    read = " ".join(map(str, (*service.get("command", []), *service.get("environment", {}).values())))
    assert all(f"/run/secrets/{secret}" in read for secret in service["secrets"])


@pytest.mark.parametrize("file", ["docker-compose.yml", "docker-compose.llm.yml"])
@pytest.mark.parametrize("name", ["backend", "worker"])
def test_every_variable_of_ours_is_a_setting(file, name):
    assert compose_file(file, LLM_PROVIDER="mistral")["services"][name]["environment"].keys() <= environment_names()


def test_backend_and_worker_have_the_same_settings_and_the_backend_asks_for_a_password():
    backend = SERVICES["backend"]["environment"]
    assert {**SERVICES["worker"]["environment"], "HOST": "0.0.0.0"} == backend
    assert {"BASIC_AUTH_USER", "BASIC_AUTH_PASS_FILE"} <= backend.keys()
    assert "ALLOW_ANONYMOUS" not in backend


def test_label_studio_has_postgres_and_a_closed_door():
    environment = SERVICES["label-studio"]["environment"]
    assert (environment["DJANGO_DB"], environment["POSTGRE_HOST"]) == ("default", "postgres")
    assert environment["LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK"] == "true"
    assert environment["POSTGRE_NAME"] == SERVICES["postgres"]["environment"]["POSTGRES_DB"]
    assert environment["POSTGRE_USER"] == SERVICES["postgres"]["environment"]["POSTGRES_USER"]
    requirement = (ROOT / "requirements-label-studio.txt").read_text(encoding="utf-8")
    assert f"label-studio=={SERVICES['label-studio']['image'].split(':')[1]}" in requirement


def test_the_workers_check_is_ours_and_has_time_to_say_that_redis_is_silent():
    check = SERVICES["worker"]["healthcheck"]
    assert check["test"] == ["CMD", "python", "-m", "backend", "check-worker"]
    assert check["timeout"] == "30s"


def test_every_image_has_a_tag_and_takes_a_digest():
    images = [service["image"] for service in SERVICES.values() if "build" not in service]
    assert all(re.fullmatch(r"[\w/-]+:[\w.-]+", image) and not image.endswith(":latest") for image in images)
    pinned = compose_file(REDIS_IMAGE="redis:7-alpine@sha256:abc")["services"]["redis"]["image"]
    assert pinned == "redis:7-alpine@sha256:abc"


def test_a_secret_file_can_be_named_for_every_secret_setting_that_compose_uses():
    used = {key.removesuffix(SUFFIX) for key in SERVICES["worker"]["environment"] if key.endswith(SUFFIX)}
    assert used <= set(SECRETS)


@pytest.fixture
def copy(tmp_path):
    """A folder with the compose file and the scripts of deploy/."""
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    shutil.copy(ROOT / "docker-compose.yml", tmp_path)
    return tmp_path


def _run(folder: Path, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", f"deploy/{script}"],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_passwords_are_made_once_in_a_folder_of_its_owners_alone(copy):
    assert _run(copy, "secrets.sh").returncode == 0
    made = {path.stem: path.read_text() for path in (copy / "secrets").iterdir()}
    assert made.keys() == COMPOSE["secrets"].keys() - MADE_BY_HAND
    assert all(re.fullmatch("[0-9a-f]{40}", secret) for secret in made.values())
    assert len(set(made.values())) == len(made)
    assert stat.S_IMODE((copy / "secrets").stat().st_mode) == 0o700
    # Containers have users of their own, who must read the files.
    assert {stat.S_IMODE(path.stat().st_mode) for path in (copy / "secrets").iterdir()} == {0o444}

    assert _run(copy, "secrets.sh").stdout == ""
    assert {path.stem: path.read_text() for path in (copy / "secrets").iterdir()} == made


FAKE_DOCKER = """#!/bin/sh
echo "$@" >> calls
test "$1" != image || echo "$ANSWER"
"""


def test_digests_pin_every_image_and_the_base_of_ours(copy):
    docker = copy / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(FAKE_DOCKER)
    docker.chmod(0o755)
    (copy / ".env").write_text("BIND=127.0.0.1\nREDIS_IMAGE=old\n")
    path = f"{docker.parent}:{os.environ['PATH']}"

    assert _run(copy, "digests.sh", PATH=path, ANSWER="some/image@sha256:0123").returncode == 0
    lines = dict(line.split("=", 1) for line in (copy / ".env").read_text().splitlines())
    assert lines == {
        "BIND": "127.0.0.1",
        "LABEL_STUDIO_IMAGE": "heartexlabs/label-studio:1.23.2@sha256:0123",
        "POSTGRES_IMAGE": "postgres:15-alpine@sha256:0123",
        "PYTHON_IMAGE": "python:3.11-slim@sha256:0123",
        "REDIS_IMAGE": "redis:7-alpine@sha256:0123",
    }
    pinned = compose_file(**lines)["services"]
    assert all("@sha256:" in service["image"] for service in pinned.values() if "build" not in service)
    assert pinned["worker"]["build"]["args"]["PYTHON_IMAGE"] == lines["PYTHON_IMAGE"]

    refused = _run(copy, "digests.sh", PATH=path, ANSWER="<no value>")
    assert (refused.returncode, "no digest of" in refused.stderr) == (1, True)
    assert dict(line.split("=", 1) for line in (copy / ".env").read_text().splitlines()) == lines
