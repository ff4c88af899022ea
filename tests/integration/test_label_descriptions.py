"""`python -m backend connect --describe FILE`: what labels mean travels over Label Studio to the backend."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.annotators import Person, choices_config
from tests.servers import BackendServer, eventually

# label-studio-sdk's own, when it reads a personal access token.
pytestmark = pytest.mark.filterwarnings("ignore:The `parse_obj` method is deprecated")

CONFIG = choices_config(["neg", "pos"])


def _describe(server: BackendServer, project_id: int, file: Path, **descriptions: str) -> Any:
    file.write_text(json.dumps(descriptions), encoding="utf-8")
    return server.command("connect", "--project", str(project_id), "--url", server.url, "--describe", str(file))


def _until_read(server: BackendServer, project_id: int, **extra_params: Any) -> None:
    """Wait until a round has read these extra params from Label Studio."""
    connection = server.folder(project_id).connection
    eventually(lambda: connection.read().extra_params == extra_params, f"the extra params {extra_params}")


def test_a_project_connects_with_descriptions_and_gets_others_later(
    owner: Person, quick: BackendServer, title: str, tmp_path: Path
) -> None:
    project_id = owner.create_project(title, CONFIG, ["a text"])

    first = _describe(quick, project_id, tmp_path / "labels.json", pos="praise")
    assert first.returncode == 0, first.stderr
    _until_read(quick, project_id, label_descriptions={"pos": "praise"})

    second = _describe(quick, project_id, tmp_path / "labels.json", neg="blame")
    assert second.returncode == 0, second.stderr
    assert "describes 1 of its 2 labels now" in second.stdout
    _until_read(quick, project_id, label_descriptions={"neg": "blame"})
    assert len(owner.call("GET", "/api/ml/", project=project_id)) == 1


def test_a_connected_projects_other_settings_stay(
    owner: Person, quick: BackendServer, title: str, tmp_path: Path
) -> None:
    project_id = owner.create_project(title, CONFIG, ["a text"])
    owner.connect(project_id, quick.url, query_size=5)

    command = _describe(quick, project_id, tmp_path / "labels.json", pos="praise")

    assert command.returncode == 0, command.stderr
    _until_read(quick, project_id, query_size=5, label_descriptions={"pos": "praise"})


def test_a_description_of_no_label_is_refused_by_the_command_and_by_the_dialog(
    owner: Person, quick: BackendServer, title: str, tmp_path: Path
) -> None:
    project_id = owner.create_project(title, CONFIG, ["a text"])

    command = _describe(quick, project_id, tmp_path / "labels.json", Pos="praise")
    assert command.returncode == 1
    assert "'Pos'" in command.stderr
    assert "Traceback" not in command.stderr

    extra_params = json.dumps({"label_descriptions": {"Pos": "praise"}})
    body = {"project": project_id, "url": quick.url, "title": "S", "extra_params": extra_params}
    answer = owner.http.post("/api/ml/", json=body)
    assert answer.status_code == 400
    assert "Pos" in answer.text
