"""The demo's annotator: labels what Label Studio serves next, and waits for the model that comes of it."""

import time
from collections.abc import Callable
from typing import Any

from backend.store.project_folder import ProjectFolder
from backend.work.queue import RoundQueue
from backend.work.redis_access import open_redis
from examples.demo_servers import DemoServers
from model.errors import ShortlistError

LOGS = "the logs are in demo-data/"
ROUND_TIMEOUT_S = 300.0
_POLL_S = 0.2


class DemoError(ShortlistError):
    """The demo cannot go on."""

    code = "demo"


class Annotator:
    """Labels the task that Label Studio serves next, always correctly."""

    def __init__(self, servers: DemoServers, project_id: int, gold: dict[str, str]) -> None:
        self.folder = ProjectFolder(servers.settings.model_dir, project_id)
        self.labelled: list[str] = []
        self._servers = servers
        self._project_id = project_id
        self._gold = gold
        self._rounds = RoundQueue(open_redis(servers.settings))

    def next_task(self) -> dict[str, Any]:
        """The task that Label Studio shows next."""
        task: dict[str, Any] = self._servers.get(f"api/projects/{self._project_id}/next")
        return task

    def label_one(self) -> None:
        """Open the next task and submit its label."""
        task = self.next_task()
        text = task["data"]["text"]
        choice = {"from_name": "intent", "to_name": "text", "type": "choices", "value": {"choices": [self._gold[text]]}}
        self._servers.client.annotations.create(task["id"], result=[choice])
        self.labelled.append(text)

    def next_and_why(self) -> tuple[str, str]:
        """The next text, and the ordering hook's reason for it."""
        task = self.next_task()
        with self.folder.publications.open() as order:
            place = order.find([task["id"]]).get(task["id"]) if order else None
        return task["data"]["text"], place.reason if place else "not in the order"

    def await_model(self, number: int, on_wait: Callable[[str], None]) -> None:
        """Wait until model version `number` is in use.

        Raises:
            DemoError: the round failed or took longer than ROUND_TIMEOUT_S.
        """
        deadline = time.monotonic() + ROUND_TIMEOUT_S
        while not self._has_model(number):
            state = self._rounds.state(self._project_id)
            if state.last_error or time.monotonic() > deadline:
                raise DemoError(f"no model version {number}: {state.last_error or 'it takes too long'} ({LOGS})")
            done = f" {state.progress['done']}/{state.progress['total']}" if state.progress else ""
            on_wait(f"{state.state}{done}")
            time.sleep(_POLL_S)

    def _has_model(self, number: int) -> bool:
        current = self.folder.registry.current()
        has_order = self.folder.publications.name().startswith(f"{number}.")
        return has_order and (number == 0 or (current is not None and current.number == number))
