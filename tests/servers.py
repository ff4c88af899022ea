"""Real servers for tests: each a process group of its own on loopback, ended by its id."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from redis import Redis

from backend.commands.serving import embedded_redis
from backend.store.project_folder import ProjectFolder
from tests.served_orders import ServedOrder, served_order

ROOT = Path(__file__).resolve().parent.parent
OWNER_EMAIL = "owner@example.com"
OWNER_PASSWORD = "a-password-for-tests"
LEGACY_TOKEN = "0123456789abcdef0123456789abcdef01234567"
# Generous: other work may have the machine's cores. What is waited for is polled, so a quiet machine pays nothing.
START_TIMEOUT_S = 240.0
ROUND_TIMEOUT_S = 400.0
# gunicorn closes connections that rest for 2 s; a request sent just then is lost.
NO_KEEPALIVE = httpx.Limits(max_keepalive_connections=0)

T = TypeVar("T")


def eventually(look: Callable[[], T], what: str, timeout_s: float = ROUND_TIMEOUT_S, every_s: float = 0.05) -> T:
    """The first true answer of `look`; fails with what it said last once the time is over."""
    deadline = time.monotonic() + timeout_s
    while not (found := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_s:.0f} s in vain for {what}; last seen: {found!r}")
        time.sleep(every_s)
    return found


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return int(door.getsockname()[1])


def clean_environment(**settings: str) -> dict[str, str]:
    """This process's environment without anything that would set up Label Studio or us, and with `settings`."""
    ours = re.compile(
        r"^(LABEL_STUDIO_|BASIC_AUTH_|REDIS_URL|MODEL_DIR|PORT$|BERT_MODEL|BASELINE_MODEL_NAME|RETRAIN_EVERY|QUERY_SIZE"
        r"|QUEUE_SIZE|STRATEGY|COLD_START|EXPLORE|RECIPE|LLM_|MISTRAL_|OPENAI_|WORKERS|THREADS|LOG_LEVEL"
        r"|START_TRAINING_EACH_N_UPDATES|ML_BLOCK_LOCAL_IP|SSRF_PROTECTION_ENABLED|SENTRY_DSN)"
    )
    kept = {name: value for name, value in os.environ.items() if not ours.match(name)}
    return {**kept, "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1", **settings}


@contextmanager
def running(command: list[str], environment: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a session of its own, its output in `log`; the whole group is ended, by id."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=dict(environment), stdout=output, stderr=output, start_new_session=True
        )
        try:
            yield process
        finally:
            end_group(process)


def end_group(process: subprocess.Popen[bytes], patience_s: float = 20.0) -> None:
    """Ask the group to end, and insist."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(timeout=patience_s)
        except subprocess.TimeoutExpired:
            continue
        if number is signal.SIGKILL:
            break
    process.wait(timeout=patience_s)


def await_answer(url: str, process: subprocess.Popen[bytes], log: Path, timeout_s: float = START_TIMEOUT_S) -> None:
    """Wait until a started server answers; fail with the end of its log if it dies or stays silent."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            if httpx.get(url, timeout=2.0).is_success:
                return
        except httpx.TransportError:
            pass
        if process.poll() is not None or time.monotonic() > deadline:
            state = f"ended with {process.returncode}" if process.poll() is not None else "does not answer"
            raise AssertionError(f"{url}: the server {state}; its log ends:\n{tail(log)}")
        time.sleep(0.1)


def tail(log: Path, characters: int = 3000) -> str:
    """The end of a log."""
    return log.read_text(encoding="utf-8", errors="replace")[-characters:]


# Label Studio


def label_studio_program() -> Path:
    """LABEL_STUDIO_BIN, or what `make test` installed."""
    program = Path(os.environ.get("LABEL_STUDIO_BIN") or ROOT / ".venv-label-studio" / "bin" / "label-studio")
    if not program.exists():
        pytest.fail(
            f"no Label Studio at {program}: `make test` sets it up (or set LABEL_STUDIO_BIN to the program)",
            pytrace=False,
        )
    return program


@dataclass
class LabelStudioServer:
    """A running Label Studio."""

    url: str
    data_dir: Path
    log: Path


