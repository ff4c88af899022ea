"""A Label Studio project of gold texts, connected to the backend that the loop's benchmark measures."""

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any

import httpx
from rich.console import Console
from rich.progress import track

from backend.store.order.head import Publication
from backend.store.project_folder import ProjectFolder
from backend.studio.client import LabelStudioClient
from backend.studio.connecting import refusal
from backend.work.queue import RoundQueue
from backend.work.redis_access import open_redis
from benchmarks.loop.watch import LoopError, RoundWatch
from examples.demo_servers import DemoServers

TASKS_AN_IMPORT = 1000
# RETRAIN_EVERY above every label count: only Start Training makes a training due.
NEVER = 100_000
IsWanted = Callable[[Publication], bool]


class BenchProject:
    """One project of gold texts; some are labelled at once, and it connects after the import.

    Attributes:
        labelled: how many tasks have labels.
        labelled_ids: tasks that had labels from the start.
        rounds: waits for the project's rounds.
    """

    def __init__(self, servers: DemoServers, console: Console, gold: Mapping[str, str], labelled: int) -> None:
        self.labelled = labelled
        self._gold = gold
        self._console = console
        self._servers = servers
        headers = {"Authorization": f"Token {servers.account.token}"}
        self._http = httpx.Client(base_url=servers.label_studio.url, headers=headers, timeout=120.0)
        self.project_id = self._create()
        self._folder = ProjectFolder(servers.settings.model_dir, self.project_id)
        self.rounds = RoundWatch(self._folder, RoundQueue(open_redis(servers.settings)), console)
        items = list(gold.items())
        self.labelled_ids = self._import([self._task(text, label) for text, label in items[:labelled]])
        self._import([self._task(text) for text, _ in items[labelled:]])
        self._annotated: set[int] = set()
        self._ordered: tuple[str, list[int]] = ("", [])

    def connect(self, url: str = "", **extra_params: Any) -> None:
        """Connect the backend as the Connect Model dialog does; the first round follows.

        Args:
            url: address of the backend; empty: its own.
            **extra_params: the dialog's; none: only Start Training trains.

        Raises:
            LabelStudioError: Label Studio refused.
        """
        url = url or self._servers.backend.url
        backend = {
            "url": url,
            "title": "Shortlist",
            "auth_method": "NONE",
            "extra_params": json.dumps(extra_params or {"retrain_every": NEVER}),
        }
        with LabelStudioClient(self._servers.settings) as client:
            response = client.connect_backend(self.project_id, backend)
        if response.is_error:
            raise refusal(response, url)
        self._backend_id = int(response.json()["id"])

    def start_training(self) -> None:
        """Press Start Training."""
        self.call("POST", f"/api/ml/{self._backend_id}/train", {})

    def open_next(self) -> int:
        """Ask for the next task; Label Studio reserves it for this annotator until it is annotated."""
        return int(self.call("GET", f"/api/projects/{self.project_id}/next")["id"])

    def annotate_next(self) -> None:
        """Give the next task its gold label."""
        task = self.call("GET", f"/api/projects/{self.project_id}/next")
        self.call("POST", f"/api/tasks/{task['id']}/annotations/", self.answer(task))
        self.labelled += 1
        self._annotated.add(task["id"])

    def answer(self, task: Mapping[str, Any]) -> dict[str, Any]:
        """The annotation that gives a task its gold label."""
        return {"result": [self._choice(self._gold[task["data"]["text"]])], "lead_time": 2.0}

    def serves(self, is_wanted: IsWanted) -> bool:
        """Whether Label Studio serves a publication that `is_wanted` accepts.

        It opens no task, because an open task would be handed out again under later orders.
        """
        publication = self.publication()
        return publication is not None and is_wanted(publication) and self._model_version() == publication.name

    def hands_out(self, is_wanted: IsWanted) -> bool:
        """Whether Label Studio serves such a publication and hands out its first open task.

        Raises:
            LoopError: Label Studio hands out another task.
        """
        if not self.serves(is_wanted):
            return False
        # The order may have changed while Label Studio answered.
        before, served, after = self._first_open(), self.open_next(), self._first_open()
        if served not in (before, after):
            raise LoopError(
                f"Label Studio hands out task {served}; the order {self._folder.publications.name()} has {after} first"
            )
        return True

    def publication(self) -> Publication | None:
        """The head of the order in use."""
        return self._folder.publications.current()

    def recipe(self) -> str:
        """The recipe that trained the model in use."""
        current = self._folder.registry.current()
        return current.recipe_used if current else ""

    def call(self, method: str, path: str, body: Any = None, **params: Any) -> Any:
        """Call Label Studio's API; returns the JSON of the answer, or None if the answer is empty.

        Raises:
            LoopError: Label Studio refused or did not answer.
        """
        try:
            answer = self._http.request(method, path, json=body, params=params or None)
        except httpx.TransportError as error:
            raise LoopError(f"{method} {path}: Label Studio did not answer ({type(error).__name__})") from error
        if answer.is_error:
            raise LoopError(f"{method} {path}: Label Studio answered {answer.status_code}: {answer.text[:300]}")
        return answer.json() if answer.content else None

    def _create(self) -> int:
        choices = "".join(f'<Choice value="{label}"/>' for label in sorted(set(self._gold.values())))
        config = (
            f'<View><Text name="text" value="$text"/><Choices name="topic" toName="text">{choices}</Choices></View>'
        )
        title = f"{len(self._gold):,} news, {self.labelled:,} labelled"
        return int(self.call("POST", "/api/projects/", {"title": title, "label_config": config})["id"])

    def _import(self, tasks: Sequence[Mapping[str, Any]]) -> list[int]:
        """Import tasks in chunks of TASKS_AN_IMPORT; returns their ids."""
        task_ids: list[int] = []
        path = f"/api/projects/{self.project_id}/import"
        starts = range(0, len(tasks), TASKS_AN_IMPORT)
        doing, is_quiet = f"Importing {len(tasks):,} tasks", not self._console.is_terminal
        for start in track(starts, doing, console=self._console, transient=True, disable=is_quiet):
            chunk = list(islice(tasks, start, start + TASKS_AN_IMPORT))
            task_ids += self.call("POST", path, chunk, return_task_ids="true")["task_ids"]
        return task_ids

    def _task(self, text: str, label: str = "") -> dict[str, Any]:
        annotations = [{"result": [self._choice(label)]}] if label else []
        return {"data": {"text": text}, "annotations": annotations}

    def _choice(self, label: str) -> dict[str, Any]:
        return {"from_name": "topic", "to_name": "text", "type": "choices", "value": {"choices": [label]}}

    def _first_open(self) -> int | None:
        return next((task_id for task_id in self._ordered_ids() if task_id not in self._annotated), None)

    def _ordered_ids(self) -> list[int]:
        """Every task of the order in use, first = next; read once for each order."""
        name = self._folder.publications.name()
        if self._ordered[0] != name:
            with self._folder.publications.open() as order:
                self._ordered = (name, order.texts()[0].tolist() if order else [])
        return self._ordered[1]

    def _model_version(self) -> str:
        return str(self.call("GET", f"/api/projects/{self.project_id}/")["model_version"])
