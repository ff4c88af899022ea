"""Redis refuses or goes away while a round ends; the worker goes on, and what was asked is done later."""

from contextlib import suppress
from threading import Event

import pytest
from redis import Redis
from redis.exceptions import RedisError

from backend.errors import LabelStudioUnreachableError, NotConnectedError, RedisUnavailableError, UnknownProjectError
from backend.rounds import performing
from backend.settings import Settings
from backend.work.classifiers import Classifiers
from backend.work.jobs import JsonJob
from backend.work.queue import RoundQueue
from backend.work.redis_access import redis_key
from backend.work.requests import Requests
from backend.work.turn import RETRY_DELAYS_S
from backend.work.worker import WorkerProcess
from tests.servers import redis_server

PROJECT = 7
ENDS = [None, LabelStudioUnreachableError("it is silent"), ZeroDivisionError("by nothing"), OSError("no space left")]
# How Redis is broken, and mended again; nothing mends one that is gone.
WAYS = {
    "it is a replica": (lambda redis: redis.replicaof("127.0.0.1", "1"), lambda redis: redis.replicaof("NO", "ONE")),
    "its memory is full": (
        lambda redis: redis.config_set("maxmemory", "1"),
        lambda redis: redis.config_set("maxmemory", "0"),
    ),
    "its copies are missing": (
        lambda redis: redis.config_set("min-replicas-to-write", "1"),
        lambda redis: redis.config_set("min-replicas-to-write", "0"),
    ),
    "its user lost a right": (
        lambda redis: redis.execute_command("ACL SETUSER default -hset -hincrby -del"),
        lambda redis: redis.execute_command("ACL SETUSER default +@all"),
    ),
    "a key holds something else": (
        lambda redis: (redis.delete(redis_key("round", PROJECT)), redis.set(redis_key("round", PROJECT), "x")),
        lambda redis: redis.delete(redis_key("round", PROJECT)),
    ),
}


@pytest.fixture
def redis(module_redis: Redis):
    module_redis.flushall()
    yield module_redis
    for _, mend in WAYS.values():
        mend(module_redis)


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run a round that breaks Redis and ends in some way; return the seconds until it is run again."""

    def run(queue: RoundQueue, break_redis, end: Exception | None):
        def run_round(*_: object) -> None:
            with suppress(RedisError):
                break_redis(queue.redis)
            if end is not None:
                raise end

        monkeypatch.setattr(performing, "run_round", run_round)
        turn = queue.begin(JsonJob.fetch(queue.request(PROJECT, train=True), connection=queue.redis))
        assert turn is not None
        return performing._run(WorkerProcess(Settings(model_dir=tmp_path), queue, Event(), Classifiers(1)), turn)

    return run


@pytest.mark.parametrize("end", ENDS, ids=repr)
@pytest.mark.parametrize("way", WAYS)
def test_a_round_ends_though_redis_refuses_and_the_request_is_kept(redis, run, way, end):
    break_redis, mend = WAYS[way]
    again_in_s = run(RoundQueue(redis), break_redis, end)
    assert again_in_s in (None, RETRY_DELAYS_S[0])
    mend(redis)
    if end is not None:
        assert Requests(redis, PROJECT).read().train, "Start Training is lost"


@pytest.mark.parametrize("end", ENDS, ids=repr)
def test_a_round_ends_though_redis_is_gone(tmp_path, run, end):
    with redis_server(tmp_path) as redis:
        again_in_s = run(RoundQueue(redis), lambda redis: redis.shutdown(nosave=True), end)
    assert again_in_s in (None, RETRY_DELAYS_S[0])


@pytest.mark.parametrize(
    "end", [NotConnectedError("it is not connected"), UnknownProjectError("there is no project 7")]
)
def test_a_project_that_redis_could_not_forget_is_looked_at_again(tmp_path, run, end, caplog):
    with redis_server(tmp_path) as redis, pytest.raises(RedisUnavailableError):
        run(RoundQueue(redis), lambda redis: redis.shutdown(nosave=True), end)
    assert "event=turn_not_ended project=7" in caplog.text


@pytest.mark.parametrize("way", ["its memory is full", "it is a replica"])
def test_a_round_that_redis_does_not_let_begin_is_put_off(redis, monkeypatch, tmp_path, way):
    break_redis, mend = WAYS[way]
    queue = RoundQueue(redis)
    job = JsonJob.fetch(queue.request(PROJECT, train=True), connection=redis)
    worker = WorkerProcess(Settings(model_dir=tmp_path), queue, Event(), Classifiers(1))
    monkeypatch.setattr(performing, "this_worker", lambda: worker)
    monkeypatch.setattr(performing, "get_current_job", lambda: job)
    break_redis(redis)
    retry = performing.perform_round(PROJECT)
    mend(redis)
    assert retry is not None
    assert retry.intervals == [RETRY_DELAYS_S[0]]
    assert Requests(redis, PROJECT).read().train
