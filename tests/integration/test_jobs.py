"""Rounds that wait and run, on a real Redis: bursts, turns, retries, and workers that are killed."""

import os
import shutil
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from urllib.parse import urlsplit

import pytest
from redis import Redis
from rq import Queue, Retry, get_current_job
from rq.job import Job, JobStatus

from backend.applying import errands
from backend.rounds import performing
from backend.settings import Settings
from backend.store.connection import Connection
from backend.store.project_folder import ProjectFolder
from backend.store.sync_record import MOST_NAMED
from backend.work.classifiers import Classifiers
from backend.work.forgetting import knows, without_rounds
from backend.work.forms import ARGUMENTS, PERFORM_ROUND
from backend.work.jobs import JsonJob, JsonWorker
from backend.work.queue import RoundQueue, deaths_of
from backend.work.redis_access import open_redis
from backend.work.requests import Requested, Requests
from backend.work.turn import RETRY_DELAYS_S, Turn, record_key
from backend.work.worker import WorkerProcess, look_at_projects, rq_worker
from backend.work.workers import LEASE_S, Workers
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
_perform: list[Callable[[Job], Retry | None]] = []


ARGUMENTS[f"{__name__}.perform_round"] = ARGUMENTS[PERFORM_ROUND]


def perform_round(project_id: int) -> Retry | None:
    """A round that only counts itself."""
    _performed.append(project_id)
    job = get_current_job()
    assert job is not None
    return _perform[0](job)


def _nothing(job: Job) -> None:
    """A round that does nothing."""


def _queue(redis: Redis, perform: Callable[[Job], Retry | None] = _nothing) -> RoundQueue:
    _performed.clear()
    _perform[:] = [perform]
    return RoundQueue(redis, f"{__name__}.perform_round")


def _work_off(queue: RoundQueue) -> None:
    JsonWorker([queue.queue], connection=queue.redis).work(burst=True, logging_level="ERROR")


def _begin(queue: RoundQueue, project_id: int = 7) -> Turn:
    """Begin the waiting round of a project, as a worker would."""
    job = queue.queue.fetch_job(queue.queue.job_ids[0]) if queue.length() else None
    if job is None:
        job = JsonJob.fetch(queue.request(project_id), connection=queue.redis)
    queue.queue.remove(job)
    job.set_status(JobStatus.STARTED)
    turn = queue.begin(job)
    assert turn is not None
    return turn


def _end(queue: RoundQueue, turn: Turn, error: str = "") -> None:
    """End a round, and its job as RQ ends it."""
    turn.end(error, "label_studio" if error else "")
    for job_id in ("round-7-a", "round-7-b"):
        if job_id not in queue.queue.job_ids:
            queue.redis.delete(JsonJob.key_for(job_id))


def test_fifty_requests_at_once_are_one_waiting_job(redis: Redis) -> None:
    queue = _queue(redis)

    ids = _burst(lambda: queue.request(7, changes=1))

    assert len(ids) == 1
    assert queue.length() == 1
    turn = _begin(queue)
    assert turn.requested.changes == 50
    turn.end()


def test_fifty_requests_while_a_round_runs_become_one_more(redis: Redis) -> None:
    def perform(job: Job) -> None:
        turn = queue.begin(job)
        assert turn is not None
        if len(_performed) == 1:
            _burst(lambda: queue.request(7, changes=1))
        else:
            assert turn.requested.changes == 50
        turn.end()

    queue = _queue(redis, perform)
    queue.request(7)
    _work_off(queue)

    assert _performed == [7, 7]


def test_what_was_asked_is_told_to_every_turn_until_one_ends_well(redis: Redis) -> None:
    queue = _queue(redis)
    queue.request(7, changes=2, train=True, task_ids=[1, 2])

    failed = _begin(queue)
    queue.request(7, changes=1, task_ids=[2, 3])
    assert (failed.requested.changed_tasks, failed.requested.are_all_named) == ({1, 2}, True)
    _end(queue, failed, "Label Studio was away")

    good = _begin(queue)
    assert good.requested == Requested(3, True, frozenset({1, 2, 3}))
    queue.request(7, task_ids=[3, 4], are_all_named=False)
    _end(queue, good)

    last = _begin(queue)
    assert last.requested == Requested(0, False, frozenset({3, 4}), are_all_named=False)
    _end(queue, last)
    assert Requests(redis, 7).is_empty()


