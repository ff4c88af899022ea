"""Rounds that wait and run, on a real Redis: bursts, turns, retries, and workers that are killed."""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from redis import Redis
from rq.worker import SimpleWorker

from backend.settings import Settings
from backend.work.queue import LEASE_S, MOST_NAMED, RETRY_DELAYS_S, RoundQueue
from backend.work.redis_access import open_redis
from backend.work.worker import rq_worker
from examples.servers import Server, free_port
from tests.annotators import Person, choices_config, reviews, until_published
from tests.servers import LEGACY_TOKEN, BackendServer, backend, eventually

CONFIG = choices_config(["neg", "pos"])
RUNNING = ("syncing", "training", "scoring", "publishing")


@pytest.fixture
def redis(module_redis: Redis) -> Redis:
    module_redis.flushall()
    return module_redis


def _burst(ask: Callable[[], str], times: int = 50) -> set[str]:
    """Ask many times at once; returns the ids of the jobs that were answered."""
    with ThreadPoolExecutor(max_workers=times) as pool:
        return set(pool.map(lambda _: ask(), range(times)))


# What the jobs of this module run: RQ calls them by name.
_performed: list[int] = []
_perform: list[Callable[[int], None]] = []


def perform_round(project_id: int) -> None:
    """A round that only counts itself."""
    _performed.append(project_id)
    _perform[0](project_id)


def _queue(redis: Redis, perform: Callable[[int], None] = lambda _: None) -> RoundQueue:
    _performed.clear()
    _perform[:] = [perform]
    return RoundQueue(redis, f"{__name__}.perform_round")


def _work_off(queue: RoundQueue) -> None:
    SimpleWorker([queue.queue], connection=queue.redis).work(burst=True, logging_level="ERROR")


def test_fifty_requests_at_once_are_one_waiting_job(redis: Redis) -> None:
    queue = _queue(redis)

    ids = _burst(lambda: queue.request(7, changes=1))

    assert len(ids) == 1
    assert queue.length() == 1
    turn = queue.begin(7)
    assert turn is not None
    assert turn.changes == 50
    turn.end()


def test_fifty_requests_while_a_round_runs_become_one_more(redis: Redis) -> None:
    def perform(project_id: int) -> None:
        turn = queue.begin(project_id)
        assert turn is not None
        if len(_performed) == 1:
            _burst(lambda: queue.request(project_id, changes=1))
        turn.end()

    queue = _queue(redis, perform)
    queue.request(7)
    _work_off(queue)

    assert _performed == [7, 7]


def test_changed_tasks_are_told_to_every_turn_until_one_has_read_them(redis: Redis) -> None:
    queue = _queue(redis)
    queue.request(7, task_ids=[1, 2])
    queue.request(8, task_ids=[9])

    failed = queue.begin(7)
    assert failed is not None
    queue.request(7, task_ids=[2, 3])
    assert (failed.changed_tasks, failed.are_all_named) == ({1, 2}, True)
    failed.end("Label Studio was away")

    quiet = queue.begin(7)
    assert quiet is not None
    quiet.end()

    reading = queue.begin(7)
    assert reading is not None
    assert reading.changed_tasks == {1, 2, 3}
    queue.request(7, task_ids=[4], are_all_named=False)
    reading.mark_changes_read()
    reading.end()

    last = queue.begin(7)
    assert last is not None
    assert (last.changed_tasks, last.are_all_named) == ({4}, False)
    last.end()


def test_of_very_many_changed_tasks_it_is_only_known_that_there_are_some(redis: Redis) -> None:
    queue = _queue(redis)

    def told() -> tuple[frozenset[int], bool]:
        turn = queue.begin(7)
        assert turn is not None
        turn.end()
        return turn.changed_tasks, turn.are_all_named

    half = MOST_NAMED // 2 + 1
    queue.request(7, task_ids=range(1, half))
    assert told() == (frozenset(range(1, half)), True)
    queue.request(7, task_ids=range(half, 2 * half))
    assert told() == (frozenset(), False), "more than can be remembered, in two turns"
    queue.forget(7)
    assert told() == (frozenset(), True)
    queue.request(7, task_ids=range(MOST_NAMED + 1))
    assert told() == (frozenset(), False), "more than can be remembered, in one event"


