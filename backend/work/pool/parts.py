"""Embed many texts in parts, together with all free workers. A worker needs Redis for it, and nothing else.

The round offers parts to other workers as RQ jobs, a few at a time. A job carries its texts and the digest of the
encoder, and returns embeddings. Meanwhile the round embeds the other parts, so it finishes without help. A job is known
by the digest of its content: a round that is run again finds the results of the jobs that a killed round offered.
"""

import base64
import hashlib
import logging
import time
import zlib
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from redis import Redis
from rq import Retry
from rq.exceptions import DuplicateJobError, NoSuchJobError
from rq.job import JobStatus
from rq.results import Result

from backend.store.project_folder import ProjectFolder
from backend.work.classifiers import Classifiers
from backend.work.forms import PERFORM_PART, PartResult, PartTask
from backend.work.jobs import JsonJob
from backend.work.pool.cutting import cut_into_parts
from backend.work.pool.weights import fetch_weights, offer_weights
from backend.work.queue import RoundQueue
from backend.work.redis_access import redis_errors
from backend.work.sources import Source
from model.encoder.classifier import TextClassifier, save_classifier
from model.encoder.inference import embed_pool
from model.errors import TrainingCancelledError
from model.files.writing import passing_folder
from model.learner.training import do_not_stop
from model.progress import Progress, ignore_progress
from model.types import FloatArray, IntArray

# Parts that are offered for each helper: one to work on, and others to take when it is done.
_OFFERED_EACH = 3
_PART_TIMEOUT_S = 600
# How long Redis keeps embeddings for a round that is run again.
_RESULT_S = 600
# Seconds between two looks at the parts that other workers embed.
_LOOK_AGAIN_S = 0.1
# A worker that took a job says within milliseconds that it works on it. After these seconds it must have died.
_LOST_AFTER_S = 5.0
# Errors that RQ and NumPy raise if a result in Redis is garbage. A pydantic ValidationError is a ValueError, too.
_UNREADABLE = (AttributeError, KeyError, OverflowError, RecursionError, TypeError, ValueError, zlib.error)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PartWorker:
    """A process that embeds a project's pool.

    Attributes:
        queue: the queue that all workers share; a pool of one part does not use it.
        folder: the project's folder.
        classifiers: the classifiers in memory.
        should_stop: returns True to stop the embedding.
    """

    queue: RoundQueue
    folder: ProjectFolder
    classifiers: Classifiers
    should_stop: Callable[[], bool] = do_not_stop


def embed_in_parts(
    worker: PartWorker, source: Source, texts: Sequence[str], on_progress: Progress = ignore_progress
) -> Generator[tuple[IntArray, FloatArray], None, None]:
    """Embed texts part by part, together with all free workers.

    Args:
        worker: this process.
        source: the encoder.
        texts: M texts.
        on_progress: called with (texts embedded by all workers, M).

    Yields:
        rows_K of a part's texts, and embeddings_K_D. Each text comes once; without texts, one part of 0 texts comes.

    Raises:
        TrainingCancelledError: `should_stop` returned True.
        RedisUnavailableError: Redis does not answer.
    """
    pool = _Pool(worker, source, texts, on_progress)
    parts = cut_into_parts(texts)
    if len(parts) > 1:
        with redis_errors():
            yield from _embed_with_others(pool, parts)
    else:
        yield pool.embed(parts[0] if parts else np.zeros(0, dtype=np.int64))
    on_progress(len(texts), len(texts))


def embed_part(redis: Redis, model_dir: Path, classifiers: Classifiers, task: PartTask) -> PartResult:
    """Embed a part of another worker's round.

    Args:
        redis: the Redis that all workers share.
        model_dir: this worker's MODEL_DIR, where it keeps the encoders that it fetched.
        classifiers: the classifiers in memory.
        task: the encoder and the texts.

    Raises:
        VersionError: Redis does not have the encoder any more.
    """
    classifier = classifiers.get_saved(fetch_weights(redis, task.weights, model_dir / "weights"))
    embeddings_K_D = _embed(classifier, task.texts, ignore_progress, is_trained=task.is_trained)
    # A cache of embeddings keeps 16 bits of each number, too.
    encoded = base64.b64encode(embeddings_K_D.astype(np.float16).tobytes()).decode("ascii")
    return PartResult(dimensions=int(embeddings_K_D.shape[1]), embeddings=encoded)


