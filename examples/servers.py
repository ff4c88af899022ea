"""The demo's servers: a fresh Label Studio and this backend, both on this machine."""

import os
import secrets
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from label_studio_sdk import LabelStudio
from pydantic import SecretStr
from rich.console import Console

from backend.commands.serving import Child
from backend.errors import ConfigurationError
from backend.settings import Settings, environment_names

FOLDER = Path("demo-data")
LABEL_STUDIO_LOG = "label-studio.log"
BACKEND_LOG = "backend.log"
EMAIL = "demo@example.com"
PASSWORD = "shortlist-demo"  # noqa: S105 - printed for everybody to see, for a server on this machine only
# Label Studio makes its database at the first start: most of a minute, more on a busy machine.
START_TIMEOUT_S = 300.0
STOP_TIMEOUT_S = 45.0
_POLL_S = 0.25


@dataclass(frozen=True)
class DemoServers:
    """Two running servers.

    Attributes:
        settings: what the backend runs with.
        client: the annotator's way into Label Studio.
    """

    label_studio_url: str
    backend_url: str
    settings: Settings
    client: LabelStudio
    children: tuple[Child, ...]
    email: str = EMAIL
    password: str = PASSWORD

    def get(self, path: str) -> Any:
        """Ask Label Studio for something that the SDK has no method for."""
        token = self.settings.label_studio_api_key
        headers = {"Authorization": f"Token {token.get_secret_value() if token else ''}"}
        return httpx.get(f"{self.label_studio_url}/{path}", headers=headers, timeout=60.0).raise_for_status().json()

    def wait(self) -> None:
        """Wait until one of them ends; Ctrl-C ends both."""
        while all(child.is_alive() for child in self.children):
            time.sleep(_POLL_S)


@contextmanager
def start_servers(console: Console, label_studio: Path, folder: Path = FOLDER) -> Iterator[DemoServers]:
    """Start both, with an empty database; stop both in the end.

    Args:
        console: where to say what is waited for.
        label_studio: its program.
        folder: for all that they keep and log; emptied first.

    Raises:
        ConfigurationError: Label Studio is not installed there, or a server does not come up.
    """
    if not label_studio.exists():
        raise ConfigurationError(f"no Label Studio at {label_studio}: run `make demo`, which installs it")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    label_studio_log, backend_log = folder / LABEL_STUDIO_LOG, folder / BACKEND_LOG
    label_studio_url, backend_url = (f"http://127.0.0.1:{_free_port(port)}" for port in (8080, 9090))
    token = secrets.token_hex(20)
    settings = Settings.model_validate(
        {
            "label_studio_url": label_studio_url,
            "label_studio_api_key": SecretStr(token),
            "model_dir": folder / "backend",
        }
    )
    with ExitStack() as stack:
        children = (
            Child(
                "label-studio",
                _label_studio_command(label_studio, label_studio_url),
                _environment(token, folder),
                label_studio_log,
            ),
            Child(
                "backend",
                [sys.executable, "-m", "backend", "serve"],
                _backend(settings, backend_url, token),
                backend_log,
                STOP_TIMEOUT_S,
            ),
        )
        for child in children:
            stack.callback(child.stop)
            child.start()
        _await(console, "Label Studio starts and makes its database", label_studio_url, children[0], label_studio_log)
        _await(console, "The backend starts", backend_url, children[1], backend_log)
        client = LabelStudio(base_url=label_studio_url, api_key=token, follow_redirects=False)
        yield DemoServers(label_studio_url, backend_url, settings, client, children)


def _label_studio_command(program: Path, url: str) -> list[str]:
    port = url.rsplit(":", 1)[1]
    return [str(program.resolve()), "start", "--no-browser", "--internal-host", "127.0.0.1", "--port", port]


def _environment(token: str, folder: Path) -> dict[str, str]:
    """Label Studio reaches only public addresses unless told otherwise, and we are on this machine."""
    return {
        **os.environ,
        "LABEL_STUDIO_BASE_DATA_DIR": str((folder / "label-studio").resolve()),
        "ML_BLOCK_LOCAL_IP": "false",
        "SSRF_PROTECTION_ENABLED": "false",
        # An import of predictions recounts the tasks that it is about, and not all of the project.
        "fflag_fix_back_4620_memory_efficient_predictions_import_08012025_short": "true",
        "COLLECT_ANALYTICS": "false",
        "LATEST_VERSION_CHECK": "false",
        "SENTRY_DSN": "",
        "LABEL_STUDIO_USERNAME": EMAIL,
        "LABEL_STUDIO_PASSWORD": PASSWORD,
        "LABEL_STUDIO_USER_TOKEN": token,
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
    }


def _backend(settings: Settings, url: str, token: str) -> dict[str, str]:
    """The defaults, whatever this shell's environment says of another installation."""
    return {
        **{key: value for key, value in os.environ.items() if key not in environment_names()},
        "LABEL_STUDIO_URL": settings.label_studio_url,
        "LABEL_STUDIO_API_KEY": token,
        "PORT": url.rsplit(":", 1)[1],
        "MODEL_DIR": str(settings.model_dir.resolve()),
    }


def _free_port(wanted: int) -> int:
    """The usual port if nobody has it, else any."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("0.0.0.0", port))  # noqa: S104 - only to see whether a server could
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise ConfigurationError("no free port on this machine")


def _await(console: Console, doing: str, url: str, child: Child, log: Path) -> None:
    """Wait for /health, saying what we wait for and how long it has taken."""
    began = time.monotonic()
    with console.status(doing) as status:
        while not _is_up(url):
            waited_s = time.monotonic() - began
            if not child.is_alive() or waited_s > START_TIMEOUT_S:
                raise ConfigurationError(f"{doing}: it did not come up in {waited_s:.0f} s; {log} says why")
            status.update(f"{doing} ({waited_s:.0f} s)")
            time.sleep(_POLL_S)
    console.print(f"{doing}: {time.monotonic() - began:.0f} s")


def _is_up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=2.0).is_success
    except httpx.HTTPError:
        return False