def test_a_starting_worker_does_not_trust_that_it_was_told_of_everything(redis: Redis) -> None:
    queue = _queue(redis)
    queue.recover([7])

    turn = queue.begin(7)
    assert turn is not None
    assert not turn.are_all_named
    turn.end()


def test_projects_do_not_share_a_waiting_job(redis: Redis) -> None:
    queue = _queue(redis)

    assert queue.request(1) != queue.request(2)
    _perform[:] = [lambda _: None]
    _work_off(queue)

    assert sorted(_performed) == [1, 2]


def test_a_project_has_one_turn_and_who_comes_second_is_put_off(redis: Redis) -> None:
    queue, other = _queue(redis), _queue(redis)
    turn = queue.begin(7)
    assert turn is not None

    assert other.begin(7) is None
    turn.step("training")
    assert other.state(7).state == "training"
    assert other.anybody_runs()
    assert queue.length() == 0

    turn.end()
    assert not other.anybody_runs()

    def is_queued_again() -> bool:
        other.request_due()
        return other.length() == 1

    eventually(is_queued_again, "the round that was put off", timeout_s=10)
    assert other.state(7).state == "queued"


def test_a_turn_is_kept_up_while_its_round_runs(redis: Redis) -> None:
    queue = _queue(redis)
    turn = queue.begin(7)
    assert turn is not None
    [key] = redis.keys("*running*")
    redis.expire(key, 8)

    eventually(lambda: redis.ttl(key) > 8, "the lease to be renewed", timeout_s=8)

    assert redis.ttl(key) <= LEASE_S
    turn.end()
    assert not redis.exists(key)


def test_retries_come_later_each_time_until_a_round_goes_well(redis: Redis) -> None:
    queue = _queue(redis)

    delays = [queue.retry_later(7) for _ in range(6)]
    queue.request_due()
    assert delays == [*RETRY_DELAYS_S, RETRY_DELAYS_S[-1], RETRY_DELAYS_S[-1]]
    assert queue.length() == 0, "a retry came before its time"

    turn = queue.begin(7)
    assert turn is not None
    turn.end()
    assert queue.retry_later(7) == RETRY_DELAYS_S[0]


def test_a_starting_worker_forgets_jobs_that_a_killed_one_took_along(redis: Redis) -> None:
    queue = _queue(redis)
    taken = queue.request(7)
    queue.queue.empty()
    assert queue.request(7) == taken, "the request waits for a job that nobody will ever run"

    queue.recover([7])

    assert queue.length() == 1
    _work_off(queue)
    assert _performed == [7]


def test_a_starting_worker_drops_the_jobs_of_an_earlier_release_and_requests_their_rounds(redis: Redis) -> None:
    RoundQueue(redis, "backend.worker.perform_round").request(7)
    queue = _queue(redis)

    queue.recover([7])

    assert queue.length() == 1
    _work_off(queue)
    assert _performed == [7]


def test_a_worker_that_waits_long_for_a_job_is_not_cut_off(redis: Redis) -> None:
    settings = Settings(redis_url=f"unix://{redis.connection_pool.connection_kwargs['path']}")
    rounds = RoundQueue(open_redis(settings))
    rounds.ping()

    worker = rq_worker(rounds, settings)

    waiting = worker.connection.connection_pool.get_connection()
    assert waiting.socket_timeout > worker.dequeue_timeout


# The same over HTTP, with the worker that `serve` runs.


@pytest.fixture
def frozen_worker(quick: BackendServer) -> Iterator[int]:
    """The worker's process, stopped in its tracks as if it trained for long."""
    pid = quick.worker_pid()
    os.kill(pid, signal.SIGSTOP)
    yield pid
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def test_fifty_webhooks_at_once_become_one_round(
    owner: Person, quick: BackendServer, title: str, request: pytest.FixtureRequest
) -> None:
    project_id = owner.create_project(title, CONFIG, list(reviews(6)))
    owner.connect(project_id, quick.url)
    until_published(owner, quick, project_id)
    pid = request.getfixturevalue("frozen_worker")

    def post() -> str:
        body = {"action": "ANNOTATION_CREATED", "project": {"id": project_id}, "annotation": {"id": 1}}
        answer = quick.http.post("/webhook", json=body)
        assert answer.status_code == 201
        return str(answer.json()["job_id"])

    ids = _burst(post)

    assert len(ids) == 1
    assert quick.status(project_id)["state"] == "queued"
    os.kill(pid, signal.SIGCONT)
    assert quick.until_settled(project_id)["last_error"] == ""


