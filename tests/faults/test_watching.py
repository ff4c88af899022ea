"""`status --watch`: redrawn in place on a terminal, one line after another elsewhere, until Ctrl-C."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis
from typer.testing import Result

from backend.store.connection import Connection
from backend.store.project_folder import ProjectFolder

SHOW_CURSOR, UP_A_LINE = "\x1b[?25h", "\x1b[1A"
LOOKS_S = 0.7


@contextmanager
def ctrl_c_after(seconds: float) -> Iterator[None]:
    """Somebody presses Ctrl-C then."""
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture
def terminal(monkeypatch) -> None:
    """The output is a terminal that knows control sequences."""
    monkeypatch.setattr("backend.commands.terminal.console._force_terminal", True)
    monkeypatch.setattr("backend.commands.terminal.console.is_interactive", True)
    monkeypatch.setenv("TERM", "xterm")


@pytest.fixture
def watch(environment, run_command, module_redis: Redis, tmp_path: Path):
    """Watch a project until somebody interrupts it."""
    module_redis.flushall()
    ProjectFolder(tmp_path / "data", 1).connection.write(Connection("http://localhost:9090"))

    def run(*words: str, redis: str = "") -> Result:
        environment(REDIS_URL=redis or f"unix://{module_redis.connection_pool.connection_kwargs['path']}")
        with ctrl_c_after(LOOKS_S):
            done = run_command("status", "--watch", "0.2", *words)
        assert done.exit_code == 130
        return done

    return run


@pytest.mark.usefixtures("terminal")
def test_a_terminal_shows_one_table_that_is_redrawn_in_place_and_has_its_cursor_back(watch):
    shown = watch().stdout
    assert shown.count("every 0.2 s; Ctrl-C ends") >= 2
    assert UP_A_LINE in shown
    assert shown.rindex(SHOW_CURSOR) > shown.rindex("Ctrl-C ends")


@pytest.mark.usefixtures("terminal")
def test_a_terminal_says_while_redis_is_away_what_is_wrong_and_goes_on(watch):
    shown = watch(redis="unix:///nowhere").stdout
    assert shown.count("redis_unavailable: ") >= 2


def test_without_a_terminal_one_table_comes_after_another(watch):
    shown = watch().stdout
    assert shown.count("│ 1 ") >= 2
    assert "\x1b" not in shown


def test_each_look_is_a_line_of_json(watch):
    looks = [json.loads(line) for line in watch("--json").stdout.splitlines()]
    assert len(looks) >= 2
    assert {look["projects"][0]["project"] for look in looks} == {1}
    assert looks[0]["at"] < looks[1]["at"]


def test_a_redis_that_is_away_leaves_json_lines_out_and_is_named_beside_them(watch):
    done = watch("--json", redis="unix:///nowhere")
    assert done.stdout == ""
    assert done.stderr.count("redis_unavailable: ") >= 2
