"""A MODEL_DIR with a project that has a model version, and commands that run in this process."""

import pytest
from typer.testing import CliRunner

from backend.commands.command_line import command_line
from backend.settings import environment_names
from backend.store.project_folder import ProjectFolder
from tests.exports import a_classifier, write_version
from tests.fakes import labeling_config


@pytest.fixture
def folder(tmp_path) -> ProjectFolder:
    """A project without a model version."""
    found = ProjectFolder(tmp_path / "data", 1)
    found.label_config.write(labeling_config())
    return found


@pytest.fixture
def classifier(folder, encoder):
    """The classifier of the version in use."""
    made = a_classifier(encoder)
    write_version(folder.registry, made, "sentiment")
    return made


@pytest.fixture
def command(monkeypatch, tmp_path, logging_as_it_was):
    """Run a command on project 1; returns its exit code and what it said."""
    for name in environment_names():
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("MODEL_DIR", str(tmp_path / "data"))
    monkeypatch.setattr("backend.commands.terminal.console.width", 1000)

    def run(name: str, *words: object, project: int = 1) -> tuple[int, str]:
        done = CliRunner().invoke(command_line(name), [name, "--project", str(project), *map(str, words)])
        said = done.stdout + done.stderr
        assert done.exception is None or isinstance(done.exception, SystemExit), repr(done.exception)
        assert "Traceback" not in said
        assert "internal" not in said, said
        return done.exit_code, said

    return run
