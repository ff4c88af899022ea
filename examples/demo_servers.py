"""The demo's Label Studio and backend, which the loop's benchmark uses too: both fresh, both in one folder."""

import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from label_studio_sdk import LabelStudio
from pydantic import SecretStr
from rich.console import Console

from backend.settings import Settings
from examples.servers import Account, Server, ServerError, backend_server, label_studio

FOLDER = Path("demo-data")
EMAIL = "demo@example.com"
PASSWORD = "shortlist-demo"  # noqa: S105 - printed for everybody to see, for a server on this machine only
LABEL_STUDIO_PORT, BACKEND_PORT = 8080, 9090
# With this flag, importing predictions makes Label Studio recount their tasks alone, and not the whole project.
QUICK_IMPORTS = {"fflag_fix_back_4620_memory_efficient_predictions_import_08012025_short": "true"}
_WATCH_S = 0.25


@dataclass(frozen=True)
class DemoServers:
    """Two servers that answer.

    Attributes:
        account: the annotator's.
        settings: the backend's.
        client: the annotator's way into Label Studio.
    """

    label_studio: Server
    backend: Server
    account: Account
    settings: Settings
    client: LabelStudio

    def get(self, path: str) -> Any:
        """Ask Label Studio for something that the SDK has no method for."""
        return self._request("GET", path)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Have Label Studio make something that the SDK has no method for."""
        return self._request("POST", path, body)

    def _request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        headers = {"Authorization": f"Token {self.account.token}"}
        url = f"{self.label_studio.url}/{path}"
        answer = httpx.request(method, url, json=body, headers=headers, timeout=60.0, trust_env=False)
        return answer.raise_for_status().json()

    def wait(self) -> None:
        """Wait until one server ends; Ctrl-C ends both."""
        while self.label_studio.is_alive() and self.backend.is_alive():
            time.sleep(_WATCH_S)


@contextmanager
def start_servers(console: Console, program: Path, folder: Path = FOLDER) -> Iterator[DemoServers]:
    """Start both servers, with an empty database; stop both in the end.

    Args:
        console: where to say which server is waited for.
        program: the label-studio program.
        folder: for the servers' data and logs; emptied first.

    Raises:
        ServerError: Label Studio is not installed there, or a server does not start.
    """
    if not program.exists():
        raise ServerError(f"no Label Studio at {program}: run `make demo`, which installs it")
    shutil.rmtree(folder, ignore_errors=True)
    account = Account(EMAIL, PASSWORD, secrets.token_hex(20))
    with label_studio(program, folder / "label-studio", account, LABEL_STUDIO_PORT, **QUICK_IMPORTS) as studio:
        key = {"LABEL_STUDIO_URL": studio.url, "LABEL_STUDIO_API_KEY": account.token}
        model_dir = folder / "backend"
        with backend_server(model_dir, key, BACKEND_PORT) as backend:
            _await(console, "Label Studio starts and makes its database", studio)
            _await(console, "The backend starts", backend)
            settings = Settings.model_validate(
                {
                    "label_studio_url": studio.url,
                    "label_studio_api_key": SecretStr(account.token),
                    "model_dir": model_dir,
                }
            )
            client = LabelStudio(base_url=studio.url, api_key=account.token, follow_redirects=False)
            yield DemoServers(studio, backend, account, settings, client)


def _await(console: Console, doing: str, server: Server) -> None:
    """Wait for a server, and say how long it has taken."""
    with console.status(doing) as status:
        waited_s = server.await_health(lambda so_far_s: status.update(f"{doing} ({so_far_s:.0f} s)"))
    console.print(f"{doing}: {waited_s:.0f} s")
