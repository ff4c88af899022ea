"""The public members that a fake shares with the class that it stands for; mypy checks both against these protocols.

The last function is never called: its annotations make mypy compare. A fake without a member of its protocol, or with
another signature, fails `mypy`. tests/unit/test_contracts.py checks that the protocol of a turn names every public
member of the real class, so that a new member of the real class reaches the fake.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from backend.studio.answers import Column, Tab
from backend.studio.client import LabelStudioClient
from backend.studio.records import Project, Task
from backend.work.queue import RoundQueue
from backend.work.requests import Requested
from backend.work.states import RoundState
from backend.work.turn import Turn
from model.llm.chat import Chat
from model.progress import Progress
from tests.fake_chats import ScriptedChat
from tests.fake_tasks import TaskedLabelStudio
from tests.fakes import FakeLabelStudio, FakeRounds, FakeTurn


class Rounds(Protocol):
    """What routes and rounds use of a RoundQueue."""

    def ping(self) -> None: ...

    def request(
        self,
        project_id: int,
        *,
        changes: int = 0,
        train: bool = False,
        task_ids: Collection[int] = (),
        are_all_named: bool = True,
    ) -> str: ...

    def request_later(self, project_id: int, delay_s: float) -> None: ...

    def forget(self, project_id: int) -> None: ...

    def request_errand(self, project_id: int) -> bool: ...

    def has_errand(self, project_id: int) -> bool: ...

    def drop_errand(self, project_id: int) -> None: ...

    def state(self, project_id: int) -> RoundState: ...

    def length(self) -> int: ...

    def anybody_waits(self) -> bool: ...

    def anybody_runs(self) -> bool: ...


class RoundTurn(Protocol):
    """Every public member of a Turn."""

    project_id: int
    deaths: int
    requested: Requested
    again_in_s: float | None

    def take(self) -> bool: ...

    def is_lost(self) -> bool: ...

    def check(self) -> None: ...

    def may_switch(self) -> bool: ...

    def come_back(self, delay_s: float) -> None: ...

    def step(self, name: str) -> None: ...

    def progress(self, done: int, total: int, loss: float | None = None) -> None: ...

    def next_delay_s(self) -> int: ...

    def end(self, error: str = "", code: str = "", *, is_honoured: bool | None = None) -> None: ...


class PredictionStore(Protocol):
    """What rounds use of a LabelStudioClient besides reading tasks."""

    def project(self, project_id: int) -> Project: ...

    def import_predictions(
        self, project_id: int, predictions: Sequence[Mapping[str, Any]], on_progress: Progress
    ) -> None: ...

    def use_model_version(self, project_id: int, model_version: str) -> None: ...

    def prediction_counts(self, project_id: int) -> dict[str, int]: ...

    def prediction_ids(self, project_id: int, model_versions: Collection[str]) -> list[int]: ...

    def delete_predictions(self, project_id: int, model_version: str) -> None: ...

    def delete_prediction(self, prediction_id: int) -> None: ...

    def tabs(self, project_id: int) -> list[Tab]: ...

    def columns(self, project_id: int) -> list[Column]: ...

    def make_tab(self, project_id: int, data: Mapping[str, Any]) -> int: ...


class TaskSource(Protocol):
    """What reading a project's tasks uses of a LabelStudioClient."""

    def project(self, project_id: int) -> Project: ...

    def tasks(self, project_id: int, above: int = 0, since: datetime | None = None) -> Iterator[list[Task]]: ...

    def tasks_by_id(
        self, project_id: int, task_ids: Collection[int], controls: Collection[str]
    ) -> Iterator[list[Task]]: ...

    def last_change(self, project_id: int) -> datetime | None: ...


def _fakes_match_the_real_things(client: LabelStudioClient, rounds: RoundQueue, turn: Turn) -> None:
    _: tuple[Rounds, Rounds] = (rounds, FakeRounds())
    _turns: tuple[RoundTurn, RoundTurn] = (turn, FakeTurn())
    _stores: tuple[PredictionStore, PredictionStore] = (client, FakeLabelStudio())
    _sources: tuple[TaskSource, TaskSource] = (client, TaskedLabelStudio())
    _chat: Chat = ScriptedChat([])
