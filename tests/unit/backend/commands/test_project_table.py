from typer.testing import CliRunner

from backend.commands.command_line import command_line
from backend.errors import UnknownProjectError
from backend.store.connection import Connection
from backend.store.project_folder import ProjectFolder


def test_a_project_whose_status_cannot_be_read_leaves_the_others_their_rows(tmp_path, monkeypatch):
    def status_of(_, project_id: int) -> dict:
        if project_id == 1:
            raise RuntimeError("a fault that nobody thought of")
        if project_id == 2:
            raise UnknownProjectError("gone")
        damage = [{"file": "versions/3", "problem": "damaged", "at": 1.0}]
        row = dict.fromkeys(("labels", "unlabelled", "model_version", "rounds"), "-")
        return {
            "project": 3,
            **row,
            "state": "idle",
            "llm": None,
            "paused_at": 5.0,
            "last_error": "",
            "ordering_hook": None,
            "set_aside": damage,
            "left_out": [],
            "stopping": {"state": "go on"},
            "waiting": [],
        }

    for number in (1, 2, 3):
        ProjectFolder(tmp_path, number).connection.write(Connection("http://localhost:9090"))
    monkeypatch.setattr("backend.web.status.project_status", status_of)
    # Its stream ends with the command.
    monkeypatch.setattr("backend.commands.terminal.start_logging", lambda _: None)
    # rich reads COLUMNS when the module is first imported, which another test may have done.
    monkeypatch.setattr("backend.commands.terminal.console.width", 200)
    environment = {"MODEL_DIR": str(tmp_path), "REDIS_URL": "unix:///nowhere"}
    shown = CliRunner().invoke(command_line("status"), ["status"], env=environment)
    assert shown.exit_code == 0
    rows = [line for line in shown.stdout.splitlines() if line.startswith("│")]
    assert "status unreadable: RuntimeError" in rows[0]
    assert "status unreadable: UnknownProjectError" in rows[1]
    assert "versions/3" in rows[2]
    assert "paused" in rows[2]
    assert "go on" in rows[2]
