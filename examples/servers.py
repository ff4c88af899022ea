"""Label Studio and the backend as processes on this machine: started, waited for, and ended by their process ids.

The demo, the tests and the benchmarks start their servers here. Each server leads a process group of its own and writes
its output to a log file beside its data folder.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from backend.commands.processes.child import end_with_parent
from backend.settings import environment_names
from model.errors import ShortlistError

ROOT = Path(__file__).resolve().parents[1]
# Label Studio makes its database at the first start: most of a minute, more on a busy machine.
START_TIMEOUT_S = 300.0
STOP_TIMEOUT_S = 45.0
_POLL_S = 0.1
# Settings of Label Studio whose names do not begin with LABEL_STUDIO_.
_LABEL_STUDIO_NAMES = {"ML_BLOCK_LOCAL_IP", "SSRF_PROTECTION_ENABLED", "SENTRY_DSN"}


class ServerError(ShortlistError):
    """A server did not start."""

    code = "server"


@dataclass(frozen=True)
class Account:
    """Label Studio's first user.

    Attributes:
        token: the user's legacy token, good as API key.
    """

    email: str
    password: str
    token: str


@dataclass(frozen=True)
class Server:
    """A started server; it may not answer yet.

    Attributes:
        name: for messages.
        url: its origin.
        log: the file that has its output.
        environment: all of its environment, for commands that use the same settings.
        process: the leader of its process group.
    """

    name: str
    url: str
    log: Path
    environment: Mapping[str, str] = field(repr=False)
    process: subprocess.Popen[bytes] = field(repr=False)

    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self.process.poll() is None

    def await_health(self, on_wait: Callable[[float], None] = lambda waited_s: None) -> float:
        """Wait until the server answers GET /health.

        Args:
            on_wait: called again and again with the seconds that have passed.

        Returns:
            The seconds that it took.

        Raises:
            ServerError: the process ended, or START_TIMEOUT_S passed.
        """
        began = time.monotonic()
        # One client for all looks: each new one would read all certificates.
        with httpx.Client(timeout=2.0, trust_env=False) as http:
            while not _is_healthy(http, self.url):
                waited_s = time.monotonic() - began
                if not self.is_alive():
                    raise ServerError(
                        f"{self.name} ended with code {self.process.returncode} after {waited_s:.0f} s and never "
                        f"answered at {self.url}: read {self.log}, which says why"
                    )
                if waited_s > START_TIMEOUT_S:
                    raise ServerError(
                        f"{self.name} runs but has not answered at {self.url} for {waited_s:.0f} s: read {self.log}, "
                        "and try again when the machine has less to do"
                    )
                on_wait(waited_s)
                time.sleep(_POLL_S)
        return time.monotonic() - began


@contextmanager
def label_studio(
    program: Path, data_dir: Path, account: Account, port: int = 0, **environment: str
) -> Iterator[Server]:
    """Run Label Studio; wait for it with `await_health`.

    Args:
        program: the label-studio program.
        data_dir: for its database and files; an empty folder costs a minute of migrations.
        account: the user whom it signs up in an empty folder.
        port: the port to listen on if it is free.
        **environment: overrides of the usual variables; an empty value removes one.
    """
    usual = {
        "LABEL_STUDIO_BASE_DATA_DIR": str(data_dir.resolve()),
        # By default Label Studio refuses to call private addresses, and the backend has one.
        "ML_BLOCK_LOCAL_IP": "false",
        "SSRF_PROTECTION_ENABLED": "false",
        "COLLECT_ANALYTICS": "false",
        "LATEST_VERSION_CHECK": "false",
        "LABEL_STUDIO_USERNAME": account.email,
        "LABEL_STUDIO_PASSWORD": account.password,
        "LABEL_STUDIO_USER_TOKEN": account.token,
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
    }
    # Without the variable Label Studio reports errors to its makers; with an empty one it does not.
    settings = {name: value for name, value in {**usual, **environment}.items() if value} | {"SENTRY_DSN": ""}
    port = free_port(port)
    command = [str(program.absolute()), "start", "--no-browser", "--internal-host", "127.0.0.1", "--port", str(port)]
    with _server("Label Studio", command, clean_environment(settings), data_dir, port) as server:
        yield server


@contextmanager
def backend_server(model_dir: Path, settings: Mapping[str, str], port: int = 0) -> Iterator[Server]:
    """Run `python -m backend serve`; wait for it with `await_health`.

    Args:
        model_dir: for all that the backend keeps.
        settings: environment variables; every other setting has its default.
        port: the port to listen on if it is free.
    """
    port = free_port(port)
    # Relative to the folder that the program starts in, as the default ./data is.
    folder = os.path.relpath(model_dir, ROOT)
    environment = clean_environment({**settings, "MODEL_DIR": folder, "PORT": str(port)})
    with _server("The backend", [sys.executable, "-m", "backend", "serve"], environment, model_dir, port) as server:
        yield server


@contextmanager
def _server(
    name: str, command: list[str], environment: Mapping[str, str], data_dir: Path, port: int
) -> Iterator[Server]:
    data_dir.mkdir(parents=True, exist_ok=True)
    log = log_of(data_dir)
    with running(command, environment, log) as process:
        yield Server(name, f"http://127.0.0.1:{port}", log, environment, process)


def log_of(data_dir: Path) -> Path:
    """The log of the server that keeps its data in a folder."""
    return data_dir.with_name(f"{data_dir.name}.log")


@contextmanager
def running(command: list[str], environment: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program in a process group of its own, with its output in `log`; end the group on leaving."""
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 - callers give the command line
            command,
            cwd=ROOT,
            env=dict(environment),
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - takes no lock
        )
    try:
        yield process
    finally:
        end_group(process)


def end_group(process: subprocess.Popen[bytes], timeout_s: float = STOP_TIMEOUT_S) -> None:
    """Ask a process group to end; kill what is left of it when its leader has ended or the time is over."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            continue
    process.wait(timeout=timeout_s)


def clean_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment, with `settings` in place of every setting of Label Studio and the backend."""
    kept = {name: value for name, value in os.environ.items() if not _is_setting(name)}
    return {**kept, "PYTHONUNBUFFERED": "1", **settings}


def _is_setting(name: str) -> bool:
    return name.startswith("LABEL_STUDIO_") or name in _LABEL_STUDIO_NAMES | environment_names()


def free_port(wanted: int = 0) -> int:
    """`wanted` if nobody listens there, else any free port.

    Raises:
        ServerError: this machine has no free port.
    """
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("0.0.0.0", port))  # noqa: S104 - a port that is free on every address
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise ServerError("this machine has no free port: end a program that listens on one")


def tail(log: Path, characters: int = 3000) -> str:
    """The end of a log."""
    return log.read_text(encoding="utf-8", errors="replace")[-characters:]


def _is_healthy(http: httpx.Client, url: str) -> bool:
    try:
        return http.get(f"{url}/health").is_success
    except httpx.HTTPError:
        return False
