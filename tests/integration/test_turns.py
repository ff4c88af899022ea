"""Turns on a real Redis: one worker at a time, whatever is killed, paused or late."""

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest
from redis import Redis

from backend.errors import TurnLostError
from backend.settings import Settings
from backend.work.jobs import JsonJob
from backend.work.queue import RoundQueue
from backend.work.redis_access import open_redis
from backend.work.requests import Requests
from backend.work.turn import SWITCH_EVERY_S, Turn, record_key, turn_key
from backend.work.workers import LEASE_S
from tests.dying_worker import BEGUN, ENDED, die_at, open_queue, work_off
from tests.servers import eventually

PROJECT = 7


@pytest.fixture
def redis(module_redis: Redis) -> Redis:
    module_redis.flushall()
    return module_redis


@pytest.fixture
def socket(redis: Redis) -> str:
    return str(redis.connection_pool.connection_kwargs["path"])


@pytest.fixture
def queue(socket: str) -> RoundQueue:
    return open_queue(socket)


def _begin(queue: RoundQueue) -> Turn:
    job = JsonJob.fetch(queue.request(PROJECT), connection=queue.redis)
    turn = queue.begin(job)
    assert turn is not None
    return turn


def _is_settled(queue: RoundQueue) -> bool:
    """Let a second worker do what there is to do, as if some seconds had passed; return whether nothing is left."""
    queue.redis.pexpire(turn_key(PROJECT), 1)
    queue.look_after([PROJECT])
    scheduled = queue.queue.scheduled_job_registry
    for job_id in scheduled.get_job_ids():
        queue.redis.zadd(scheduled.key, {job_id: 0}, xx=True)
    queue.enqueue_due()
    work_off(queue)
    return Requests(queue.redis, PROJECT).is_empty() and queue.state(PROJECT).state == "idle"


def test_a_worker_killed_at_any_moment_of_a_turn_loses_no_request_and_leaves_a_true_status(
    queue: RoundQueue, redis: Redis, socket: str
) -> None:
    """The worker is killed before its first message to Redis, before its second, and so on until it gets through."""
    for message in range(1, 500):
        redis.flushall()
        queue.request(PROJECT, changes=1, train=True, task_ids=[3])
        if not die_at(socket, message):
            break
        assert queue.state(PROJECT).state in {"queued", "idle", "syncing", "training"}, message
        # Whatever was killed, a request that comes now is not swallowed.
        queue.request(PROJECT, changes=1)
        for _ in range(5):
            if _is_settled(queue):
                break
        else:
            pytest.fail(f"killed before message {message}: {redis.keys()}")
        begun = [int(pid) for pid in redis.lrange(BEGUN, 0, -1)]
        assert os.getpid() in begun, f"killed before message {message}, the later request was never run"
        assert redis.lrange(ENDED, 0, -1)[-1] == str(os.getpid()).encode()
        assert not redis.exists(turn_key(PROJECT))
    assert message > 20, "a turn has more messages than that"


def test_a_turn_that_lapsed_goes_on_if_no_other_began(queue: RoundQueue, redis: Redis) -> None:
    turn = _begin(queue)
    redis.delete(turn_key(PROJECT))

    turn.check()

    assert LEASE_S - 2 < redis.ttl(turn_key(PROJECT)) <= LEASE_S
    turn.end()
    assert not redis.exists(turn_key(PROJECT))


def test_a_turn_that_another_worker_took_after_a_lapse_is_lost_for_good(queue: RoundQueue, redis: Redis) -> None:
    lost = _begin(queue)
    redis.delete(turn_key(PROJECT))
    turn = _begin(queue)
    turn.step("scoring")

    with pytest.raises(TurnLostError, match="another worker"):
        lost.check()
    lost.step("publishing")
    lost.end("out of memory", "internal")

    assert queue.state(PROJECT).state == "scoring"
    assert queue.state(PROJECT).last_error == ""
    turn.check()
    turn.end()


def test_a_turn_is_lost_though_the_other_turn_has_ended_already(queue: RoundQueue, redis: Redis) -> None:
    lost = _begin(queue)
    redis.delete(turn_key(PROJECT))
    _begin(queue).end()

    with pytest.raises(TurnLostError):
        lost.check()

    assert not redis.exists(turn_key(PROJECT)), "a lost turn keeps nobody waiting"
    lost.end()


def test_a_late_renewal_does_not_prolong_the_turn_of_another_worker(queue: RoundQueue, redis: Redis) -> None:
    lost = _begin(queue)
    redis.delete(turn_key(PROJECT))
    turn = _begin(queue)
    eventually(lost.is_lost, "the first turn to notice", timeout_s=10)

    redis.expire(turn_key(PROJECT), 1)
    with pytest.raises(TurnLostError):
        lost.check()
    assert redis.ttl(turn_key(PROJECT)) <= 1
    lost.end()
    turn.end()


def test_a_turn_is_kept_up_while_its_round_runs(queue: RoundQueue, redis: Redis) -> None:
    turn = _begin(queue)
    redis.expire(turn_key(PROJECT), 8)

    eventually(lambda: redis.ttl(turn_key(PROJECT)) > 8, "the lease to be renewed", timeout_s=8)

    turn.end()
    assert not redis.exists(turn_key(PROJECT))


@pytest.fixture
def paused_redis(redis: Redis) -> Iterator[None]:
    """Redis, stopped in its tracks for seven seconds: longer than a command waits for its answer."""
    pid = int(redis.info("server")["process_id"])
    os.kill(pid, signal.SIGSTOP)
    wake = threading.Timer(7.0, os.kill, (pid, signal.SIGCONT))
    wake.start()
    yield
    wake.join()


def test_a_round_goes_on_after_redis_paused(
    queue: RoundQueue, redis: Redis, socket: str, request: pytest.FixtureRequest
) -> None:
    patient = RoundQueue(open_redis(Settings(redis_url=f"unix://{socket}"), is_patient=True))
    turn = _begin(patient)
    request.getfixturevalue("paused_redis")
    began = time.monotonic()

    turn.step("training")
    turn.progress(1, 10)

    assert time.monotonic() - began > 5
    assert queue.state(PROJECT).progress["done"] == 1
    turn.check()
    turn.end()


def test_a_project_is_switched_back_once_in_a_while_though_many_rounds_want_it(queue: RoundQueue) -> None:
    """Two backends of one project would switch for ever, each because of the other's switch."""
    first = _begin(queue)
    assert first.may_switch()
    first.end()
    second = _begin(queue)
    assert not second.may_switch()
    assert second.again_in_s == SWITCH_EVERY_S
    second.end()
    queue.redis.hincrby(record_key(PROJECT), "switched_s", -SWITCH_EVERY_S)
    third = _begin(queue)
    assert third.may_switch()
    third.end()
