"""Seconds and memory of one query, by pool size."""

import multiprocessing
import platform
import resource
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

from model.encoder.processor import available_cores
from model.query.ranking import rank
from model.query.strategies import STRATEGIES
from model.query.unlabelled import Need, Unlabelled
from model.types import FloatArray

POOLS = (25_000, 50_000, 100_000)
DIMENSIONS, CLASSES, MEMBERS = 384, 10, 16
LABELLED, BATCH, GROUPS = 500, 32, 200
# Left out: strategies that refit a head spend the learner's time on samples of fixed size, and strategies that ask an
# LLM spend the LLM's time.
LEFT_OUT = ("expected_error_reduction", "activellm", "llm_committee")
TABLE = Path(__file__).with_name("queries.md")


def run() -> None:
    """Measure every strategy, each in a process of its own, print and write the table."""
    rows = []
    for name in (name for name in STRATEGIES if name not in LEFT_OUT):
        measured = [_measure_apart(name, size) for size in POOLS]
        seconds = [f"{taken_s:.2f}" for taken_s, _ in measured]
        growth = measured[-1][0] / max(measured[-2][0], 1e-3)
        rows.append(f"| {name} | {' | '.join(seconds)} | {growth:.1f} | {measured[-1][1]:,.0f} |")
        print(rows[-1], flush=True)
    text = [
        "# Seconds a query",
        "",
        f"`make bench ARGS=queries` on {platform.machine()}, {available_cores()} cores, Python "
        f"{platform.python_version()}, numpy {version('numpy')}, scikit-learn {version('scikit-learn')}. Made-up "
        f"texts: embeddings of {DIMENSIONS} dimensions around {GROUPS} centres, {CLASSES} classes, {MEMBERS} members, "
        f"{LABELLED} labelled; a batch of {BATCH}. The ranking of the whole pool is included, computing what the "
        "strategy needs is not. Memory is the most that the process had, made-up texts included.",
        "",
        f"| strategy | {' | '.join(f'{size:,} texts' for size in POOLS)} | last doubling, times | MB, {POOLS[-1]:,} |",
        "|---|" + "---|" * (len(POOLS) + 2),
        *rows,
        "",
    ]
    TABLE.write_text("\n".join(text), encoding="utf-8")


def _measure_apart(name: str, size: int) -> tuple[float, float]:
    """Seconds and peak MB, measured in a fresh process: the operating system reports only a process's peak."""
    with multiprocessing.get_context("spawn").Pool(1) as apart:
        return apart.apply(_measure, (name, size))


def _measure(name: str, size: int) -> tuple[float, float]:
    strategy, unlabelled = STRATEGIES[name], _made_up(size, with_members=Need.MEMBERS in STRATEGIES[name].needs)
    rank(strategy, unlabelled.some(np.arange(200)), BATCH, np.random.default_rng(0))
    began = time.monotonic()
    rank(strategy, unlabelled, BATCH, np.random.default_rng(0))
    return time.monotonic() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _made_up(size: int, *, with_members: bool) -> Unlabelled:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(GROUPS, DIMENSIONS)).astype(np.float32)

    def embeddings(count: int) -> FloatArray:
        noise = rng.normal(size=(count, DIMENSIONS)).astype(np.float32)
        noise += centres[rng.integers(GROUPS, size=count)]
        return noise

    def proba(*shape: int) -> FloatArray:
        return rng.dirichlet(np.ones(CLASSES), size=shape).astype(np.float32)

    return Unlabelled(
        size=size,
        proba_N_C=proba(size),
        embeddings_N_D=embeddings(size),
        labelled_L_D=embeddings(LABELLED),
        labelled_proba_L_C=proba(LABELLED),
        proba_N_K_C=proba(size, MEMBERS) if with_members else None,
    )