def test_of_very_many_changed_tasks_it_is_only_known_that_there_are_some(redis: Redis) -> None:
    queue = _queue(redis)
    half = MOST_NAMED // 2 + 1
    unnamed = Requested(are_all_named=False)

    queue.request(7, task_ids=range(1, half))
    assert Requests(redis, 7).read() == Requested(changed_tasks=frozenset(range(1, half)))
    queue.request(7, task_ids=range(half, 2 * half))
    assert Requests(redis, 7).read() == unnamed, "more than can be remembered, in two events"
    queue.forget(7)
    assert Requests(redis, 7).read() == Requested()
    queue.request(7, task_ids=range(MOST_NAMED + 1))
    assert Requests(redis, 7).read() == unnamed, "more than can be remembered, in one event"


def test_a_starting_worker_does_not_trust_that_it_was_told_of_everything(redis: Redis) -> None:
    queue = _queue(redis)
    queue.recover([7])

    turn = _begin(queue)
    assert not turn.requested.are_all_named
    turn.end()


def test_projects_do_not_share_a_waiting_job(redis: Redis) -> None:
    queue = _queue(redis)

    assert queue.request(1) != queue.request(2)
    _work_off(queue)

    assert sorted(_performed) == [1, 2]


def test_a_project_has_one_turn_and_who_comes_second_is_put_off(redis: Redis) -> None:
    def perform(job: Job) -> Retry | None:
        second = other.begin(job)
        if second is None:
            turn.end()
            return Retry(max=9)
        second.end()
        return None

    queue = _queue(redis, perform)
    other = RoundQueue(redis, f"{__name__}.perform_round")
    turn = _begin(queue)
    turn.step("training")
    assert other.state(7).state == "training"

    other.request(7)
    _work_off(other)

    assert _performed == [7, 7], "once while the turn was taken, once after it"
    assert other.state(7).state == "idle"


def test_whether_anybody_runs_is_known_to_all(redis: Redis) -> None:
    def perform(job: Job) -> None:
        turn = queue.begin(job)
        assert turn is not None
        assert queue.anybody_runs()
        turn.end()
        assert not queue.anybody_runs()

    queue = _queue(redis, perform)
    queue.request(7)
    _work_off(queue)
    assert _performed == [7]
    assert not queue.anybody_runs()


def test_a_project_has_one_errand_at_a_time_beside_its_rounds(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, bool, bool]] = []

    def perform_errand(project_id: int) -> None:
        seen.append((project_id, queue.has_errand(project_id), queue.anybody_runs()))
        assert not queue.request_errand(project_id)

    queue = _queue(redis)
    monkeypatch.setattr(errands, "perform_errand", perform_errand)

    assert [queue.request_errand(7), queue.request_errand(7), queue.request_errand(8)] == [True, False, True]
    queue.request(7)
    assert queue.length() == 3
    queue.drop_errand(8)
    assert not queue.has_errand(8)
    _work_off(queue)

    assert seen == [(7, True, True)]
    assert _performed == [7]
    assert not queue.has_errand(7)
    assert queue.request_errand(7), "the next one can be asked for"


def test_an_errand_is_done_by_the_next_worker_if_one_was_killed_over_it(redis: Redis) -> None:
    queue = _queue(redis)
    queue.request_errand(7)
    job = queue.queue.fetch_job("errand-7")
    assert job is not None
    assert deaths_of(job) == 0
    queue.queue.remove(job)
    # RQ's entry of a job that a worker began and never ended.
    job.set_status(JobStatus.STARTED)
    redis.zadd(queue.queue.started_job_registry.key, {"errand-7:gone": time.time() + 3600})

    queue.look_after([7])

    again = queue.queue.fetch_job("errand-7")
    assert again is not None
    assert queue.queue.job_ids == ["errand-7"]
    assert deaths_of(again) == 1


def test_forgetting_a_project_forgets_its_errand(redis: Redis) -> None:
    queue = _queue(redis)
    queue.request_errand(7)
    assert knows(queue, 7)
    with without_rounds(queue, 7):
        assert not queue.has_errand(7)
    assert not knows(queue, 7)


def test_retries_come_later_each_time_until_a_round_goes_well(redis: Redis) -> None:
    queue = _queue(redis)
    turn = _begin(queue)

    delays = []
    for _ in range(6):
        delays.append(turn.next_delay_s())
        redis.hset(record_key(7), "again_s", 0)  # the time has come

    assert delays == [*RETRY_DELAYS_S, RETRY_DELAYS_S[-1], RETRY_DELAYS_S[-1]]
    turn.end()
    assert turn.next_delay_s() == RETRY_DELAYS_S[0]


