"""Embed many texts in parts that any number of workers on one MODEL_DIR take, each part once.

A part is a file of texts, beside which its embeddings appear. RQ jobs invite free workers to help; the round that wants
the embeddings takes parts itself all the while, so that it needs nobody. Who takes a part claims it in Redis for as
long as it lives. What was computed for a round that was killed is found again by what the texts say.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from backend.store.project_folder import ProjectFolder
from backend.work.claims import claim
from backend.work.classifiers import Classifiers
from backend.work.part_files import Gathered, Part, PartFolder, cut, found_again
from backend.work.queue import RoundQueue
from backend.work.redis_access import redis_errors, redis_key
from backend.work.sources import Source
from model.encoder.inference import embed_pool, embed_texts
from model.errors import TrainingCancelledError
from model.learner.training import do_not_stop
from model.progress import Progress, ignore_progress
from model.types import FloatArray

# How soon to look again whether somebody else has finished a part, or died over it.
_LOOK_AGAIN_S = 0.1
# In place of a claim, for as long as anybody may ask; whether the file is there is what counts.
_DONE, _DONE_S = b"done", 3600


@dataclass(frozen=True)
class PartWorker:
    """A process that takes parts of a project's pool.

    Attributes:
        queue: where the workers are; few texts do without it.
        folder: the project's, which all workers can read and write.
        classifiers: where classifiers are kept warm.
        should_stop: whether to give up; what is done until then is found again.
    """

    queue: RoundQueue
    folder: ProjectFolder
    classifiers: Classifiers
    should_stop: Callable[[], bool] = do_not_stop


def embed_in_parts(
    worker: PartWorker, source: Source, texts: Sequence[str], on_progress: Progress = ignore_progress
) -> FloatArray:
    """Embed texts together with whoever is free.

    Args:
        worker: this process.
        source: what embeds.
        texts: M texts.
        on_progress: called with (texts done, M), whoever did them.

    Returns:
        embeddings_M_D, float32, in the order of `texts`. They are found again until `drop_parts`.

    Raises:
        TrainingCancelledError: `should_stop` said so.
        RedisUnavailableError: Redis does not answer.
    """
    if not texts:
        return embed_texts(worker.classifiers.get(worker.folder, source), texts)
    shared = _Shared(worker)
    gathered = found_again(shared.files, source, texts)
    parts = cut(source, texts, gathered.missing())
    if len(parts) > 1:
        with redis_errors():
            _embed_with_others(shared, source, texts, parts, gathered, on_progress)
    elif parts:
        some = [texts[row] for row in parts[0].rows_K]
        gathered.add(parts[0].rows_K, shared.embed(source, some, _onwards(gathered, on_progress)))
    on_progress(len(texts), len(texts))
    return gathered.embeddings_M_D


def drop_parts(folder: ProjectFolder) -> None:
    """Forget what `embed_in_parts` left on disk; to be called once its answer is safe elsewhere."""
    PartFolder(folder.path).drop()


def embed_part(worker: PartWorker, name: str) -> bool:
    """Embed a part of another worker's round, unless somebody has it; returns False then.

    Raises:
        FileNotFoundError: nobody wants it any more, or this worker's MODEL_DIR is not the round's.
        TrainingCancelledError: `should_stop` said so; the part is free again.
        ShortlistError: this worker cannot embed it.
    """
    shared = _Shared(worker)
    source, texts = shared.files.read_texts(name)
    return shared.take(name, source, texts) is not None


class _Shared:
    """The parts of one project, as this process shares them with others."""

    def __init__(self, worker: PartWorker) -> None:
        self.files = PartFolder(worker.folder.path)
        self._worker = worker

    def take(
        self, name: str, source: Source, texts: Sequence[str], on_progress: Progress = ignore_progress
    ) -> FloatArray | None:
        """Embed a part and leave the embeddings for all to see; None if somebody else has the part."""
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
        """Embed some texts here; whether to stop is asked at every batch."""

        def on_batch(done: int, total: int) -> None:
            self.stop_if_asked()
            on_progress(done, total)

        # Before any training there is no head that says where precision matters.
        embed = embed_pool if source.version else embed_texts
        return embed(self._worker.classifiers.get(self._worker.folder, source), texts, on_batch)

    def stop_if_asked(self) -> None:
        """Raise TrainingCancelledError if this process wants to end."""
        if self._worker.should_stop():
            raise TrainingCancelledError("somebody wanted the embedding to end before it was done")

    def gather_done(self, left: dict[str, Part], gathered: Gathered) -> list[str]:
        """Take parts that are done out of those left; returns the names of those that nobody has."""
        states = self._worker.queue.redis.mget([self._key(name) for name in left])
        free = [name for name, state in zip(left, states, strict=True) if state is None]
        for name in [name for name, state in zip(left, states, strict=True) if state == _DONE]:
            embeddings_K_D = self.files.read_embeddings(name)
            if embeddings_K_D is None:
                # It was done for a round long ago, and its file is gone.
                self._worker.queue.redis.delete(self._key(name))
            else:
                gathered.add(left.pop(name).rows_K, embeddings_K_D)
        return free

    @contextmanager
    def invited(self, parts: Sequence[Part]) -> Iterator[None]:
        """Have free workers take parts while the block runs."""
        job_ids = self._worker.queue.invite(self._worker.folder.project_id, [part.name for part in parts])
        try:
            yield
        finally:
            self._worker.queue.withdraw(job_ids)

    def _key(self, name: str) -> str:
        return redis_key("part", self._worker.folder.project_id, name)


def _embed_with_others(
    shared: _Shared,
    source: Source,
    texts: Sequence[str],
    parts: Sequence[Part],
    gathered: Gathered,
    on_progress: Progress,
) -> None:
    """Gather parts as others finish them, and take those that nobody has: the last first, for others begin in front."""
    for part in parts:
        shared.files.write_texts(part.name, source, [texts[row] for row in part.rows_K])
    left = {part.name: part for part in parts}
    with shared.invited(parts):
        while left:
            shared.stop_if_asked()
            free = shared.gather_done(left, gathered)
            on_progress(gathered.done, len(texts))
            if free:
                part = left[free[-1]]
                some = [texts[row] for row in part.rows_K]
                embeddings_K_D = shared.take(part.name, source, some, _onwards(gathered, on_progress))
                if embeddings_K_D is not None:
                    gathered.add(left.pop(part.name).rows_K, embeddings_K_D)
            elif left:
                # Others have the rest; one that dies over its part lets go of it within the lease.
                time.sleep(_LOOK_AGAIN_S)


def _onwards(gathered: Gathered, on_progress: Progress) -> Progress:
    """Progress within a part as progress of the whole."""
    before, total = gathered.done, gathered.size
    return lambda done, _: on_progress(before + done, total)