def _embed(classifier: TextClassifier, texts: Sequence[str], on_progress: Progress, *, is_trained: bool) -> FloatArray:
    """Embed texts; `embed_pool` uses the head to choose where precision matters, and an untrained head cannot."""
    return embed_pool(classifier, texts, on_progress) if is_trained else classifier.encoder.embed(texts, on_progress)


@dataclass
class _Pool:
    """The embedding of M texts that is under way.

    Attributes:
        worker: this process.
        source: the encoder.
        texts: M texts.
        on_progress: called with (texts embedded, M).
        done: number of texts embedded.
    """

    worker: PartWorker
    source: Source
    texts: Sequence[str]
    on_progress: Progress
    done: int = 0

    @property
    def dimensions(self) -> int:
        """D of the encoder."""
        return self.worker.classifiers.get(self.worker.folder, self.source).encoder.dimensions

    def texts_of(self, rows_K: IntArray) -> list[str]:
        """Return the K texts of a part."""
        return [self.texts[row] for row in rows_K]

    def embed(self, rows_K: IntArray) -> tuple[IntArray, FloatArray]:
        """Embed a part in this process; check `should_stop` at every batch."""
        before, total = self.done, len(self.texts)

        def on_batch(done: int, _: int) -> None:
            self.stop_if_asked()
            self.on_progress(before + done, total)

        classifier = self.worker.classifiers.get(self.worker.folder, self.source)
        texts, is_trained = self.texts_of(rows_K), bool(self.source.version)
        return self.add(rows_K, _embed(classifier, texts, on_batch, is_trained=is_trained))

    def add(self, rows_K: IntArray, embeddings_K_D: FloatArray) -> tuple[IntArray, FloatArray]:
        """Count a part as embedded."""
        self.done += len(rows_K)
        self.on_progress(self.done, len(self.texts))
        return rows_K, embeddings_K_D

    def stop_if_asked(self) -> None:
        """Raise TrainingCancelledError if `should_stop` returns True."""
        if self.worker.should_stop():
            raise TrainingCancelledError("the embedding was told to stop before all texts were embedded")


@dataclass
class _Offered:
    """A part that is offered to other workers.

    Attributes:
        rows_K: rows of the part's texts.
        missing_since_s: when the job was first found neither waiting nor started; None while it is.
    """

    rows_K: IntArray
    missing_since_s: float | None = None


def _embed_with_others(pool: _Pool, parts: list[IntArray]) -> Generator[tuple[IntArray, FloatArray], None, None]:
    """Embed parts from the back, and offer parts from the front, where the longest texts are."""
    helpers = _Helpers(pool)
    try:
        while parts or helpers.offered:
            pool.stop_if_asked()
            helpers.offer(parts)
            for rows_K, embeddings_K_D in helpers.collect():
                yield pool.add(rows_K, embeddings_K_D)
            rows_K_or_none = parts.pop() if parts else helpers.take_back()
            if rows_K_or_none is not None:
                yield pool.embed(rows_K_or_none)
            elif helpers.offered:
                time.sleep(_LOOK_AGAIN_S)
    finally:
        helpers.withdraw()