def test_a_hundred_labels_during_a_fault_of_seconds_make_no_wait_of_minutes(redis: Redis) -> None:
    turn = _begin(_queue(redis))
    assert all(0 < turn.next_delay_s() <= RETRY_DELAYS_S[0] for _ in range(100))


def _scheduled(queue: RoundQueue) -> dict[str, float]:
    registry = queue.queue.scheduled_job_registry
    return {job_id: queue.redis.zscore(registry.key, job_id) for job_id in registry.get_job_ids()}


def test_the_earlier_of_two_delayed_requests_counts(redis: Redis) -> None:
    queue = _queue(redis)
    for delay_s in (300, 60, 600):
        queue.request_later(7, delay_s)

    [(_, due)] = _scheduled(queue).items()

    assert 50 < due - time.time() < 61
    assert queue.length() == 0, "a delayed request came before its time"


def test_rounds_that_want_to_come_back_leave_one_delayed_round_however_many_jobs_a_project_had(
    redis: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(performing, "run_round", lambda settings, queue, turn, *_: turn.come_back(60.0))

    def perform(job: Job) -> Retry | None:
        turn = queue.begin(job)
        assert turn is not None
        worker = WorkerProcess(Settings(model_dir=tmp_path), queue, Event(), Classifiers(1))
        return performing._again(performing._run(worker, turn))

    queue = _queue(redis, perform)
    queue.request(7)
    queue.request_later(7, -1.0)
    queue.enqueue_due()
    for _ in range(3):
        _work_off(queue)
        [(job_id, due)] = _scheduled(queue).items()
        assert 50 < due - time.time() < 61
        redis.zadd(queue.queue.scheduled_job_registry.key, {job_id: 0.0})
        queue.enqueue_due()

    assert len(_performed) == 4, "two jobs at first, then one each time"


def test_a_request_does_not_wait_for_a_round_that_was_put_off(redis: Redis) -> None:
    queue = _queue(redis, lambda _: Retry(max=9, interval=300))
    queue.request(7)
    _work_off(queue)
    assert len(_scheduled(queue)) == 1

    queue.request(7)
    assert queue.length() == 1, "it has a job of its own"
    _work_off(queue)
    assert len(_scheduled(queue)) == 2

    queue.request(7)
    assert min(_scheduled(queue).values()) == 0, "a job that was put off is due now"


def test_a_job_that_a_killed_worker_took_along_is_queued_again_by_any_living_worker(redis: Redis) -> None:
    queue = _queue(redis)
    taken = queue.request(7)
    queue.queue.remove(taken)
    assert queue.request(7) == taken, "the request waits for a job that nobody will ever run"

    for _ in range(2):
        queue.look_after([7])

    _work_off(queue)
    assert _performed == [7]


def test_a_project_whose_folder_somebody_deleted_has_one_more_round(redis: Redis, tmp_path: Path) -> None:
    queue, settings = _queue(redis), Settings(model_dir=tmp_path)
    folder = ProjectFolder(tmp_path, 7)
    folder.connection.write(Connection("http://localhost:9090"))
    seen = look_at_projects(queue, settings, set())
    shutil.rmtree(folder.path)

    seen = look_at_projects(queue, settings, seen)
    queue.enqueue_due()
    _work_off(queue)
    assert _performed == [7]

    look_at_projects(queue, settings, seen)
    assert _scheduled(queue) == {}


def test_a_job_that_a_killed_worker_took_along_passes_for_waiting_for_seconds_alone_though_nobody_asks(
    redis: Redis,
) -> None:
    """The periodic look at a project asks for nothing: no label would ever show that its job is lost."""
    queue = _queue(redis)
    queue.request_later(7, 0.0)
    queue.enqueue_due()
    [taken] = queue.queue.job_ids
    queue.queue.remove(taken)
    assert queue.state(7).state == "queued"

    for _ in range(3):
        queue.look_after([7])

    assert queue.queue.job_ids == [taken]
    _work_off(queue)
    assert (_performed, queue.state(7).state) == ([7], "idle")


def test_an_errand_that_a_killed_worker_took_along_is_queued_again_by_any_living_worker(redis: Redis) -> None:
    queue = _queue(redis)
    queue.request_errand(7)
    queue.queue.remove("errand-7")

    for _ in range(3):
        queue.look_after([7])

    assert queue.queue.job_ids == ["errand-7"]


def test_a_round_that_runs_or_failed_is_not_queued_again(redis: Redis) -> None:
    def perform(job: Job) -> None:
        turn = queue.begin(job)
        assert turn is not None
        for _ in range(3):
            queue.look_after([7])
        assert queue.length() == 0
        turn.end("the labeling config has no Choices", "unsupported_labeling_config")

    queue = _queue(redis, perform)
    queue.request(7, changes=1)
    _work_off(queue)

    for _ in range(3):
        queue.look_after([7])
    assert queue.length() == 0
    assert queue.state(7).state == "failed"


def test_a_starting_worker_drops_the_jobs_of_an_earlier_release_and_requests_their_rounds(redis: Redis) -> None:
    Queue("shortlist", connection=redis).enqueue("backend.worker.perform_round", 7)
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


def test_a_worker_whose_clock_is_an_hour_late_is_alive_and_keeps_its_job(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = _queue(redis)
    settings = Settings(redis_url=f"unix://{redis.connection_pool.connection_kwargs['path']}")
    worker = rq_worker(RoundQueue(open_redis(settings)), settings)
    job = JsonJob.fetch(queue.request(7, changes=1), connection=redis)
    queue.queue.remove(job)
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    with monkeypatch.context() as late:
        for room in ("rq.worker.base", "rq.executions", "rq.job"):
            late.setattr(f"{room}.now", lambda: an_hour_ago)
        for room in ("rq.registry", "rq.executions"):
            late.setattr(f"{room}.current_timestamp", lambda: int(an_hour_ago.timestamp()))
        worker.register_birth()
        worker.prepare_execution(job)
        worker.prepare_job_execution(job)
        worker.renew()

    other = RoundQueue(redis, f"{__name__}.perform_round")
    other.workers.name += "0"
    assert other.workers.others() == [worker.name]
    for _ in range(3):
        other.look_after([7])
    assert queue.length() == 0, "a job that runs was queued again"
    redis.delete(worker.key)
    other.look_after([7])
    assert queue.length() == 1, "the job of a dead worker was not queued again"


def test_a_worker_is_alive_for_seconds_after_its_last_sign_and_not_after_its_end(redis: Redis) -> None:
    settings = Settings(redis_url=f"unix://{redis.connection_pool.connection_kwargs['path']}")
    rounds, other = RoundQueue(open_redis(settings)), Workers(redis)
    other.name += "0"
    worker = rq_worker(rounds, settings)
    worker.register_birth()
    worker.heartbeat(6 * 3600)

    assert other.others() == [rounds.workers.name]
    assert 0 < redis.ttl(worker.key) <= LEASE_S, "a killed worker would be believed in for the length of a job"

    redis.delete(worker.key)
    assert other.others() == []
    worker.renew()
    assert other.others() == [rounds.workers.name], "a worker that was frozen lives again"
    worker.register_death()
    assert other.others() == []


def test_a_helper_is_no_worker_that_runs_rounds(redis: Redis) -> None:
    settings = Settings(redis_url=f"unix://{redis.connection_pool.connection_kwargs['path']}")
    rounds, other = RoundQueue(open_redis(settings)), RoundQueue(redis)
    other.workers.name += "0"
    helper = rq_worker(rounds, settings, is_helper=True)
    helper.register_birth()
    assert other.workers.others() == [rounds.workers.name]
    assert other.living_workers() == 0
    helper.register_death()
    rq_worker(rounds, settings).register_birth()
    assert other.living_workers() == 1


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


def test_a_training_that_was_asked_for_is_done_though_redis_pauses_meanwhile(
    owner: Person, studio: Server, title: str, tmp_path: Path
) -> None:
    gold = reviews(12)
    with backend(tmp_path, studio.url, LEGACY_TOKEN, RETRAIN_EVERY="1000") as server:
        project_id = owner.create_project(title, CONFIG, list(gold))
        backend_id = owner.connect(project_id, server.url)
        until_published(owner, server, project_id)
        owner.label_both(project_id, gold, 8)
        server.until_settled(project_id)
        redis_pid = int(open_redis(Settings(model_dir=server.model_dir)).info("server")["process_id"])

        owner.call("POST", f"/api/ml/{backend_id}/train", {})
        server.until(project_id, lambda status: status["progress"].get("total", 0) > 12, "the first steps")
        worker_pid = server.worker_pid()
        os.kill(redis_pid, signal.SIGSTOP)
        # Longer than a turn lasts unrenewed, and than redis-py tries by default.
        time.sleep(35)
        os.kill(redis_pid, signal.SIGCONT)

        until_published(owner, server, project_id, model=1)
        assert server.worker_pid() == worker_pid, "the training went on in the same worker"
        assert server.until_settled(project_id)["last_error"] == ""


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
