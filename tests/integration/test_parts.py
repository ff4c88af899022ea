"""Parts of a pool that several workers embed, on a real Redis: shared by Redis alone, taken back, found again."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from redis import Redis

from backend.settings import Settings
from backend.store.project_folder import ProjectFolder
from backend.work import worker as worker_process
from backend.work.classifiers import Classifiers
from backend.work.jobs import JsonWorker
from backend.work.pool.parts import PartWorker, embed_in_parts
from backend.work.pool.weights import fetch_weights, offer_weights
from backend.work.queue import RoundQueue
from backend.work.sources import Source
from examples.servers import clean_environment, running
from model.encoder.classifier import new_classifier, save_classifier
from model.errors import TrainingCancelledError, VersionError
from model.progress import Progress, ignore_progress
from model.types import FloatArray
from tests.fakes import BLAME, NEUTRAL, PRAISE, SENTIMENT
from tests.servers import eventually

TEXTS = [" ".join([PRAISE[n % 4], NEUTRAL[n % 5], BLAME[n % 3]][: 1 + n % 3] * (1 + n % 4)) for n in range(1700)]
PROJECT = 7


@pytest.fixture
def queue(module_redis: Redis) -> RoundQueue:
    module_redis.flushall()
    return RoundQueue(module_redis)


@pytest.fixture
def source(small_encoder: str) -> Source:
    return Source(small_encoder)


@pytest.fixture
def expected_M_D(source: Source) -> FloatArray:
    return new_classifier(source.encoder, SENTIMENT).encoder.embed(TEXTS)


@pytest.fixture
def worker(queue: RoundQueue, tmp_path: Path) -> PartWorker:
    """The worker of the round."""
    return PartWorker(queue, ProjectFolder(tmp_path / "of the round", PROJECT), Classifiers(1))


@pytest.fixture
def helper(queue: RoundQueue, tmp_path: Path) -> Iterator[JsonWorker]:
    """A second worker, with a MODEL_DIR of its own: it shares Redis with the round, and nothing else."""
    settings = Settings(model_dir=tmp_path / "of the helper")
    name = f"{queue.workers.name.rpartition('-')[0]}-{os.getppid()}"
    helper = JsonWorker([queue.queue, queue.parts], connection=queue.redis, name=name)
    helper.register_birth()
    process = worker_process.WorkerProcess(settings, queue, threading.Event(), Classifiers(1))
    worker_process._this_worker[:] = [process]
    yield helper
    worker_process._this_worker.clear()


def _help(helper: JsonWorker, parts: int) -> None:
    """Let the helper take so many parts, and stay alive."""
    helper.connection.delete(helper.key)
    helper.work(max_jobs=parts, logging_level="ERROR")
    helper.register_birth()


def _embed(
    worker: PartWorker, source: Source, texts: list[str] = TEXTS, on_progress: Progress = ignore_progress
) -> FloatArray:
    found = list(embed_in_parts(worker, source, texts, on_progress))
    rows_M = np.concatenate([rows_K for rows_K, _ in found])
    assert sorted(rows_M) == list(range(len(texts))), "a text was embedded twice, or not at all"
    embeddings_M_D: FloatArray = np.concatenate([embeddings_K_D for _, embeddings_K_D in found])[np.argsort(rows_M)]
    return embeddings_M_D


class _Round:
    """A round that embeds in a thread, and rests after its first part until `go` is set."""

    def __init__(self, worker: PartWorker, source: Source) -> None:
        self.go = threading.Event()
        self.heard: list[tuple[int, int]] = []
        self._answers: list[FloatArray] = []
        self._thread = threading.Thread(
            target=lambda: self._answers.append(_embed(worker, source, TEXTS, self._on_progress))
        )
        self._thread.start()

    def _on_progress(self, done: int, total: int) -> None:
        self.heard.append((done, total))
        if done:
            assert self.go.wait(60)

    def answer(self) -> FloatArray:
        self.go.set()
        self._thread.join()
        return self._answers[0]


def test_a_helper_that_shares_only_redis_takes_parts_and_none_is_done_twice(
    worker: PartWorker,
    helper: JsonWorker,
    queue: RoundQueue,
    source: Source,
    expected_M_D: FloatArray,
    tmp_path: Path,
) -> None:
    round_ = _Round(worker, source)
    eventually(lambda: len(queue.parts) == 3, "parts to be offered", timeout_s=30, every_s=0.01)
    _help(helper, 2)

    np.testing.assert_allclose(round_.answer(), expected_M_D, atol=2e-3)

    assert len(queue.parts) == 0
    done = [step for step, _ in round_.heard]
    assert done == sorted(done)
    assert round_.heard[-1] == (1700, 1700)
    [kept] = (tmp_path / "of the helper" / "weights").iterdir()
    assert (kept / "classifier.json").exists(), "the encoder came through Redis"


def test_the_command_for_a_helper_needs_nothing_but_the_address_of_redis(
    worker: PartWorker, queue: RoundQueue, source: Source, expected_M_D: FloatArray, tmp_path: Path
) -> None:
    socket = queue.redis.connection_pool.connection_kwargs["path"]
    environment = clean_environment({"REDIS_URL": f"unix://{socket}", "MODEL_DIR": str(tmp_path / "elsewhere")})
    log = tmp_path / "helper.log"
    with running([sys.executable, "-m", "backend", "worker", "--helper"], environment, log):
        eventually(queue.workers.others, "the helper to start", timeout_s=60)
        round_ = _Round(worker, source)
        eventually(lambda: log.read_text().count("event=part_done") == 3, "the helper to embed", timeout_s=60)
        np.testing.assert_allclose(round_.answer(), expected_M_D, atol=2e-3)
    assert [path.name for path in (tmp_path / "elsewhere").iterdir() if path.suffix != ".lock"] == ["weights"]


def test_parts_that_no_helper_takes_are_taken_back(
    worker: PartWorker, helper: JsonWorker, queue: RoundQueue, source: Source, expected_M_D: FloatArray
) -> None:
    np.testing.assert_allclose(_embed(worker, source), expected_M_D, atol=1e-5)
    assert len(queue.parts) == 0


def test_a_part_whose_helper_died_over_it_is_embedded_all_the_same(
    worker: PartWorker, helper: JsonWorker, queue: RoundQueue, source: Source, expected_M_D: FloatArray
) -> None:
    round_ = _Round(worker, source)
    eventually(lambda: len(queue.parts) > 1, "parts to be offered", timeout_s=30, every_s=0.01)
    # The helper takes one part and begins it, takes another and dies before it can say so.
    begun = queue.parts.fetch_job(queue.parts.job_ids[0])
    assert begun is not None
    for job_id in queue.parts.job_ids[:2]:
        queue.parts.remove(job_id)
    helper.prepare_execution(begun)
    helper.prepare_job_execution(begun)
    queue.redis.delete(helper.key)
    queue.look_after([])

    began_s = time.monotonic()
    np.testing.assert_allclose(round_.answer(), expected_M_D, atol=1e-5)
    assert time.monotonic() - began_s < 30


def test_a_part_that_its_helper_cannot_embed_is_embedded_by_the_round(
    worker: PartWorker, helper: JsonWorker, queue: RoundQueue, source: Source, expected_M_D: FloatArray
) -> None:
    round_ = _Round(worker, source)
    eventually(lambda: len(queue.parts) > 0, "parts to be offered", timeout_s=30, every_s=0.01)
    [weights] = queue.redis.keys("shortlist:weights:*")
    queue.redis.delete(weights)
    _help(helper, 2)

    np.testing.assert_allclose(round_.answer(), expected_M_D, atol=1e-5)


def test_parts_that_a_helper_did_for_a_killed_round_are_found_again(
    worker: PartWorker, helper: JsonWorker, queue: RoundQueue, source: Source, expected_M_D: FloatArray
) -> None:
    stopping = threading.Event()
    stopped = PartWorker(queue, worker.folder, worker.classifiers, stopping.is_set)

    def on_progress(done: int, total: int) -> None:
        if done:
            eventually(lambda: len(queue.parts) == 0, "the helper", timeout_s=30, every_s=0.01)
            stopping.set()

    def run() -> None:
        with pytest.raises(TrainingCancelledError):
            _embed(stopped, source, TEXTS, on_progress)

    round_ = threading.Thread(target=run)
    round_.start()
    eventually(lambda: len(queue.parts) == 3, "parts to be offered", timeout_s=30, every_s=0.01)
    _help(helper, 3)
    round_.join()

    heard: list[int] = []
    embeddings_M_D = _embed(worker, source, TEXTS, lambda done, _: heard.append(done))
    assert heard[0] >= 500, "results of the first round count at once"
    np.testing.assert_allclose(embeddings_M_D, expected_M_D, atol=2e-3)


# Encoders on their way through Redis.


@pytest.fixture
def saved(tmp_path: Path, small_encoder: str) -> Path:
    folder = tmp_path / "saved"
    folder.mkdir()
    save_classifier(new_classifier(small_encoder, SENTIMENT), folder)
    return folder


def test_a_classifier_that_was_used_is_still_the_same_encoder(
    tmp_path: Path, worker: PartWorker, source: Source
) -> None:
    fresh, used = tmp_path / "fresh", tmp_path / "used"
    save_classifier(worker.classifiers.get(worker.folder, source), fresh)
    classifier = Classifiers(1).get(worker.folder, source)
    classifier.encoder.embed(TEXTS[:40])
    save_classifier(classifier, used)
    assert {file.name: file.read_bytes() for file in fresh.rglob("*.*")} == {
        file.name: file.read_bytes() for file in used.rglob("*.*")
    }


def test_an_encoder_is_put_into_redis_once_and_fetched_once(queue: RoundQueue, saved: Path, tmp_path: Path) -> None:
    digest = offer_weights(queue.redis, saved)
    assert offer_weights(queue.redis, saved) == digest
    fetched = fetch_weights(queue.redis, digest, tmp_path / "kept")
    assert {file.name for file in fetched.rglob("*")} == {file.name for file in saved.rglob("*")}
    queue.redis.flushall()
    assert fetch_weights(queue.redis, digest, tmp_path / "kept") == fetched


def test_an_encoder_that_redis_lost_or_changed_is_refused(queue: RoundQueue, saved: Path, tmp_path: Path) -> None:
    digest = offer_weights(queue.redis, saved)
    [key] = queue.redis.keys("shortlist:weights:*")
    queue.redis.hset(key, queue.redis.hkeys(key)[0], b"not what it was")
    with pytest.raises(VersionError, match="damaged"):
        fetch_weights(queue.redis, digest, tmp_path / "kept")
    queue.redis.delete(key)
    with pytest.raises(VersionError, match="does not have"):
        fetch_weights(queue.redis, digest, tmp_path / "kept")
    assert list((tmp_path / "kept").glob("*")) == []


def test_an_encoder_from_redis_cannot_write_outside_its_folder(queue: RoundQueue, saved: Path, tmp_path: Path) -> None:
    digest = offer_weights(queue.redis, saved)
    [key] = queue.redis.keys("shortlist:weights:*")
    queue.redis.hset(key, "000000 ../../escaped", b"gotcha")
    with pytest.raises(VersionError, match="outside its folder"):
        fetch_weights(queue.redis, digest, tmp_path / "kept")
    assert not (tmp_path / "escaped").exists()
