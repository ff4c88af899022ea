"""Servers for tests: those of examples/servers.py, with waits for statuses and failures that show the log."""

import fcntl
import logging
import os
import re
import shutil
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from redis import Redis
from typer import Typer
from typer.testing import CliRunner

from backend.commands import terminal
from backend.commands.command_line import command_line
from backend.commands.processes.embedded_redis import embedded_redis
from backend.store.project_folder import ProjectFolder
from examples.servers import ROOT, Account, Server, ServerError, backend_server, log_of, tail
from examples.servers import label_studio as start_label_studio
from tests.served_orders import ServedOrder, served_order

LEGACY_TOKEN = "0123456789abcdef0123456789abcdef01234567"
OWNER = Account("owner@example.com", "a-password-for-tests", LEGACY_TOKEN)
# Generous: other programs may use the machine's cores. A wait ends as soon as its condition holds.
ROUND_TIMEOUT_S = 400.0
# The pause between looks at what takes long.
SELDOM_S = 0.25
# gunicorn closes idle connections; a request sent at that moment would be lost.
NO_KEEPALIVE = httpx.Limits(max_keepalive_connections=0)

T = TypeVar("T")


def eventually(look: Callable[[], T | None], what: str, timeout_s: float = ROUND_TIMEOUT_S, every_s: float = 0.05) -> T:
    """Call `look` until its answer is true, and return the answer; fail after `timeout_s` with the last answer.

    The looks become rarer the longer it takes, up to SELDOM_S: a look takes time from what is waited for.
    """
    deadline = time.monotonic() + timeout_s
    while not (found := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_s:.0f} s for {what} without success; last answer: {found!r}")
        time.sleep(every_s)
        every_s = max(every_s, min(every_s * 1.1, SELDOM_S))
    return found


def await_health(server: Server) -> None:
    """Wait until a started server answers; fail with the end of its log if it does not."""
    try:
        server.await_health()
    except ServerError as error:
        raise AssertionError(f"{error}; its log ends:\n{tail(server.log)}") from None


# Label Studio


def label_studio_program() -> Path:
    """The program of LABEL_STUDIO_BIN, or the one that `make test` installed."""
    program = Path(os.environ.get("LABEL_STUDIO_BIN") or ROOT / ".venv-label-studio" / "bin" / "label-studio")
    if not program.exists():
        pytest.fail(
            f"no Label Studio at {program}: `make test` sets it up (or set LABEL_STUDIO_BIN to the program)",
            pytrace=False,
        )
    return program


@contextmanager
def label_studio(data_dir: Path, **environment: str) -> Iterator[Server]:
    """Run Label Studio over a data folder until it answers; an empty folder costs a minute of migrations.

    Args:
        data_dir: for its database and files.
        **environment: overrides of the usual variables; an empty value removes one.
    """
    with start_label_studio(label_studio_program(), data_dir, OWNER, 0, **environment) as server:
        await_health(server)
        yield server


