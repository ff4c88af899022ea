"""Somebody else writes pickles, functions and garbage into Redis; nothing of it runs, and nothing stops a round."""

import json
import os
import pickle
import threading
import zlib
from base64 import b64encode
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from redis import Redis
from rq import Queue
from rq.group import Group
from rq.job import Job
from rq.results import Result
from rq.serializers import JSONSerializer

from backend.errors import RedisUnavailableError
from backend.settings import Settings
from backend.store.project_folder import ProjectFolder
from backend.work import worker as worker_process
from backend.work.classifiers import Classifiers
from backend.work.forms import ARGUMENTS, PERFORM_PART, PERFORM_ROUND, PartResult
from backend.work.jobs import JsonJob, JsonWorker
from backend.work.living import host_of, own_name
from backend.work.pool.parts import PartWorker, embed_in_parts
from backend.work.queue import PARTS_QUEUE, QUEUE, RoundQueue
from backend.work.redis_access import redis_key
from backend.work.sources import Source
from backend.work.turn import turn_key
from model.encoder.classifier import new_classifier
from tests.fakes import SENTIMENT

QUEUES = (QUEUE, PARTS_QUEUE)
PROJECT = 7
_FUNCTION = f"{__name__}.perform_round"
_performed: list[int] = []
ARGUMENTS[_FUNCTION] = ARGUMENTS[PERFORM_ROUND]


def perform_round(project_id: int) -> None:
    """A round that only counts itself."""
    _performed.append(project_id)


class Bomb:
    """Whoever unpickles it makes a folder."""

    def __init__(self, crater: Path) -> None:
        self.crater = crater

    def __reduce__(self):
        return os.makedirs, (str(self.crater),)


@pytest.fixture
def crater(tmp_path):
    """What a bomb leaves; the test fails if one went off."""
    yield tmp_path / "crater"
    assert not (tmp_path / "crater").exists(), "a pickle was read"


@pytest.fixture
def bomb(crater) -> bytes:
    return pickle.dumps(Bomb(crater))


@pytest.fixture
def redis(module_redis: Redis) -> Redis:
    module_redis.flushall()
    return module_redis


@pytest.fixture
def queue(redis) -> RoundQueue:
    _performed.clear()
    return RoundQueue(redis, _FUNCTION)


def _work_off(queue: RoundQueue) -> None:
    JsonWorker([queue.queue, queue.parts], connection=queue.redis).work(burst=True, logging_level="ERROR")


def _waits(redis: Redis, name: str, job_id: str = "evil", **fields: bytes | str) -> None:
    """Put a job's fields into Redis, and its id at the front of a queue."""
    job = Job.create(_FUNCTION, [PROJECT], connection=redis, id=job_id, origin=name, serializer=JSONSerializer)
    redis.hset(job.key, mapping={**job.to_dict(), "status": "queued", **fields})
    redis.lpush(f"rq:queue:{name}", job_id)


def test_a_bomb_goes_off_where_pickles_are_read(tmp_path):
    pickle.loads(pickle.dumps(Bomb(tmp_path / "crater")))
    assert (tmp_path / "crater").exists()


@pytest.mark.parametrize("name", QUEUES)
@pytest.mark.parametrize("field", ["data", "meta", "result", "exc_info"])
@pytest.mark.parametrize("is_compressed", [True, False])
def test_a_pickle_in_a_job_is_never_read(redis, queue, bomb, name, field, is_compressed):
    _waits(redis, name, **{field: zlib.compress(bomb) if is_compressed else bomb})
    queue.request(PROJECT)
    assert queue.state(PROJECT).state == "queued"
    queue.look_after([PROJECT])
    _work_off(queue)
    assert _performed[-1] == PROJECT


