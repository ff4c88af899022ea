"""Fixtures of the tests that inject faults: a clean environment, and commands that run in this process."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from backend.commands.command_line import command_line
from backend.settings import environment_names

_CERTIFICATES_AND_PROXIES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Set environment variables; no setting of whoever runs the tests counts."""
    for name in (*environment_names(), *_CERTIFICATES_AND_PROXIES):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)

    def set_variables(**variables: str) -> None:
        for name, value in {"MODEL_DIR": str(tmp_path / "data"), "COLUMNS": "1000", **variables}.items():
            monkeypatch.setenv(name, value)

    return set_variables


@pytest.fixture
def run_command(logging_as_it_was: None) -> Callable[..., Result]:
    """Run a command in this process; it must end with a sentence and never with a traceback."""

    def run(*words: str, stdin: str = "") -> Result:
        done = CliRunner().invoke(command_line(words[0]), words, input=stdin)
        shown = done.stdout + done.stderr
        assert done.exception is None or isinstance(done.exception, SystemExit), repr(done.exception)
        assert "Traceback" not in shown
        assert "internal" not in shown, shown
        key = os.environ.get("LABEL_STUDIO_API_KEY")
        assert not key or key not in shown
        return done

    return run


@pytest.fixture(autouse=True)
def wide_console(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave sentences in one line: rich reads COLUMNS only when the console is made, at the first import."""
    monkeypatch.setattr("backend.commands.terminal.console.width", 1000)