@dataclass
class _Helpers:
    """The parts that are offered to other workers.

    Attributes:
        pool: the embedding that is under way.
        offered: the parts, by the ids of their jobs.
        weights: digest of the encoder's files; empty before they are in Redis.
    """

    pool: _Pool
    offered: dict[str, _Offered] = field(default_factory=dict)
    weights: str = ""

    @property
    def _queue(self) -> RoundQueue:
        return self.pool.worker.queue

    def offer(self, parts: list[IntArray]) -> None:
        """Offer parts from the front of a list, a few for each other living worker; the last one stays."""
        wanted = _OFFERED_EACH * len(self._queue.workers.others())
        while len(self.offered) < wanted and len(parts) > 1:
            rows_K = parts.pop(0)
            self.offered[self._enqueue(self.pool.texts_of(rows_K))] = _Offered(rows_K)

    def collect(self) -> Iterator[tuple[IntArray, FloatArray]]:
        """Yield the parts that other workers have embedded."""
        for job_id, part in list(self.offered.items()):
            if self._status(job_id) == JobStatus.FINISHED:
                embeddings_K_D = self._read(job_id, (len(part.rows_K), self.pool.dimensions))
                if embeddings_K_D is not None:
                    del self.offered[job_id]
                    yield part.rows_K, embeddings_K_D

    def take_back(self) -> IntArray | None:
        """Return rows_K of a part that no other worker will embed; None if other workers embed all of them."""
        for job_id, part in reversed(list(self.offered.items())):
            if self._is_free(job_id, part):
                del self.offered[job_id]
                self._queue.redis.delete(JsonJob.key_for(job_id))
                return part.rows_K
        return None

    def withdraw(self) -> None:
        """Remove the jobs that no worker has started."""
        for job_id in self.offered:
            if self._queue.parts.remove(job_id):
                self._queue.redis.delete(JsonJob.key_for(job_id))

    def _is_free(self, job_id: str, part: _Offered) -> bool:
        status = self._status(job_id)
        if status == JobStatus.QUEUED:
            if self._queue.parts.remove(job_id):
                return True
            now_s = time.monotonic()
            part.missing_since_s = part.missing_since_s or now_s
            return now_s - part.missing_since_s > _LOST_AFTER_S
        part.missing_since_s = None
        return status not in (JobStatus.STARTED, JobStatus.FINISHED)

    def _status(self, job_id: str) -> JobStatus | None:
        [status] = self._queue.statuses([job_id])
        return status

    def _read(self, job_id: str, shape: tuple[int, int]) -> FloatArray | None:
        """Read a part's result; an unusable result is deleted with its job, so that the part is taken back."""
        try:
            found = JsonJob.fetch(job_id, connection=self._queue.redis).return_value()
            return _decode(PartResult.model_validate(found), shape)
        except (NoSuchJobError, *_UNREADABLE) as error:
            log.warning("event=part_result_refused job=%s reason=%s", job_id, type(error).__name__)
            result_key: str = Result.get_key(job_id)  # type: ignore[no-untyped-call]
            self._queue.redis.delete(JsonJob.key_for(job_id), result_key)
            return None

    def _enqueue(self, texts: list[str]) -> str:
        """Queue a part's job, unless it is known from an earlier round."""
        self.weights = self.weights or self._offer_weights()
        task = PartTask(weights=self.weights, is_trained=bool(self.pool.source.version), texts=texts)
        content = "\0".join([task.weights, *texts]).encode("utf-8", "surrogatepass")
        job_id = f"part-{hashlib.blake2b(content, digest_size=16).hexdigest()}"
        with suppress(DuplicateJobError):
            self._queue.parts.enqueue(
                PERFORM_PART,
                task.model_dump(),
                job_id=job_id,
                unique=True,
                retry=Retry(1),
                job_timeout=_PART_TIMEOUT_S,
                result_ttl=_RESULT_S,
                failure_ttl=0,
                description=f"{len(texts)} texts",
            )
        return job_id

    def _offer_weights(self) -> str:
        worker, source = self.pool.worker, self.pool.source
        if source.version:
            version = worker.folder.registry.find(source.version)
            version.check()
            return offer_weights(self._queue.redis, version.folder)
        with passing_folder(worker.folder.path) as folder:
            save_classifier(worker.classifiers.get(worker.folder, source), folder)
            return offer_weights(self._queue.redis, folder)


def _decode(result: PartResult, shape: tuple[int, int]) -> FloatArray:
    """Read embeddings_K_D of a shape.

    Raises:
        ValueError: they have another shape, or numbers that are none.
    """
    numbers = np.frombuffer(base64.b64decode(result.embeddings, validate=True), dtype=np.float16)
    embeddings_K_D: FloatArray = numbers.reshape(shape).astype(np.float32)
    if not np.isfinite(embeddings_K_D).all():
        raise ValueError("not all embeddings are finite")
    return embeddings_K_D
