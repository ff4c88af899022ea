"""How well the first texts of an order cover a pool where nothing is learned, beside as many texts at random."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import Progress

from backend.settings import ProjectSettings
from benchmarks.learning.gold import read_set
from benchmarks.machine import described
from model.encoder.encoder import Encoder
from model.encoder.runtimes import load_encoder
from model.query.diversity import unit
from model.query.ranking import mix_in_random, rank
from model.query.strategies import find_strategy
from model.query.unlabelled import Unlabelled
from model.simulation.learning_curves import interval
from model.types import FloatArray, IntArray

SETS = ("banking77", "agnews", "trec6", "sst2")
POOL, SERVED = 5_000, 200
# The texts that are served worst: so many percent of the pool.
WORST = 5
OURS, RANDOM = "maxherding", "random"
LINES = Path(__file__).with_name("coverage.jsonl")
TABLE = Path(__file__).with_name("coverage.md")
FIGURES = {
    "mean": "cosine to the nearest served text, mean",
    "worst": f"the same, {WORST}th percentile",
    "labels": "labels of the set among the served texts, %",
}

Line = dict[str, Any]


def run(data: Path, sets: Sequence[str], seeds: Sequence[int]) -> None:
    """Serve texts of every set by the order of free text and at random, and write a line for each."""
    encoder = load_encoder("")
    done = {(line["set"], line["seed"]) for line in read_lines()}
    with Progress() as progress:
        for name in progress.track(list(sets)):
            for seed in seeds:
                if (name, seed) not in done:
                    lines = [{"set": name, "seed": seed, **line} for line in _measure(encoder, data, name, seed)]
                    with LINES.open("a", encoding="utf-8") as file:
                        file.writelines(json.dumps(line) + "\n" for line in lines)


def _measure(encoder: Encoder, data: Path, name: str, seed: int) -> Iterator[Line]:
    pool = read_set(data, name).draw(POOL, seed)
    embeddings_N_D = encoder.embed(pool.texts)
    rng = np.random.default_rng(seed)
    served = {OURS: _served(embeddings_N_D, rng), RANDOM: rng.permutation(len(embeddings_N_D))[:SERVED]}
    unit_N_D = unit(embeddings_N_D)
    for strategy, rows_S in served.items():
        nearest_N = (unit_N_D @ unit_N_D[rows_S].T).max(axis=1)
        found = len(set(pool.labels_N[rows_S])) / len(set(pool.labels_N))
        worst = float(np.percentile(nearest_N, WORST))
        yield {"strategy": strategy, "mean": float(nearest_N.mean()), "worst": worst, "labels": 100 * found}


def _served(embeddings_N_D: FloatArray, rng: np.random.Generator) -> IntArray:
    """The first SERVED rows that annotators get: batch after batch, each after the one before was answered."""
    settings, strategy = ProjectSettings(), find_strategy(OURS)
    served_S = np.zeros(0, dtype=np.int64)
    while len(served_S) < SERVED:
        waiting_N = np.setdiff1d(np.arange(len(embeddings_N_D)), served_S)
        unlabelled = Unlabelled(
            len(waiting_N), embeddings_N_D=embeddings_N_D[waiting_N], labelled_L_D=embeddings_N_D[served_S]
        )
        ranking = rank(strategy, unlabelled, settings.query_size, rng)
        order_N, _ = mix_in_random(ranking.indices_N, settings.explore, rng)
        served_S = np.concatenate([served_S, waiting_N[order_N[: settings.query_size]]])
    return served_S[:SERVED]


def read_lines() -> list[Line]:
    """What was measured so far."""
    return [json.loads(line) for line in LINES.read_text(encoding="utf-8").splitlines()] if LINES.exists() else []


def write_table() -> None:
    """Write coverage.md."""
    TABLE.write_text("\n".join(_table(read_lines())) + "\n", encoding="utf-8")


def _table(lines: Sequence[Line]) -> Iterator[str]:
    yield "# Coverage of texts that are only put in order\n"
    yield (
        f'`make bench ARGS="coverage --data FOLDER"` on {described("torch", "transformers")}; every figure from '
        f"`coverage.jsonl`. {POOL:,} random texts of a set (all of a smaller one), others for each seed. The first "
        f"{SERVED} texts that annotators get of a config with a `TextArea` alone: batches of "
        f"{ProjectSettings().query_size}, with the random tenth in them, beside {SERVED} texts at random. Bundled "
        "encoder; means over seeds; differences are paired by seed, with the 95 % interval (Student's t).\n"
    )
    for figure, title in FIGURES.items():
        yield f"## {title[0].upper()}{title[1:]}\n"
        yield "| set | random | in our order | difference |"
        yield "|---|---|---|---|"
        for name in dict.fromkeys(line["set"] for line in lines):
            yield _row(name, figure, [line for line in lines if line["set"] == name])
        yield ""


def _row(name: str, figure: str, lines: Sequence[Mapping[str, Any]]) -> str:
    by_seed = {
        strategy: {line["seed"]: line[figure] for line in lines if line["strategy"] == strategy}
        for strategy in (OURS, RANDOM)
    }
    differences = [by_seed[OURS][seed] - by_seed[RANDOM][seed] for seed in sorted(by_seed[OURS])]
    ours, random = (float(np.mean(list(by_seed[strategy].values()))) for strategy in (OURS, RANDOM))
    digits = 1 if figure == "labels" else 3
    found = interval(differences)
    span = f" ({found.low:+.{digits}f} to {found.high:+.{digits}f}; {len(differences)})" if found else ""
    return f"| {name} | {random:.{digits}f} | {ours:.{digits}f} | {np.mean(differences):+.{digits}f}{span} |"
