"""Commands that meet what they cannot use, or print what others wrote: a sentence each time, and no traceback."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from redis import Redis
from typer.testing import CliRunner

from backend.commands.command_line import command_line
from backend.commands.terminal import plain, settings_of_command
from backend.store.connection import Connection
from backend.store.figures import Pause
from backend.store.judging import Decision
from backend.store.project_folder import ProjectFolder
from backend.work.queue import RoundQueue
from backend.work.turn import record_key
from examples.servers import free_port
from model.encoder.classifier import new_classifier
from model.learner.recipes import TrainingConfig
from model.learner.training import Trained
from model.types import Targets
from tests.fakes import SENTIMENT
from tests.studio_servers import LEGACY_KEY, Answer, labels, refused_by_label_studio, studio_server

UGLY = [
    "logs [/var/log]",
    "[bold]fat",
    "[/]",
    ":cat:",
    "\x1b]0;owned\x07\x1b[2J",
    "a\rb\nc",
    "\u202eright",
    "\ud800",
    "[link=x]",
]
NOBODY = 65_534


@contextmanager
def as_nobody() -> Iterator[None]:
    """Another user, if the tests run as root, whom nothing is forbidden."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


@pytest.fixture
def model_dir() -> Iterator[Path]:
    """A MODEL_DIR below a folder that everybody may enter."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder) / "data"


def _make(model_dir: Path, mode: int) -> None:
    ProjectFolder(model_dir, 1).connection.write(Connection("http://localhost:9090"))
    for folder in (model_dir / "projects" / "1", model_dir / "projects", model_dir):
        folder.chmod(mode)


@pytest.mark.parametrize("command", ["serve", "worker", "status", "rollback", "promote", "prompt", "paste"])
@pytest.mark.parametrize("mode", [0o700, 0o000], ids=["another user's", "nobody's"])
def test_a_model_dir_that_may_not_be_used_is_named_with_the_mend(environment, run_command, model_dir, command, mode):
    environment(MODEL_DIR=str(model_dir), REDIS_URL=f"redis://127.0.0.1:{free_port()}")
    _make(model_dir, mode)
    words = ["--project", "1"] if command in ("rollback", "promote", "prompt", "paste") else []
    with as_nobody():
        done = run_command(command, *words)
    model_dir.chmod(0o700)
    assert done.exit_code == 1
    assert done.stderr.startswith("configuration: user ")
    assert f"MODEL_DIR={model_dir}" in done.stderr
    assert "chown" in done.stderr


@pytest.mark.parametrize("command", ["serve", "worker", "rollback", "promote", "paste"])
def test_a_model_dir_that_may_only_be_read_is_refused_by_what_writes(environment, run_command, model_dir, command):
    environment(MODEL_DIR=str(model_dir), REDIS_URL=f"redis://127.0.0.1:{free_port()}")
    _make(model_dir, 0o555)
    with as_nobody():
        done = run_command(command, *(["--project", "1"] if command in ("rollback", "promote", "paste") else []))
    assert "chown" in done.stderr


def test_a_model_dir_that_cannot_be_made_is_named(environment, run_command, model_dir):
    environment(MODEL_DIR=str(model_dir / "below"))
    model_dir.mkdir(mode=0o555)
    with as_nobody():
        done = run_command("serve")
    assert f"may not use {model_dir}" in done.stderr


@pytest.mark.parametrize("command", ["serve", "status", "worker"])
def test_a_model_dir_that_is_a_file_is_named(environment, run_command, tmp_path, command):
    (tmp_path / "file").write_text("a file")
    environment(MODEL_DIR=str(tmp_path / "file"))
    assert "is a file" in run_command(command).stderr


def test_export_to_a_place_that_cannot_be_written_names_it(environment, run_command, tmp_path):
    with studio_server(labels()) as server:
        environment(LABEL_STUDIO_URL=server.url, LABEL_STUDIO_API_KEY=LEGACY_KEY)
        (tmp_path / "file").write_text("a file")
        done = run_command("export", "--project", "1", "--out", str(tmp_path / "file" / "gold.jsonl"))
    assert done.exit_code == 1
    assert str(tmp_path / "file") in done.stderr


@pytest.mark.parametrize(
    "url", ["redis://127.0.0.1:port", "redis://[::1", "redis://127.0.0.1:1", "unix:///nowhere/redis.sock"]
)
def test_a_redis_that_is_none_is_named(environment, run_command, tmp_path, url):
    environment(REDIS_URL=url)
    (tmp_path / "data" / "projects" / "1").mkdir(parents=True)
    for command in (["status"], ["worker"], ["rollback", "--project", "1"]):
        done = run_command(*command)
        assert done.exit_code == 0 if command == ["status"] and "No project" in done.stdout else done.exit_code == 1
        assert "REDIS_URL" in done.stderr or "No project" in done.stdout


@pytest.mark.parametrize("url", ["redis://127.0.0.1:port", "redis://[::1"])
def test_serve_refuses_an_address_that_is_no_redis(environment, run_command, url):
    environment(REDIS_URL=url, PORT=str(free_port()))
    assert "REDIS_URL is no address" in run_command("serve").stderr


def test_a_web_server_at_the_address_of_redis_is_no_redis(environment, run_command):
    with studio_server(Answer(200, "It works!")) as server:
        environment(REDIS_URL=server.url.replace("http://", "redis://"))
        assert "REDIS_URL" in run_command("worker").stderr


@pytest.mark.parametrize("words", UGLY)
def test_a_title_of_label_studio_is_shown_as_it_is(environment, run_command, small_encoder, words):
    with studio_server(labels(title=words)) as server:
        environment(LABEL_STUDIO_URL=server.url, LABEL_STUDIO_API_KEY=LEGACY_KEY, BERT_MODEL=small_encoder)
        shown = run_command("doctor", "--project", "1", "--url", "http://127.0.0.1:1").stdout
    assert f"project 1 ({plain(words)})" in shown
    assert shown.replace("\n", "").isprintable()


@pytest.mark.parametrize("words", UGLY)
def test_an_error_of_a_round_is_shown_as_it_is(environment, run_command, module_redis: Redis, tmp_path, words):
    environment(REDIS_URL=f"unix://{module_redis.connection_pool.connection_kwargs['path']}")
    module_redis.hset(record_key(1), mapping={"error": words.encode("utf-8", "replace"), "code": "internal"})
    ProjectFolder(tmp_path / "data", 1).connection.write(Connection("http://localhost:9090"))
    shown = CliRunner().invoke(command_line("status"), ["status"])
    assert shown.exception is None
    assert plain(words.encode("utf-8", "replace").decode()) in shown.stdout


@pytest.mark.parametrize("words", UGLY)
def test_a_refusal_of_label_studio_is_shown_as_it_is(environment, run_command, words):
    def refuse(asked):
        is_asked_to_connect = (asked.method, asked.path) == ("POST", "/api/ml/")
        return refused_by_label_studio(400, words) if is_asked_to_connect else labels()(asked)

    with studio_server(refuse) as server:
        environment(LABEL_STUDIO_URL=server.url, LABEL_STUDIO_API_KEY=LEGACY_KEY)
        done = run_command("connect", "--project", "1")
    assert done.exit_code == 1
    assert "Label Studio refuses http://localhost:9090 (400)" in done.stderr
    assert done.stderr.replace("\n", "").isprintable()


@pytest.mark.parametrize("words", ["[/var/log]", "[bold]", ":cat:"])
def test_a_wrong_setting_is_shown_as_it_is(environment, run_command, words):
    environment(STRATEGY=words)
    assert words in run_command("status").stderr


def test_a_terminal_that_knows_ascii_alone_shows_every_title(environment, logging_as_it_was, small_encoder):
    with studio_server(labels(title="Stra\u00dfe \u2192 \u732b")) as server:
        environment(LABEL_STUDIO_URL=server.url, LABEL_STUDIO_API_KEY=LEGACY_KEY, BERT_MODEL=small_encoder)
        done = CliRunner(charset="ascii").invoke(command_line("doctor"), ["doctor", "--url", "http://127.0.0.1:1"])
    assert isinstance(done.exception, SystemExit)
    assert "Stra\\xdfe \\u2192 \\u732b" in done.stdout


@pytest.mark.parametrize("url", ["nowhere", "http://[::1", "http://a b", "http://h:port"])
@pytest.mark.parametrize("command", ["connect", "doctor"])
def test_an_address_of_the_backend_that_is_none_is_named(environment, run_command, command, url):
    environment()
    assert "--url: must be a URL" in run_command(command, "--project", "1", "--url", url).stderr


def test_what_nobody_foresaw_ends_with_a_sentence_that_shows_no_text(environment, capsys, logging_as_it_was):
    environment()
    with pytest.raises(SystemExit, match="1"), settings_of_command():
        raise KeyError("a private text")
    said = capsys.readouterr().err
    assert said.startswith("internal: unexpected KeyError (test_commands.py, line ")
    assert "a private text" not in said


def test_promote_uses_the_version_that_waits_and_says_so_where_none_does(
    environment, run_command, module_redis, tmp_path, small_encoder
):
    # Other tests of this module leave errors of rounds there.
    module_redis.flushall()
    environment(REDIS_URL=f"unix://{module_redis.connection_pool.connection_kwargs['path']}")
    folder = ProjectFolder(tmp_path / "data", 1)
    folder.connection.write(Connection("http://localhost:9090"))
    one = Targets((4, 9), ("good film", "bad film"), np.float32([[0, 1], [1, 0]]), SENTIMENT)
    for _ in range(2):
        made = Trained(new_classifier(small_encoder, SENTIMENT))
        folder.registry.write(made, one, TrainingConfig(encoder=small_encoder))
        if folder.registry.current() is None:
            folder.registry.point(1)
    for command in ("promote", "rollback", "prompt", "paste"):
        assert run_command(command, "--project", "8").stderr.startswith("unknown_project: project 8 is unknown here")
    none = run_command("promote", "--project", "1")
    assert (none.exit_code, none.stderr.startswith("not_waiting: no model version of project 1 waits")) == (1, True)
    decision = Decision(2, folder.registry.find(2).fingerprint, 1, True, "model version 2 loses 27.5 points")
    folder.gate.write(decision)
    assert "model version 2 loses 27.5 points (`promote` uses it all the same)" in run_command("status").stdout
    assert "version 7 of project 1 does not wait" in run_command("promote", "--project", "1", "--version", "7").stderr
    done = run_command("promote", "--project", "1", "--version", "2")
    said = "Project 1 uses model version 2 now; its order is published in a moment.\n"
    assert (done.exit_code, done.stdout) == (0, said)
    folder.pause.write(Pause(0.0))
    back = run_command("rollback", "--project", "1").stdout
    assert back.endswith("its order is published once somebody resumes the project, which is paused.\n")
    folder.registry.point(2)
    assert folder.registry.current().number == 2
    assert RoundQueue(module_redis).length() == 1
