import errno
import sqlite3
from threading import Event

import pytest
from redis.exceptions import BusyLoadingError
from safetensors import SafetensorError

from backend.errors import (
    LabelStudioAnswerError,
    LabelStudioError,
    LabelStudioUnreachableError,
    NotConnectedError,
    PublicationError,
    RedisUnavailableError,
    TokenRefusedError,
    TurnLostError,
    UnknownProjectError,
)
from backend.rounds import performing
from backend.settings import Settings
from backend.work.classifiers import Classifiers
from backend.work.queue import MAX_DEATHS
from backend.work.worker import WorkerProcess
from model.errors import TrainingCancelledError
from tests.fakes import FakeRounds, FakeTurn


@pytest.fixture
def rounds():
    return FakeRounds()


@pytest.fixture
def run(monkeypatch, tmp_path, rounds):
    """Run a round that ends with an error or not; return its turn and the seconds until the job runs again."""

    def run(error=None, turn=None, come_back_s=None):
        turn = turn or FakeTurn()

        def run_round(settings, queue, turn, classifiers, should_stop):
            if come_back_s is not None:
                turn.come_back(come_back_s)
            if error is not None:
                raise error

        monkeypatch.setattr(performing, "run_round", run_round)
        worker = WorkerProcess(Settings(model_dir=tmp_path), rounds, Event(), Classifiers(1))
        return turn, performing._run(worker, turn)

    return run


def test_a_round_that_ends_well_has_done_what_was_asked(run):
    turn, again_in_s = run()
    assert (turn.ended, turn.is_honoured, again_in_s) == ([("", "")], True, None)


def test_a_round_comes_back_when_it_says_so_by_the_projects_one_delayed_job(run, rounds):
    assert run(come_back_s=60.0)[1] is None
    assert rounds.later == [(1, 60.0)]


def test_a_round_of_a_project_that_is_not_connected_is_not_run_again(run, rounds):
    turn, again_in_s = run(NotConnectedError("Label Studio does not name this backend"))
    assert (turn.ended, turn.is_honoured, again_in_s) == ([("", "")], True, None)
    assert rounds.forgotten == [1]


@pytest.mark.parametrize(
    "error",
    [
        LabelStudioUnreachableError("it is silent"),
        LabelStudioAnswerError("it is silent"),
        LabelStudioError("it is silent"),
        PublicationError("it is silent"),
        RedisUnavailableError("it is silent"),
    ],
    ids=lambda error: error.code,
)
def test_a_round_that_met_a_fault_that_may_pass_comes_back_and_says_when(run, error):
    turn, again_in_s = run(error)
    assert again_in_s == 5
    assert turn.ended == [("it is silent (trying again in 5 s)", error.code)]
    assert not turn.is_honoured, "what was asked is still to be done"


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EIO, "Input/output error"),
        PermissionError(errno.EACCES, "Permission denied", "data/projects/1"),
        sqlite3.OperationalError("database or disk is full"),
        sqlite3.OperationalError("attempt to write a readonly database"),
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
    ids=str,
)
def test_a_round_that_the_disk_refused_comes_back_and_says_when(run, error):
    turn, again_in_s = run(error)
    assert again_in_s == 5
    [(said, code)] = turn.ended
    mend = "is MODEL_DIR full, or does it belong to another user?"
    assert said == f"the disk or the system refused ({error}): {mend} (trying again in 5 s)"
    assert code == "system"
    assert not turn.is_honoured, "what was asked is still to be done"


@pytest.mark.parametrize(
    "error",
    [MemoryError(), RuntimeError("[enforce fail at alloc_cpu.cpp:119] DefaultCPUAllocator: can't allocate memory")],
    ids=["of Python", "of torch"],
)
def test_a_round_that_lacked_memory_comes_back_and_says_so(run, error):
    turn, again_in_s = run(error)
    [(said, code)] = turn.ended
    mend = "give the worker more memory, or set a smaller BERT_MODEL"
    assert said == f"the round needs more memory than there is: {mend} (trying again in 5 s)"
    assert (code, again_in_s, turn.is_honoured) == ("out_of_memory", 5, False)


def test_a_round_that_a_bare_error_of_redis_ended_comes_back(run):
    turn, again_in_s = run(BusyLoadingError("Redis is loading the dataset in memory"))
    assert (turn.ended[0][1], again_in_s) == ("redis_unavailable", 5)


def test_a_round_that_cannot_succeed_waits_for_the_next_event_and_keeps_what_was_asked(run):
    turn, again_in_s = run(TokenRefusedError("Label Studio refused the API key"))
    assert (turn.ended, turn.is_honoured) == ([("Label Studio refused the API key", "token_refused")], False)
    assert again_in_s is None


def test_a_round_that_was_stopped_runs_again_at_once_without_an_error(run):
    turn, again_in_s = run(TrainingCancelledError("told to stop"))
    assert (turn.ended, turn.is_honoured, again_in_s) == ([("", "")], False, 0.0)


@pytest.mark.parametrize("error", [TurnLostError("another worker"), TrainingCancelledError("told to stop")])
def test_a_round_that_lost_its_turn_leaves_the_project_to_the_other_worker(run, error):
    turn = FakeTurn()
    turn.has_lost = True
    assert run(error, turn)[1] is None


def test_what_was_asked_of_a_deleted_project_is_forgotten(run, rounds):
    turn, again_in_s = run(UnknownProjectError("there is no project 1"))
    assert rounds.forgotten == [1]
    assert (turn.ended[0][1], again_in_s) == ("unknown_project", None)


def test_an_unexpected_error_is_logged_whole_and_named_in_the_status(run, caplog):
    turn, _ = run(ZeroDivisionError("by nothing"))
    assert turn.ended == [("unexpected ZeroDivisionError; see the worker's log", "internal")]
    assert "by nothing" in caplog.text


def test_a_round_that_killed_its_workers_is_given_up(monkeypatch, rounds, tmp_path):
    turn = FakeTurn()
    turn.deaths = MAX_DEATHS
    worker = WorkerProcess(Settings(model_dir=tmp_path), rounds, Event(), Classifiers(1))
    rounds.begin = lambda job: turn
    rounds.workers = type("Workers", (), {"use_own_share": lambda self: None})()
    monkeypatch.setattr(performing, "this_worker", lambda: worker)
    monkeypatch.setattr(performing, "get_current_job", object)
    assert performing.perform_round(1) is None
    assert turn.ended[0][1] == "died"
    assert "too little memory" in turn.ended[0][0]
