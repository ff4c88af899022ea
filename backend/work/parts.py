"""Embed many texts in parts. All workers on one MODEL_DIR share the parts, and each part is embedded once.

A part is a file of texts; a worker writes the embeddings into a second file. An RQ job for each part invites free
workers. The round embeds parts too, so it finishes without help. A worker claims a part in Redis while it embeds the
part. After a killed round, the next round finds the finished parts by digests of their texts.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from backend.store.project_folder import ProjectFolder
from backend.work.claims import claim
from backend.work.classifiers import Classifiers
from backend.work.part_files import Part, PartFolder, PartialEmbeddings, cut_into_parts, read_finished_parts
from backend.work.queue import RoundQueue
from backend.work.redis_access import redis_errors, redis_key
from backend.work.sources import Source
from model.encoder.inference import embed_pool, embed_texts
from model.errors import TrainingCancelledError
from model.learner.training import do_not_stop
from model.progress import Progress, ignore_progress
from model.types import FloatArray

# Seconds between two looks at the parts that other workers embed.
_LOOK_AGAIN_S = 0.1
# Replaces the claim of a finished part. A part counts as finished only if its file of embeddings exists, too.
_DONE, _DONE_S = b"done", 3600


@dataclass(frozen=True)
class PartWorker:
    """A process that embeds parts of a project's pool.

    Attributes:
        queue: the queue that all workers share; a pool of one part does not use it.
        folder: the project's folder, which all workers can read and write.
        classifiers: the classifiers in memory.
        should_stop: returns True to stop the embedding; finished parts stay on disk.
    """

    queue: RoundQueue
    folder: ProjectFolder
    classifiers: Classifiers
    should_stop: Callable[[], bool] = do_not_stop


def embed_in_parts(
    worker: PartWorker, source: Source, texts: Sequence[str], on_progress: Progress = ignore_progress
) -> FloatArray:
    """Embed texts, together with all free workers.

    Args:
        worker: this process.
        source: the encoder.
        texts: M texts.
        on_progress: called with (texts embedded by all workers, M).

    Returns:
        embeddings_M_D, float32, in the order of `texts`. The files of the parts stay on disk until `drop_parts`.

    Raises:
        TrainingCancelledError: `should_stop` returned True.
        RedisUnavailableError: Redis does not answer.
    """
    if not texts:
        return embed_texts(worker.classifiers.get(worker.folder, source), texts)
    shared = _SharedParts(worker)
    found = read_finished_parts(shared.files, source, texts)
    pool = _PoolEmbedding(source, texts, found, on_progress)
    parts = cut_into_parts(source, texts, found.missing())
    if len(parts) > 1:
        with redis_errors():
            _embed_with_others(shared, pool, parts)
    elif parts:
        found.add(parts[0].rows_K, shared.embed(source, pool.texts_of(parts[0]), pool.progress_of_part()))
    on_progress(len(texts), len(texts))
    return found.embeddings_M_D


def drop_parts(folder: ProjectFolder) -> None:
    """Delete the files of all parts. Call this after the result of `embed_in_parts` is stored.

    Args:
        folder: the project's folder.
    """
    PartFolder(folder.path).drop()


def embed_part(worker: PartWorker, name: str) -> bool:
    """Embed a part of another worker's round.

    Args:
        worker: this process.
        name: name of the part.

    Returns:
        True if this worker embedded the part; False if another worker has claimed it.

    Raises:
        FileNotFoundError: the round dropped the part, or this worker and the round have different MODEL_DIRs.
        TrainingCancelledError: `should_stop` returned True; another worker may claim the part.
        ShortlistError: this worker cannot load the encoder.
    """
    shared = _SharedParts(worker)
    source, texts = shared.files.read_texts(name)
    return shared.take(name, source, texts) is not None


@dataclass(frozen=True)
class _PoolEmbedding:
    """The embedding of a pool of M texts that is under way.

    Attributes:
        source: the encoder.
        texts: M texts.
        found: the embeddings so far.
        on_progress: called with (texts embedded, M).
    """

    source: Source
    texts: Sequence[str]
    found: PartialEmbeddings
    on_progress: Progress

    def texts_of(self, part: Part) -> list[str]:
        """Return the K texts of a part."""
        return [self.texts[row] for row in part.rows_K]

    def progress_of_part(self) -> Progress:
        """Return a callback that turns the progress of one part into the progress of the pool."""
        before, total = self.found.done, self.found.size
        return lambda done, _: self.on_progress(before + done, total)


class _SharedParts:
    """The parts of one project, which this process shares with other workers."""

    def __init__(self, worker: PartWorker) -> None:
        self.files = PartFolder(worker.folder.path)
        self._worker = worker

    def take(
        self, name: str, source: Source, texts: Sequence[str], on_progress: Progress = ignore_progress
    ) -> FloatArray | None:
        """Claim a part, embed it and write its embeddings; return None if another worker has claimed the part."""
        key = self._key(name)
        with claim(self._worker.queue.redis, key) as is_ours:
            if not is_ours:
                return None
            embeddings_K_D = self.files.read_embeddings(name)
            if embeddings_K_D is None:
                self._worker.queue.workers.use_own_share()
                embeddings_K_D = self.embed(source, texts, on_progress)
                self.files.write_embeddings(name, embeddings_K_D)
            self._worker.queue.redis.set(key, _DONE, ex=_DONE_S)
        return embeddings_K_D

    def embed(self, source: Source, texts: Sequence[str], on_progress: Progress) -> FloatArray:
        """Embed texts in this process; check `should_stop` at every batch."""

        def on_batch(done: int, total: int) -> None:
            self.stop_if_asked()
            on_progress(done, total)

        # `embed_pool` uses the head to choose where precision matters; an untrained encoder has no head.
        embed = embed_pool if source.version else embed_texts
        return embed(self._worker.classifiers.get(self._worker.folder, source), texts, on_batch)

    def stop_if_asked(self) -> None:
        """Raise TrainingCancelledError if `should_stop` returns True."""
        if self._worker.should_stop():
            raise TrainingCancelledError("the embedding was told to stop before all texts were embedded")

    def collect_finished(self, left: dict[str, Part], found: PartialEmbeddings) -> list[str]:
        """Move finished parts from `left` to `found`; return the names of parts that no worker has claimed."""
        states = self._worker.queue.redis.mget([self._key(name) for name in left])
        free = [name for name, state in zip(left, states, strict=True) if state is None]
        for name in [name for name, state in zip(left, states, strict=True) if state == _DONE]:
            embeddings_K_D = self.files.read_embeddings(name)
            if embeddings_K_D is None:
                # The mark is left from an earlier round, which dropped the file.
                self._worker.queue.redis.delete(self._key(name))
            else:
                found.add(left.pop(name).rows_K, embeddings_K_D)
        return free

    @contextmanager
    def invited(self, parts: Sequence[Part]) -> Iterator[None]:
        """Invite free workers to embed the parts while the block runs."""
        job_ids = self._worker.queue.invite(self._worker.folder.project_id, [part.name for part in parts])
        try:
            yield
        finally:
            self._worker.queue.withdraw(job_ids)

    def _key(self, name: str) -> str:
        return redis_key("part", self._worker.folder.project_id, name)


def _embed_with_others(shared: _SharedParts, pool: _PoolEmbedding, parts: Sequence[Part]) -> None:
    """Collect finished parts, and embed unclaimed parts, the last part first: other workers start in front."""
    for part in parts:
        shared.files.write_texts(part.name, pool.source, pool.texts_of(part))
    left = {part.name: part for part in parts}
    with shared.invited(parts):
        while left:
            shared.stop_if_asked()
            free = shared.collect_finished(left, pool.found)
            pool.on_progress(pool.found.done, len(pool.texts))
            if free:
                part = left[free[-1]]
                embeddings_K_D = shared.take(part.name, pool.source, pool.texts_of(part), pool.progress_of_part())
                if embeddings_K_D is not None:
                    pool.found.add(left.pop(part.name).rows_K, embeddings_K_D)
            elif left:
                # Other workers have claimed all parts. The claim of a worker that dies expires.
                time.sleep(_LOOK_AGAIN_S)
