"""Seconds and memory to order a pool of a million embedded texts."""

import multiprocessing
import platform
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import numpy as np

from backend.rounds.order import order_pool
from backend.settings import ProjectSettings
from backend.store.embeddings import EmbeddingCache, Parts
from model.encoder.classifier import TextClassifier, new_classifier
from model.encoder.inference import head_proba
from model.encoder.processor import available_cores, use_available_cores
from model.learner.linear_head import fit_head, zero_anchor
from model.query.large_pools import MOST_RANKED
from model.query.strategies import find_strategy
from model.query.unlabelled import Need, Unlabelled
from model.types import FloatArray, IntArray, LabelledEmbeddings, LabelSet, PoolText

POOLS = (250_000, 500_000, 1_000_000)
DIMENSIONS, CLASSES, GROUPS, LABELLED = 384, 10, 200, 500
HEAD_L2 = 1.0
# The pool is made and stored in parts, as a project's pool is.
CHUNK = 50_000
ENCODER = "made-up"
TABLE = Path(__file__).with_name("large_pool.md")

Result = TypeVar("Result")


@dataclass(frozen=True)
class Measured:
    """One pool, ordered once in a process of its own."""

    strategy: str
    size: int
    read_s: float
    head_s: float
    order_s: float
    peak_mb: float

    def row(self) -> str:
        """The row of the table."""
        total_s = self.read_s + self.head_s + self.order_s
        parts = " | ".join(f"{seconds:.1f}" for seconds in (self.read_s, self.head_s, self.order_s, total_s))
        return f"| {self.strategy} | {self.size:,} | {parts} | {self.peak_mb:,.0f} |"


def run() -> None:
    """Measure the strategy with a classifier at every size, and the one without at the largest; write the table."""
    settings = ProjectSettings()
    wanted = [(settings.strategy, size) for size in POOLS] + [(settings.cold_start, POOLS[-1])]
    rows = []
    with TemporaryDirectory() as folder:
        _apart(_keep_embeddings, Path(folder), POOLS[-1])
        for name, size in wanted:
            rows.append(_apart(_measure, Path(folder), name, size).row())
            print(rows[-1], flush=True)
    TABLE.write_text("\n".join([*_preface(settings), *rows, ""]), encoding="utf-8")


def _preface(settings: ProjectSettings) -> list[str]:
    return [
        "# A pool of a million",
        "",
        f"`make bench ARGS=large-pool` on {platform.machine()}, {available_cores()} cores, Python "
        f"{platform.python_version()}, numpy {version('numpy')}, scikit-learn {version('scikit-learn')}, torch "
        f"{version('torch')}. Simulated tasks with made-up embeddings of {DIMENSIONS} dimensions around {GROUPS} "
        f"centres, {CLASSES} classes, {LABELLED} labelled; a batch of {settings.query_size}. What is measured begins "
        "where the pool has been embedded: its embeddings are read from the project's folder, a head gives every text "
        f"its probabilities, and `backend.rounds.order` orders the pool, with a reason for each. Above {MOST_RANKED:,} "
        "texts a strategy chooses its batch among so many candidates (`model/query/large_pools.py`). Peak memory is "
        "all that the process had at its most, with its libraries, the encoder and the tasks.",
        "",
        "| strategy | texts | read embeddings, s | probabilities, s | order, s | together, s | peak, MB |",
        "|---|---|---|---|---|---|---|",
    ]


def _apart(do: Callable[..., Result], *arguments: object) -> Result:
    """Measure in a fresh process: the operating system reports only a process's peak memory."""
    with multiprocessing.get_context("spawn").Pool(1) as apart:
        return apart.apply(do, arguments)


def _keep_embeddings(folder: Path, size: int) -> None:
    cache = EmbeddingCache(folder, ENCODER)
    for start in range(0, size, CHUNK):
        rng = np.random.default_rng(start + 1)
        cache.embed(_texts(start, min(start + CHUNK, size)), partial(_embed, rng))


def _embed(rng: np.random.Generator, missing: Sequence[str]) -> Parts:
    yield np.arange(len(missing)), _made_up(len(missing), rng)[0]


def _measure(folder: Path, name: str, size: int) -> Measured:
    use_available_cores()
    strategy = find_strategy(name)
    classifier, labelled_L_D = _fitted()
    pool = [PoolText(task_id, text) for task_id, text in enumerate(_texts(0, size))]
    began = time.monotonic()
    embeddings_N_D = EmbeddingCache(folder, ENCODER).embed([text.text for text in pool], _refuse)
    has_read = time.monotonic()
    has_proba = Need.PROBA in strategy.needs
    proba_N_C = head_proba(classifier, classifier.head, embeddings_N_D) if has_proba else None
    has_scored = time.monotonic()
    unlabelled = Unlabelled(size, proba_N_C, embeddings_N_D, labelled_L_D)
    order_pool(pool, unlabelled, strategy, ProjectSettings(), np.random.default_rng(0))
    ordered = time.monotonic()
    return Measured(name, size, has_read - began, has_scored - has_read, ordered - has_scored, _peak_mb())


def _fitted() -> tuple[TextClassifier, FloatArray]:
    """The bundled encoder with a head fitted on made-up labels, and the embeddings of the labelled texts."""
    classifier = new_classifier("", LabelSet(tuple(f"class {c}" for c in range(CLASSES))))
    embeddings_L_D, group_L = _made_up(LABELLED, np.random.default_rng(0))
    targets_L_C = np.eye(CLASSES, dtype=np.float32)[group_L % CLASSES]
    labelled = LabelledEmbeddings(embeddings_L_D, targets_L_C)
    fit_head(classifier.head, labelled, zero_anchor(embeddings_L_D, CLASSES, HEAD_L2))
    return classifier, embeddings_L_D


def _texts(start: int, stop: int) -> list[str]:
    return [
        f"Simulated task {number}, with as many words as a short review or a question may have"
        for number in range(start, stop)
    ]


def _made_up(count: int, rng: np.random.Generator) -> tuple[FloatArray, IntArray]:
    """Embeddings around fixed centres, and the centre of each."""
    centres = np.random.default_rng(0).normal(size=(GROUPS, DIMENSIONS)).astype(np.float32)
    group_N = rng.integers(GROUPS, size=count)
    embeddings_N_D = rng.standard_normal(size=(count, DIMENSIONS), dtype=np.float32)
    embeddings_N_D += centres[group_N]
    return embeddings_N_D, group_N


def _refuse(missing: Sequence[str]) -> Parts:
    raise ValueError(f"{len(missing)} texts are not in the cache, where all were kept")


def _peak_mb() -> float:
    """Peak memory of this process alone, without its parent."""
    [peak_kb] = re.findall(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(encoding="utf-8"), re.MULTILINE)
    return int(peak_kb) / 1024