@pytest.mark.parametrize("name", QUEUES)
def test_the_pickled_job_of_an_earlier_release_is_dropped_with_a_line_and_its_round_is_asked_for_again(
    redis, queue, name, caplog
):
    Queue(name, connection=redis).enqueue(PERFORM_ROUND, PROJECT, job_id="round-7-a")
    later = Job.create(PERFORM_ROUND, [PROJECT], connection=redis, id="later-7-a", origin=QUEUE, status="scheduled")
    later.save()
    redis.zadd(queue.queue.scheduled_job_registry.key, {"later-7-a": 1})
    redis.hset(redis_key("requests", PROJECT), mapping={"asked": 1, "train": 1})

    queue.recover([PROJECT])
    queue.enqueue_due()
    queue.look_at([PROJECT], 30.0)

    assert caplog.text.count("event=job_refused job=round-7-a") == 1
    assert caplog.text.count("event=job_refused job=later-7-a") == 1
    assert redis.hget(redis_key("requests", PROJECT), "train") == b"1", "what was asked is lost"
    _work_off(queue)
    assert _performed == [PROJECT]
    assert redis.zcard(queue.queue.scheduled_job_registry.key) == 1, "the look of the next minute"


def test_the_pickled_job_that_a_worker_of_an_earlier_release_had_begun_is_dropped(redis, queue, bomb):
    _waits(redis, QUEUE, "round-7-a", data=bomb)
    redis.lrem(queue.queue.key, 0, "round-7-a")
    redis.zadd(queue.queue.started_job_registry.key, {"round-7-a:0123": 9e9})
    redis.hset(redis_key("requests", PROJECT), "asked", 1)
    for _ in range(3):
        queue.look_after([PROJECT])
    _work_off(queue)
    assert _performed == [PROJECT]


def _call(function: object, instance: object = None, arguments: object = (PROJECT,), named: object = None) -> bytes:
    return json.dumps([function, instance, arguments, named or {}]).encode()


FOREIGN = {
    "another function": {"data": _call("os.makedirs", arguments=["crater"])},
    "another function of ours": {"data": _call("backend.work.worker.run_worker", arguments=[])},
    "a function that is none": {"data": _call(None)},
    "a function in a list": {"data": _call([_FUNCTION])},
    "an object": {"data": _call("append", instance=[1])},
    "named arguments": {"data": _call(_FUNCTION, arguments=[], named={"project_id": PROJECT})},
    "no argument": {"data": _call(_FUNCTION, arguments=[])},
    "two arguments": {"data": _call(_FUNCTION, arguments=[PROJECT, PROJECT])},
    "an argument of another form": {"data": _call(_FUNCTION, arguments=["7"])},
    "a project that cannot be": {"data": _call(_FUNCTION, arguments=[2**80])},
    "arguments that are none": {"data": _call(_FUNCTION, arguments=PROJECT)},
    "a part that names another folder": {
        "data": _call(PERFORM_PART, arguments=[{"weights": "../../kept", "is_trained": False, "texts": ["a"]}])
    },
    "a part with numbers for texts": {
        "data": _call(PERFORM_PART, arguments=[{"weights": "0" * 64, "is_trained": False, "texts": [1]}])
    },
    "no JSON": {"data": b"\xff\xfe"},
    "JSON of something else": {"data": b"17"},
    "JSON without an end": {"data": b"[" * 100_000},
    "nothing": {"data": b""},
    "no time": {"created_at": "yesterday"},
    "no number": {"retries_left": "many"},
    "no status": {"status": "happy"},
    "garbage": {"origin": b"\xff", "timeout": b"\xff"},
    "a callback of success": {"success_callback_name": "os.getpid"},
    "a callback of failure": {"failure_callback_name": "os.getpid"},
    "a callback of a stop": {"stopped_callback_name": "os.getpid"},
    "an address to ask": {"webhooks": json.dumps([{"url": "http://127.0.0.1:9/", "job_status": "finished"}])},
    "a job to wait for": {"dependency_ids": json.dumps(["round-1-a"])},
    "repeats": {"repeats_left": "9"},
}


@pytest.mark.parametrize("name", QUEUES)
@pytest.mark.parametrize("fields", FOREIGN.values(), ids=FOREIGN)
def test_a_job_that_is_not_ours_is_refused_once_and_the_next_one_runs(redis, queue, name, fields, caplog):
    queue.request(PROJECT)
    _waits(redis, name, **fields)
    _work_off(queue)
    assert _performed == [PROJECT], "either the foreign job ran, or it stopped ours"
    assert caplog.text.count("event=job_refused job=evil") == 1
    assert "crater" not in caplog.text
    assert not redis.exists("rq:job:evil")
    assert queue.redis.zcard(queue.queue.failed_job_registry.key) == 0


