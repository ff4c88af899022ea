"""Embedding one pool by two workers against one worker, one thread each."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from redis import Redis

from backend.commands.processes.embedded_redis import embedded_redis
from backend.store.project_folder import ProjectFolder
from backend.work.classifiers import Classifiers
from backend.work.jobs import JsonJob
from backend.work.pool.parts import PartWorker, embed_in_parts
from backend.work.queue import RoundQueue
from backend.work.sources import Source
from backend.work.worker import NICENESS
from benchmarks.learning.gold import read_set
from benchmarks.machine import described
from examples.servers import clean_environment, running, tail
from model.encoder.processor import use_available_cores

TEXTS, PAIRS, SET = 4000, 4, "agnews"
TARGET = 1.8
START_TIMEOUT_S = 120.0
TABLE = Path(__file__).with_name("workers.md")


@dataclass(frozen=True)
class Pair:
    """Seconds to embed the same pool, by one worker and by two workers."""

    alone_s: float
    together_s: float

    @property
    def ratio(self) -> float:
        """How many times as fast two workers are."""
        return self.alone_s / self.together_s


def run(data: Path) -> None:
    """Measure pairs, print and write the table.

    This process is the worker whose round it is; the other one is `python -m backend worker`. Each has a core.
    """
    machine = described("torch", "transformers", "rq")
    first, second = sorted(os.sched_getaffinity(0))[:2]
    os.sched_setaffinity(0, {first})
    use_available_cores()
    os.nice(NICENESS)
    texts = read_set(data, SET).pool.texts[:TEXTS]
    with tempfile.TemporaryDirectory() as folder, embedded_redis(Path(folder)) as url:
        queue = RoundQueue(Redis.from_url(url))
        worker = PartWorker(queue, ProjectFolder(Path(folder), 1), Classifiers(1))
        with _worker(queue, url, Path(folder) / "helper", second) as helper:
            # Both have the encoder warm afterwards, as workers have after their first part.
            _seconds(worker, texts)
            pairs = []
            for _ in range(PAIRS):
                with _stopped(helper):
                    alone_s = _seconds(worker, texts)
                pairs.append(Pair(alone_s, _seconds(worker, texts)))
                print(f"{pairs[-1].alone_s:.1f} s, {pairs[-1].together_s:.1f} s: {pairs[-1].ratio:.2f}", flush=True)
    TABLE.write_text(_table(machine, len(texts), pairs), encoding="utf-8")


def _seconds(worker: PartWorker, texts: tuple[str, ...]) -> float:
    # Redis keeps the helper's results for a round that is run again.
    for kept in worker.queue.redis.scan_iter(JsonJob.key_for("part-*")):
        worker.queue.redis.delete(kept)
    began = time.monotonic()
    for _ in embed_in_parts(worker, Source(), texts):
        pass
    return time.monotonic() - began


@contextmanager
def _worker(queue: RoundQueue, url: str, model_dir: Path, core: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run a second worker on a core of its own; yields once it is ready."""
    environment = clean_environment({"REDIS_URL": url, "MODEL_DIR": str(model_dir), "LOG_LEVEL": "WARNING"})
    model_dir.mkdir()
    log = model_dir / "worker.log"
    with running([sys.executable, "-m", "backend", "worker", "--helper"], environment, log) as process:
        # The worker has no threads yet; its later threads inherit the core.
        os.sched_setaffinity(process.pid, {core})
        deadline = time.monotonic() + START_TIMEOUT_S
        while not queue.workers.others():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(
                    f"the second worker did not start (exit status {process.poll()}); its log says:\n{tail(log)}"
                )
            time.sleep(0.1)
        yield process


@contextmanager
def _stopped(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Suspend the process while the block runs."""
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def _table(machine: str, texts: int, pairs: list[Pair]) -> str:
    ratios = np.array([pair.ratio for pair in pairs])
    lines = [
        "# Two workers against one",
        "",
        f'`make bench ARGS="workers --data FOLDER"` on {machine}. {texts:,} texts of {SET} by the bundled encoder, '
        "through `embed_in_parts` and an embedded Redis: the worker whose round it is alone, and with a second one "
        "that helps and has a MODEL_DIR of its own. One core and one thread each, both warm; measured in turn.",
        "",
        "| pair | 1 worker, s | 2 workers, s | times as fast |",
        "|---|---|---|---|",
        *(
            f"| {number} | {pair.alone_s:.1f} | {pair.together_s:.1f} | {pair.ratio:.2f} |"
            for number, pair in enumerate(pairs, start=1)
        ),
        "",
        f"Median {np.median(ratios):.2f}, from {ratios.min():.2f} to {ratios.max():.2f}; the aim is {TARGET}.",
        "",
    ]
    return "\n".join(lines)
