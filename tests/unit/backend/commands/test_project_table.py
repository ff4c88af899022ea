from typing import Any

import pytest
from typer.testing import CliRunner

from backend.commands.command_line import command_line
from backend.errors import UnknownProjectError
from backend.store.connection import Connection
from backend.store.project_folder import ProjectFolder


@pytest.fixture
def shown(tmp_path, monkeypatch):
    """The rows of the table, for statuses by project."""

    def rows(status_of) -> list[str]:
        for number in (1, 2, 3):
            ProjectFolder(tmp_path, number).connection.write(Connection("http://localhost:9090"))
        monkeypatch.setattr("backend.web.status.project_status", lambda _, project_id: status_of(project_id))
        # Its stream ends with the command.
        monkeypatch.setattr("backend.commands.terminal.start_logging", lambda _: None)
        # rich reads COLUMNS when the module is first imported, which another test may have done.
        monkeypatch.setattr("backend.commands.terminal.console.width", 200)
        environment = {"MODEL_DIR": str(tmp_path), "REDIS_URL": "unix:///nowhere"}
        answer = CliRunner().invoke(command_line("status"), ["status"], env=environment)
        assert answer.exit_code == 0
        return [line for line in answer.stdout.splitlines() if line.startswith("│")]

    return rows


def status(project_id: int, **facts: Any) -> dict[str, Any]:
    row = dict.fromkeys(("labels", "unlabelled", "model_version", "rounds"), "-")
    return {
        "project": project_id,
        **row,
        "state": "idle",
        "llm": None,
        "paused_at": None,
        "last_error": "",
        "ordering_hook": None,
        "set_aside": [],
        "left_out": [],
        "stopping": {"state": "go on"},
        "waiting": [],
        "questions": [],
        **facts,
    }


def test_a_project_whose_status_cannot_be_read_leaves_the_others_their_rows(shown):
    def status_of(project_id: int) -> dict[str, Any]:
        if project_id == 1:
            raise RuntimeError("a fault that nobody thought of")
        if project_id == 2:
            raise UnknownProjectError("gone")
        damage = [{"file": "versions/3", "problem": "damaged", "at": 1.0}]
        return status(project_id, paused_at=5.0, set_aside=damage)

    rows = shown(status_of)
    assert "status unreadable: RuntimeError" in rows[0]
    assert "status unreadable: UnknownProjectError" in rows[1]
    assert "versions/3" in rows[2]
    assert "paused" in rows[2]
    assert "go on" in rows[2]


def test_no_advice_is_shown_where_no_classifier_learns(shown):
    learned = {1: [{"is_learned": False}], 2: [{"is_learned": False}, {"is_learned": True}], 3: []}
    rows = shown(lambda project_id: status(project_id, questions=learned[project_id]))
    assert ["go on" in row for row in rows] == [False, True, True]