@contextmanager
def label_studio(data_dir: Path, **environment: str) -> Iterator[LabelStudioServer]:
    """Run Label Studio on loopback over a data folder; an empty folder costs a minute of migrations.

    Args:
        data_dir: its database and files.
        **environment: over the usual; an empty value unsets.
    """
    port = free_port()
    data_dir.mkdir(parents=True, exist_ok=True)
    log = data_dir / "label-studio.log"
    usual = {
        "ML_BLOCK_LOCAL_IP": "false",
        "SSRF_PROTECTION_ENABLED": "false",
        "LABEL_STUDIO_BASE_DATA_DIR": str(data_dir),
        "COLLECT_ANALYTICS": "false",
        "LATEST_VERSION_CHECK": "false",
        "LABEL_STUDIO_USERNAME": OWNER_EMAIL,
        "LABEL_STUDIO_PASSWORD": OWNER_PASSWORD,
        "LABEL_STUDIO_USER_TOKEN": LEGACY_TOKEN,
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
    }
    chosen = {name: value for name, value in {**usual, **environment}.items() if value}
    # Empty, not unset: unset, it reports to its makers.
    chosen["SENTRY_DSN"] = ""
    program = [str(label_studio_program()), "start", "--no-browser"]
    command = [*program, "--internal-host", "127.0.0.1", "--port", str(port)]
    with running(command, clean_environment(**chosen), log) as process:
        url = f"http://127.0.0.1:{port}"
        await_answer(f"{url}/health", process, log)
        yield LabelStudioServer(url, data_dir, log)


def migrated_data_dir(folder: Path) -> Path:
    """A data folder whose migrations are done, made on the first call; copy it, and Label Studio starts in seconds."""
    if not (folder / "ready").exists():
        beside = folder.with_name(f"{folder.name}.{os.getpid()}")
        shutil.rmtree(beside, ignore_errors=True)
        with label_studio(beside):
            pass
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
    environment: dict[str, str]
    http: httpx.Client
    process: subprocess.Popen[bytes] = field(repr=False)

    def folder(self, project_id: int) -> ProjectFolder:
        """What it keeps of a project."""
        return ProjectFolder(self.model_dir, project_id)

    def publication(self, project_id: int) -> ServedOrder:
        """The order in use."""
        publication = served_order(self.folder(project_id))
        assert publication is not None, f"nothing is published for project {project_id}"
        return publication

    def status(self, project_id: int) -> dict[str, Any]:
        """What /projects/<id>/status says; empty before the project connected."""
        answer = self.http.get(f"/projects/{project_id}/status")
        return dict(answer.json()) if answer.is_success else {}

    def until(
        self, project_id: int, look: Callable[[dict[str, Any]], Any], what: str, timeout_s: float = ROUND_TIMEOUT_S
    ) -> dict[str, Any]:
        """The first status that `look` likes."""

        def try_once() -> dict[str, Any] | None:
            status = self.status(project_id)
            return status if status and look(status) else None

        try:
            return eventually(try_once, what, timeout_s)
        except AssertionError as error:
            found = self.status(project_id)
            raise AssertionError(f"{error}\nstatus: {found}\nlog:\n{tail(self.log)}") from None

    def until_settled(self, project_id: int, timeout_s: float = ROUND_TIMEOUT_S) -> dict[str, Any]:
        """The status once no round runs or waits, seen three times in a row."""
        resting = 0

        def is_settled(status: dict[str, Any]) -> bool:
            nonlocal resting
            resting = resting + 1 if status["state"] in ("idle", "failed") else 0
            return resting >= 3

        return self.until(project_id, is_settled, f"project {project_id} to settle", timeout_s)

    def worker_pid(self) -> int:
        """The worker that serve started last."""
        started = re.findall(r"event=started child=worker pid=(\d+)", self.log.read_text(encoding="utf-8"))
        return int(started[-1])

    def command(self, *words: str, timeout_s: float = 120.0) -> subprocess.CompletedProcess[str]:
        """`python -m backend …` beside the server, with its environment."""
        return run_backend(self.environment, *words, timeout_s=timeout_s)


def run_backend(
    environment: Mapping[str, str], *words: str, timeout_s: float = 120.0, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """`python -m backend …` to its end."""
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


@contextmanager
def backend(folder: Path, label_studio_url: str, api_key: str, **settings: str) -> Iterator[BackendServer]:
    """Run `python -m backend serve` with its own MODEL_DIR below `folder`, on a free port of loopback."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "backend.log"
    environment = clean_environment(
        LABEL_STUDIO_URL=label_studio_url,
        LABEL_STUDIO_API_KEY=api_key,
        PORT=str(port),
        MODEL_DIR=str(folder / "data"),
        **settings,
    )
    url = f"http://127.0.0.1:{port}"
    serve = [sys.executable, "-m", "backend", "serve"]
    auth = (settings["BASIC_AUTH_USER"], settings["BASIC_AUTH_PASS"]) if "BASIC_AUTH_USER" in settings else None
    with (
        running(serve, environment, log) as process,
        httpx.Client(base_url=url, timeout=60.0, auth=auth, limits=NO_KEEPALIVE) as http,
    ):
        await_answer(f"{url}/health", process, log)
        yield BackendServer(url, folder / "data", log, environment, http, process)


# Redis


@contextmanager
def redis_server(folder: Path) -> Iterator[Redis]:
    """A Redis of its own, on a Unix socket, as `serve` starts it."""
    with embedded_redis(folder) as url, Redis.from_url(url) as redis:
        yield redis