def test_a_worker_killed_in_a_round_is_replaced_and_the_training_that_was_asked_for_is_done(
    owner: Person, quick: BackendServer, title: str
) -> None:
    gold = reviews(120)
    project_id = owner.create_project(title, CONFIG, list(gold))
    backend_id = owner.connect(project_id, quick.url, retrain_every=1000)
    until_published(owner, quick, project_id)
    owner.label_both(project_id, gold, 4)
    quick.until_settled(project_id)
    killed = quick.worker_pid()

    owner.call("POST", f"/api/ml/{backend_id}/train", {})
    quick.until(project_id, lambda status: status["state"] in RUNNING, "the round to run")
    os.kill(killed, signal.SIGKILL)
    assert quick.status(project_id)["model"] == 0, "the round was over before it could be killed"

    publication = until_published(owner, quick, project_id, model=1)
    assert quick.worker_pid() != killed
    assert owner.project(project_id)["model_version"] == publication.name
    versions = {p["model_version"] for p in owner.predictions(project_id)}
    assert publication.name in versions
    assert len(versions) <= 2


def test_a_worker_told_to_stop_leaves_its_training_between_two_steps_and_the_next_one_does_it(
    owner: Person, studio: Server, title: str, tmp_path: Path
) -> None:
    gold = reviews(12)
    # The bundled encoder, so that the training lasts long enough to be stopped.
    with backend(tmp_path, studio.url, LEGACY_TOKEN, RETRAIN_EVERY="1000") as server:
        project_id = owner.create_project(title, CONFIG, list(gold))
        backend_id = owner.connect(project_id, server.url)
        until_published(owner, server, project_id)
        owner.label_both(project_id, gold, 8)
        server.until_settled(project_id)
        stopped = server.worker_pid()

        owner.call("POST", f"/api/ml/{backend_id}/train", {})
        server.until(project_id, lambda status: status["progress"].get("total", 0) > 12, "the first steps")
        os.kill(stopped, signal.SIGTERM)
        eventually(lambda: server.worker_pid() != stopped, "another worker", timeout_s=20)

        assert server.folder(project_id).registry.numbers() == []
        until_published(owner, server, project_id, model=1)
        assert server.status(project_id)["last_error"] == ""


@contextmanager
def _forwarding(port: int, target: str) -> Iterator[None]:
    """A door on `port` that leads to another server."""
    to = urlsplit(target)
    over = threading.Event()

    def copy(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def serve_one(caller: socket.socket) -> None:
        with caller, socket.create_connection((to.hostname, to.port)) as answerer:
            back = threading.Thread(target=copy, args=(answerer, caller), daemon=True)
            back.start()
            copy(caller, answerer)
            back.join()

    def serve() -> None:
        while not over.is_set():
            try:
                caller, _ = door.accept()
            except TimeoutError:
                continue
            caller.settimeout(None)
            threading.Thread(target=serve_one, args=(caller,), daemon=True).start()

    with socket.create_server(("127.0.0.1", port)) as door:
        door.settimeout(0.2)
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield
        over.set()
        thread.join()


def test_a_round_that_label_studio_did_not_answer_is_tried_again(
    owner: Person, studio: Server, small_encoder: str, title: str, tmp_path: Path
) -> None:
    port = free_port()
    with backend(tmp_path, f"http://127.0.0.1:{port}", LEGACY_TOKEN, BERT_MODEL=small_encoder) as server:
        project_id = owner.create_project(title, CONFIG, list(reviews(6)))
        owner.connect(project_id, server.url)
        status = server.until(project_id, lambda status: status["last_error"], "the round to fail")
        assert status["last_error_code"] == "label_studio_unreachable"
        assert "trying again in" in status["last_error"]

        with _forwarding(port, studio.url):
            until_published(owner, server, project_id)
            assert server.status(project_id)["last_error"] == ""
