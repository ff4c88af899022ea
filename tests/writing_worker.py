"""A worker whose round writes into its project's folder until its turn is lost, and a moment longer."""

import time
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

from rq import get_current_job

from backend.errors import TurnLostError
from backend.store.connection import Setup
from backend.store.project_folder import ProjectFolder
from backend.work.forms import ARGUMENTS, PERFORM_ROUND
from backend.work.queue import RoundQueue
from tests.dying_worker import open_queue, work_off

FUNCTION = f"{__name__}.perform_round"
ARGUMENTS[FUNCTION] = ARGUMENTS[PERFORM_ROUND]
_state: list[tuple[RoundQueue, Path]] = []


def perform_round(project_id: int) -> None:
    """Write now and then, as an embedding does, which asks nobody; end a second after the turn was lost."""
    queue, model_dir = _state[0]
    job = get_current_job()
    assert job is not None
    turn = queue.begin(job)
    if turn is None:
        return
    folder = ProjectFolder(model_dir, project_id)
    while not turn.is_lost():
        folder.setup.write(Setup(time.time()))
        time.sleep(0.05)
    for _ in range(10):
        time.sleep(0.1)
        folder.setup.write(Setup(time.time()))
    try:
        turn.check()
        raise AssertionError("the turn must be lost")
    except TurnLostError:
        turn.end()


def start_worker(socket: str, model_dir: Path) -> BaseProcess:
    """Start a process that runs the waiting round."""
    process = get_context("spawn").Process(target=_work, args=(socket, model_dir))
    process.start()
    return process


def _work(socket: str, model_dir: Path) -> None:
    opened = open_queue(socket)
    queue = RoundQueue(opened.redis, FUNCTION)
    _state[:] = [(queue, model_dir)]
    work_off(queue)
