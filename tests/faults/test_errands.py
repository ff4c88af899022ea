"""The disk is full or Redis is away while a worker does what somebody asked for on a page: the errand comes back."""

import errno
import time
from pathlib import Path
from threading import Event
from types import SimpleNamespace

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from backend.applying import errands
from backend.settings import Settings
from backend.store import documents
from backend.store.applied import Errand, ErrandKind
from backend.store.project_folder import ProjectFolder
from backend.work.classifiers import Classifiers
from backend.work.queue import MAX_DEATHS
from backend.work.worker import WorkerProcess
from tests.fakes import FakeRounds

PROJECT = 7


@pytest.fixture
def folder(tmp_path) -> ProjectFolder:
    """A project that is not connected, so that an errand ends with a sentence as soon as it begins."""
    folder = ProjectFolder(tmp_path, PROJECT)
    folder.errand.write(Errand(ErrandKind.CHECK, time.time()))
    return folder


@pytest.fixture
def job() -> SimpleNamespace:
    return SimpleNamespace(retries_left=MAX_DEATHS)


@pytest.fixture
def workers() -> SimpleNamespace:
    return SimpleNamespace(use_own_share=lambda: None)


@pytest.fixture
def run(monkeypatch, tmp_path, job, workers):
    """Run the job as RQ does; return the seconds until it runs again, None if it is done."""
    rounds = FakeRounds()
    rounds.workers = workers
    settings = Settings(model_dir=tmp_path, label_studio_api_key="a-key")
    process = WorkerProcess(settings, rounds, Event(), Classifiers(1))
    monkeypatch.setattr(errands, "this_worker", lambda: process)
    monkeypatch.setattr(errands, "get_current_job", lambda: job)

    def run() -> int | None:
        again = errands.perform_errand(PROJECT)
        return None if again is None else again.intervals[0]

    return run


@pytest.fixture
def disk(monkeypatch) -> SimpleNamespace:
    """A disk that can be full."""
    disk, write_whole = SimpleNamespace(is_full=False), documents.write_whole

    def write(file: Path, content: bytes) -> None:
        if disk.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        write_whole(file, content)

    monkeypatch.setattr(documents, "write_whole", write)
    return disk


@pytest.mark.parametrize("deaths", [0, MAX_DEATHS])
def test_an_errand_that_a_full_disk_keeps_from_reporting_comes_back(run, disk, folder, job, deaths):
    job.retries_left -= deaths
    disk.is_full = True
    assert run() == errands.PUT_OFF_S
    assert folder.errand_report.read() is None


def test_an_errand_is_done_once_the_disk_has_room_again(run, disk, folder):
    disk.is_full = True
    run()
    disk.is_full = False
    assert run() is None
    assert "is not connected here" in folder.errand_report.read().wrong


def test_a_redis_that_is_away_when_an_errand_begins_is_no_death_of_its_worker(run, workers, folder):
    def fail() -> None:
        raise RedisConnectionError("it is away")

    workers.use_own_share = fail
    assert run() == errands.PUT_OFF_S
    workers.use_own_share = lambda: None
    assert run() is None
    assert "is not connected here" in folder.errand_report.read().wrong


def test_an_errand_that_killed_its_workers_is_given_up_with_the_likely_cause(run, folder, job):
    job.retries_left = 0
    assert run() is None
    assert "the worker died 3 times over it: is there too little memory?" in folder.errand_report.read().wrong