def migrated_data_dir(folder: Path) -> Path:
    """A data folder after migrations, made on the first call; Label Studio starts in seconds on a copy of it."""
    # Test processes side by side wait for the one that migrates.
    with folder.with_name(f"{folder.name}.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "ready").exists():
            beside = folder.with_name(f"{folder.name}.{os.getpid()}")
            shutil.rmtree(beside, ignore_errors=True)
            with label_studio(beside):
                pass
            log_of(beside).unlink()
            (beside / "ready").touch()
            shutil.rmtree(folder, ignore_errors=True)
            beside.rename(folder)
    return folder


# The backend


@dataclass
class BackendServer:
    """A running `python -m backend serve`."""

    url: str
    model_dir: Path
    log: Path
    environment: Mapping[str, str]
    http: httpx.Client

    def folder(self, project_id: int) -> ProjectFolder:
        """The folder of a project."""
        return ProjectFolder(self.model_dir, project_id)

    def publication(self, project_id: int) -> ServedOrder:
        """The order in use."""
        publication = served_order(self.folder(project_id))
        assert publication is not None, f"nothing is published for project {project_id}"
        return publication

    def status(self, project_id: int) -> dict[str, Any]:
        """The answer of /projects/<id>/status; empty before the project is connected."""
        answer = self.http.get(f"/projects/{project_id}/status")
        return dict(answer.json()) if answer.is_success else {}

    def until(
        self, project_id: int, look: Callable[[dict[str, Any]], Any], what: str, timeout_s: float = ROUND_TIMEOUT_S
    ) -> dict[str, Any]:
        """Wait for a status that `look` accepts, and return it."""

        def try_once() -> dict[str, Any] | None:
            status = self.status(project_id)
            return status if status and look(status) else None

        try:
            return eventually(try_once, what, timeout_s)
        except AssertionError as error:
            found = self.status(project_id)
            raise AssertionError(f"{error}\nstatus: {found}\nlog:\n{tail(self.log)}") from None

    def until_settled(self, project_id: int, timeout_s: float = ROUND_TIMEOUT_S) -> dict[str, Any]:
        """Wait until no round runs or waits three times in a row; returns the status."""

        def rests(status: dict[str, Any]) -> bool:
            return status["state"] in ("idle", "failed")

        def rests_a_moment_later() -> bool:
            time.sleep(0.05)
            return rests(self.status(project_id))

        def is_settled(status: dict[str, Any]) -> bool:
            return rests(status) and rests_a_moment_later() and rests_a_moment_later()

        return self.until(project_id, is_settled, f"project {project_id} to settle", timeout_s)

    def worker_pid(self) -> int:
        """The process id of the worker that `serve` started last."""
        return self.child_pid("worker")

    def child_pid(self, name: str) -> int:
        """The process id of the worker, the web server or the Redis that `serve` started last."""
        started = re.findall(rf"event=started child={name} pid=(\d+)", self.log.read_text(encoding="utf-8"))
        return int(started[-1])

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m backend …` with the server's environment, within this process."""
        return run_here(self.environment, *words)


def run_backend(
    environment: Mapping[str, str], *words: str, timeout_s: float = 300.0, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run `python -m backend …` and wait for its end."""
    return subprocess.run(
        [sys.executable, "-m", "backend", *words],
        cwd=ROOT,
        env={**environment, "COLUMNS": "400", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        input=stdin,
        timeout=timeout_s,
        check=False,
    )


def run_here(environment: Mapping[str, str], *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run `python -m backend …` within this process, whose imports alone would take a process of its own seconds."""
    return invoke_here(command_line(words[0]), environment, *words, stdin=stdin)


def invoke_here(
    app: Typer, environment: Mapping[str, str], *words: str, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a command line within this process; an exception that nobody caught is raised."""
    with _as_in_a_process_of_its_own(environment):
        done = CliRunner().invoke(app, words, input=stdin)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return subprocess.CompletedProcess(words, done.exit_code, done.stdout, done.stderr)


@contextmanager
def _as_in_a_process_of_its_own(environment: Mapping[str, str]) -> Iterator[None]:
    """Give a command its environment, and put back what commands change in their process."""
    mask, loggers = os.umask(0o077), [logging.getLogger(name) for name in ("", "backend", "model")]
    before = [(logger, logger.handlers[:], logger.level) for logger in loggers]
    # Warnings are errors in tests. A process of its own would only show them.
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(action="ignore"):
        for name in os.environ.keys() - environment.keys():
            patch.delenv(name)
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.setattr(terminal.console, "width", 400)
        try:
            yield
        finally:
            os.umask(mask)
            for logger, handlers, level in before:
                logger.handlers[:] = handlers
                logger.setLevel(level)


@contextmanager
def backend(folder: Path, label_studio_url: str, api_key: str, **settings: str) -> Iterator[BackendServer]:
    """Run the backend until it answers, with its own MODEL_DIR below `folder`."""
    model_dir = folder / "data"
    key = {"LABEL_STUDIO_URL": label_studio_url, "LABEL_STUDIO_API_KEY": api_key}
    auth = (settings["BASIC_AUTH_USER"], settings["BASIC_AUTH_PASS"]) if "BASIC_AUTH_USER" in settings else None
    with (
        backend_server(model_dir, {**key, **settings}) as server,
        httpx.Client(base_url=server.url, timeout=60.0, auth=auth, limits=NO_KEEPALIVE) as http,
    ):
        await_health(server)
        yield BackendServer(server.url, model_dir, server.log, server.environment, http)


# Redis


@contextmanager
def redis_server(folder: Path) -> Iterator[Redis]:
    """Run a Redis on a Unix socket, as `serve` does."""
    with embedded_redis(folder) as url, Redis.from_url(url) as redis:
        yield redis