@pytest.mark.parametrize("fields", FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_job_under_the_id_of_ours_swallows_no_request(redis, queue, fields):
    _waits(redis, QUEUE, "round-7-a", **fields)
    queue.request(PROJECT, changes=1)
    for _ in range(3):
        _work_off(queue)
        queue.look_after([PROJECT])
    assert PROJECT in _performed


@pytest.mark.parametrize("fields", FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_job_with_a_time_does_not_hold_up_those_of_ours(redis, queue, fields):
    _waits(redis, QUEUE, **fields)
    redis.delete(queue.queue.key)
    redis.zadd(queue.queue.scheduled_job_registry.key, {"evil": 1, b"\xff": 2})
    queue.request_later(PROJECT, -5.0)
    queue.enqueue_due()
    _work_off(queue)
    assert _performed == [PROJECT]


@pytest.mark.parametrize("name", QUEUES)
@pytest.mark.parametrize("job_id", [b"\xff\xfe", b"evil id", b"a:b:c", b""])
def test_an_id_that_is_none_holds_up_nobody(redis, queue, name, job_id):
    key = queue.queue.key if name == QUEUE else queue.parts.key
    redis.lpush(key, job_id)
    queue.recover([PROJECT])
    redis.lpush(key, job_id)
    _work_off(queue)
    assert _performed == [PROJECT]


def test_entries_of_running_jobs_that_rq_did_not_write_hold_up_nobody(redis, queue):
    redis.zadd(queue.queue.started_job_registry.key, {"evil": 0, "a:b:c": 0, b"\xff:1": 0, "evil:1": 0})
    queue.request(PROJECT)
    assert not queue.anybody_runs()
    queue.look_after([PROJECT])
    _work_off(queue)
    assert _performed == [PROJECT]


def test_workers_that_nobody_started_hold_up_nobody(redis, queue):
    redis.sadd("rq:workers", b"\xff", "evil", "rq:worker:shortlist-")
    redis.set("rq:scheduler-lock:shortlist", b"\xff")
    queue.request(PROJECT)
    assert queue.living_workers() == 0
    queue.look_after([PROJECT])
    _work_off(queue)
    assert _performed == [PROJECT]


@pytest.mark.parametrize("end", ["99999999999999999999", "²", "none", ""])
def test_a_worker_of_this_machine_whose_name_has_no_process_is_dead(redis, queue, end):
    name = f"rq:worker:{host_of(own_name())}-{end}"
    redis.sadd("rq:workers", name)
    redis.hset(name, "birth", "2026-01-01T00:00:00Z")
    assert queue.living_workers() == 0
    queue.request(PROJECT)
    queue.look_after([PROJECT])
    _work_off(queue)
    assert _performed == [PROJECT]


def test_a_group_of_pickled_jobs_is_never_read(redis, queue, bomb):
    _waits(redis, QUEUE, "evil", meta=bomb, data=bomb)
    Group.create(redis, "evil")
    redis.sadd(Group.REDIS_GROUP_KEY, "evil")
    redis.sadd(Group.get_key("evil"), "evil")
    redis.sadd("rq:job:round-7-a:dependents", "evil")
    queue.request(PROJECT)
    _work_off(queue)
    assert _performed == [PROJECT]


def test_commands_in_redis_do_not_end_a_worker(redis, queue):
    worker = JsonWorker([queue.queue], connection=redis, name="a-worker")
    worker.bootstrap("ERROR")
    assert redis.pubsub_numsub(worker.pubsub_channel_name)[0][1] == 0
    worker.teardown()


KEYS = ("requests", "turn", "round", "weights", "sweep")


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("kind", ["value", "fields"])
def test_a_pickle_under_a_key_of_ours_is_never_read(redis, queue, bomb, key, kind):
    name = redis_key(key) if key == "sweep" else redis_key(key, PROJECT)
    redis.set(name, bomb) if kind == "value" else redis.hset(name, mapping={"train": bomb, bomb: bomb, "error": bomb})
    for ask in (
        lambda: queue.request(PROJECT, changes=1, train=True),
        lambda: queue.state(PROJECT),
        lambda: queue.look_after([PROJECT]),
        lambda: queue.look_at([PROJECT], 1.0),
        queue.anybody_runs,
    ):
        # Redis refuses to count where no number is, and to read one kind of value as another.
        with suppress(RedisUnavailableError):
            ask()


def test_requests_that_nobody_of_ours_wrote_do_not_stop_a_round(redis, queue, bomb):
    redis.hset(redis_key("requests", PROJECT), mapping={bomb: 1, "changes": b"\xff", "task:x": 1, "train": 1})
    job = JsonJob.fetch(queue.request(PROJECT, task_ids=[3]), connection=redis)
    turn = queue.begin(job)
    assert turn is not None
    assert (turn.requested.train, turn.requested.changed_tasks) == (True, {3})
    turn.end()
    assert not redis.exists(turn_key(PROJECT))


# Results of helpers.

TEXTS = ["good film", "bad plot"] * 700
_GOOD = {"dimensions": 16, "embeddings": b64encode(np.zeros((500, 16), np.float16).tobytes()).decode()}


def _results(bomb: bytes) -> dict[str, bytes]:
    def result(value: object) -> bytes:
        return b64encode(json.dumps(value).encode())

    nan = b64encode(np.full((500, 16), np.nan, np.float16).tobytes()).decode()
    return {
        "a pickle": b64encode(bomb),
        "no base64": b"\xff",
        "nothing": result(None),
        "a list": result([1, 2]),
        "too few numbers": result({**_GOOD, "embeddings": ""}),
        "no numbers": result({**_GOOD, "embeddings": nan}),
        "more than it should": result({**_GOOD, "more": 1}),
    }


@pytest.mark.parametrize("kind", _results(b""))
def test_a_result_that_no_helper_wrote_is_refused_and_the_round_embeds_the_part_itself(
    queue, small_encoder, tmp_path, bomb, kind
):
    """Whoever writes results answers every part that the round offers."""
    worker = PartWorker(queue, ProjectFolder(tmp_path, PROJECT), Classifiers(1))
    helper = "rq:worker:shortlist-another-machine-1"
    queue.redis.sadd("rq:workers", helper)
    queue.redis.hset(helper, "birth", "now")
    over = threading.Event()

    def answer() -> None:
        redis = queue.redis
        while not over.wait(0.01):
            for raw_id in redis.lrange(queue.parts.key, 0, -1):
                redis.lrem(queue.parts.key, 0, raw_id)
                value = _results(bomb)[kind]
                redis.xadd(Result.get_key(raw_id.decode()), {"type": 1, "return_value": value, "exc_string": b""})
                redis.hset(f"rq:job:{raw_id.decode()}", "status", "finished")

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        found = list(embed_in_parts(worker, Source(small_encoder), TEXTS))
    finally:
        over.set()
        thread.join()
    embeddings_M_D = np.concatenate([part for _, part in found])[
        np.argsort(np.concatenate([rows for rows, _ in found]))
    ]
    expected_M_D = new_classifier(small_encoder, SENTIMENT).encoder.embed(TEXTS)
    np.testing.assert_allclose(embeddings_M_D, expected_M_D, atol=1e-5)


def test_a_part_cannot_make_a_helper_delete_a_folder(redis, queue, tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    settings = Settings(model_dir=tmp_path / "of the helper")
    worker_process._this_worker[:] = [worker_process.WorkerProcess(settings, queue, threading.Event(), Classifiers(1))]
    for weights in (str(kept), "../../kept", "../kept"):
        task = {"weights": weights, "is_trained": False, "texts": ["a"]}
        _waits(redis, PARTS_QUEUE, data=_call(PERFORM_PART, arguments=[task]))
        _work_off(queue)
    worker_process._this_worker.clear()
    assert kept.is_dir()


def test_half_characters_of_texts_reach_helpers():
    task = {"weights": "0" * 64, "is_trained": False, "texts": ["half a smile \ud83d", "\0"]}
    [read] = ARGUMENTS[PERFORM_PART].validate_python(json.loads(json.dumps([task])))
    assert read.texts == task["texts"]
    assert PartResult.model_validate(_GOOD).dimensions == 16
