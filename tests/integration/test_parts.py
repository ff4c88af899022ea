"""Parts of a pool that several workers embed, on a real Redis: shared, taken over, found again."""

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from redis import Redis
from rq.worker import SimpleWorker

from backend.store.project_folder import ProjectFolder
from backend.work.classifiers import Classifiers
from backend.work.cores import Workers
from backend.work.part_files import cut_into_parts
from backend.work.parts import PartWorker, drop_parts, embed_in_parts, embed_part
from backend.work.queue import RoundQueue
from backend.work.sources import Source
from model.encoder.bert import new_classifier
from model.encoder.inference import embed_texts
from model.errors import TrainingCancelledError
from model.types import FloatArray
from tests.fakes import BLAME, NEUTRAL, PRAISE, SENTIMENT
from tests.servers import eventually

TEXTS = [" ".join([PRAISE[n % 4], NEUTRAL[n % 5], BLAME[n % 3]][: 1 + n % 3] * (1 + n % 4)) for n in range(1700)]
PROJECT = 7

# What helpers run: RQ calls it by name.
_help: list[Callable[[str], bool]] = []
_helped: list[str] = []


def help_with(project_id: int, part: str) -> None:
    if _help[0](part):
        _helped.append(part)


@pytest.fixture
def queue(module_redis: Redis) -> RoundQueue:
    module_redis.flushall()
    _helped.clear()
    return RoundQueue(module_redis, part_function=f"{__name__}.help_with")


@pytest.fixture
def folder(tmp_path: Path) -> ProjectFolder:
    return ProjectFolder(tmp_path, PROJECT)


@pytest.fixture
def source(small_encoder: str) -> Source:
    return Source(small_encoder)


@pytest.fixture
def expected_M_D(source: Source) -> FloatArray:
    return embed_texts(new_classifier(source.encoder, SENTIMENT), TEXTS)


@pytest.fixture
def worker(queue: RoundQueue, folder: ProjectFolder) -> PartWorker:
    return PartWorker(queue, folder, Classifiers(1))


def _key(redis: Redis, part: str) -> str:
    return f"shortlist:part:{PROJECT}:{part}"


def test_a_helper_and_the_round_share_the_parts_and_none_is_done_twice(
    worker: PartWorker, queue: RoundQueue, folder: ProjectFolder, source: Source, expected_M_D: FloatArray
) -> None:
    helper = PartWorker(queue, folder, Classifiers(1))
    _help[:] = [lambda part: embed_part(helper, part)]
    heard: list[tuple[int, int]] = []
    answers: list[FloatArray] = []

    def on_progress(done: int, total: int) -> None:
        heard.append((done, total))
        if 0 < done < total:
            # The round rests in its first part, until the helper has done two.
            eventually(lambda: len(_helped) >= 2, "the helper", timeout_s=30)

    round_ = threading.Thread(target=lambda: answers.append(embed_in_parts(worker, source, TEXTS, on_progress)))
    round_.start()
    eventually(lambda: len(queue.parts) == 4, "an invitation", timeout_s=30, every_s=0.01)
    SimpleWorker([queue.queue, queue.parts], connection=queue.redis).work(max_jobs=2, logging_level="ERROR")
    round_.join()

    np.testing.assert_allclose(answers[0], expected_M_D, atol=1e-5)
    assert len(set(_helped)) == 2
    assert len(queue.parts) == 0
    done = [step for step, _ in heard]
    assert done == sorted(done)
    assert heard[-1] == (1700, 1700)


def test_a_part_whose_helper_died_is_taken_over(
    worker: PartWorker, queue: RoundQueue, folder: ProjectFolder, source: Source, expected_M_D: FloatArray
) -> None:
    dying = cut_into_parts(source, TEXTS, np.arange(len(TEXTS)))[1].name
    queue.redis.set(_key(queue.redis, dying), "who died", px=400)

    embeddings_M_D = embed_in_parts(worker, source, TEXTS)

    np.testing.assert_allclose(embeddings_M_D, expected_M_D, atol=1e-5)
    assert queue.redis.get(_key(queue.redis, dying)) == b"done"


def test_what_a_round_did_before_it_was_stopped_is_found_again_though_texts_came_and_went(
    worker: PartWorker, queue: RoundQueue, folder: ProjectFolder, source: Source, expected_M_D: FloatArray
) -> None:
    reached = [0]

    def on_progress(done: int, total: int) -> None:
        reached[0] = done

    with pytest.raises(TrainingCancelledError):
        embed_in_parts(
            PartWorker(queue, folder, Classifiers(1), lambda: reached[0] >= 1000), source, TEXTS, on_progress
        )
    assert len(queue.parts) == 0, "an invitation was left to whatever nobody wants"

    heard: list[int] = []
    texts = ["the plot the plot", *TEXTS[1:]]
    embeddings_M_D = embed_in_parts(
        PartWorker(queue, folder, Classifiers(1)), source, texts, lambda done, _: heard.append(done)
    )
    assert heard[0] >= 500
    np.testing.assert_allclose(embeddings_M_D[1:], expected_M_D[1:], atol=1e-5)

    drop_parts(folder)
    heard.clear()
    again_M_D = embed_in_parts(
        PartWorker(queue, folder, Classifiers(1)), source, texts, lambda done, _: heard.append(done)
    )
    assert heard[0] == 0, "what was dropped is not believed to be there, whatever Redis remembers"
    np.testing.assert_allclose(again_M_D, embeddings_M_D, atol=1e-5)


def test_a_worker_that_left_takes_no_cores(queue: RoundQueue) -> None:
    workers = Workers(queue.redis)
    workers.sign()
    assert queue.redis.zcard("shortlist:workers") == 1
    workers.leave()
    assert queue.redis.zcard("shortlist:workers") == 0
