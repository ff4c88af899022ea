"""Accuracy of the project's learner on LLMs' picks: recorded picks, and picks by the project's own way of asking."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import Progress

from benchmarks.llm.records import PICKS, Habits, Record, Slip, read_habits, read_pools, read_records, read_test
from benchmarks.llm.stand_in import StandIn
from benchmarks.llm.worth import Bench, build_bench, texts_sha256
from model.llm.asking import Candidates, Question, select_texts
from model.llm.chat import Message
from model.query.herding import maxherding
from model.query.ranking import rank
from model.query.strategies import find_strategy
from model.query.unlabelled import Unlabelled
from model.types import FloatArray, IntArray, LabelSet, Recipe, Targets

RIVALS = ("random", "typiclust")
# The project's way of asking, without its LLM.
COVERING = "maxherding"
SHUFFLES = 10
DRAWS = 20
# A recorded answer is a fixed set of texts: its spread comes from the training alone.
RECORDED_SEEDS = 3
RECORDED = "recorded"
BALANCED = "balanced"
ONE_ASKING = "one asking"
DERIVED = "mended, derived errors"
PESSIMISTIC = "mended, pessimistic errors"
CHOOSERS = (RECORDED, *RIVALS, COVERING, DERIVED, PESSIMISTIC, ONE_ASKING, BALANCED)
LINES = Path(__file__).with_name("llm.jsonl")
QUESTION = Question(
    "Movie reviews", "Is this phrase from a movie review positive or negative?", LabelSet(("negative", "positive"))
)

Choose = Callable[[str, int], IntArray]
"""Pool and seed → rows of the pool."""


@dataclass(frozen=True)
class Line:
    """Accuracy with one set of 32 labels.

    Attributes:
        chooser: name of the chooser, or of the record.
        pool: name of the pool.
        seed: seed of the choice and of the training.
        recipe: the learner's recipe.
        positives: positive texts among the 32.
        texts_sha256: digest of the chosen texts.
        accuracy: accuracy on the held-out texts.
        cpu_s: processor seconds of training and scoring; 0 if the accuracy was known from the same texts.
    """

    chooser: str
    pool: str
    seed: int
    recipe: str
    positives: int
    texts_sha256: str
    accuracy: float
    cpu_s: float = field(default=0.0, compare=False)

    @property
    def cell(self) -> tuple[str, str, int, str]:
        """Identifies the cell; a later line with the same cell replaces this line."""
        return self.chooser, self.pool, self.seed, self.recipe

    @property
    def training(self) -> tuple[str, int, str]:
        """Identifies the training; another chooser with the same texts reuses its accuracy."""
        return self.texts_sha256, self.seed, self.recipe


def run(folder: Path, choosers: Sequence[str], shuffles: int, draws: int, recipe: Recipe) -> None:
    """Choose in every cell, train on sets without a line, and write a line for each cell that changed."""
    pools = read_pools(folder)
    records = read_records(folder, pools)
    bench = build_bench(pools, read_test(folder))
    choose = _choosers(bench, read_habits(folder, pools))
    lines = {line.cell: line for line in read_lines()}
    known = {line.training: line.accuracy for line in read_lines()}
    with Progress() as progress:
        for chooser, pool, seed in progress.track(list(_jobs(choosers, list(pools), records, shuffles, draws))):
            rows_B = choose[chooser](pool, seed) if chooser in choose else _recorded(records, chooser)
            began = time.process_time()
            key = texts_sha256(pools[pool], rows_B), seed, recipe.value
            if key not in known:
                known[key] = round(bench.worth(pool, rows_B, recipe, seed), 6)
            cpu_s = round(time.process_time() - began, 2)
            positives = int(pools[pool].targets_N_C[rows_B, 1].sum())
            line = Line(chooser, pool, seed, recipe.value, positives, key[0], known[key], cpu_s)
            if lines.get(line.cell) != line:
                _write(line)


def _jobs(
    choosers: Sequence[str], pools: Sequence[str], records: Sequence[Record], shuffles: int, draws: int
) -> Iterator[tuple[str, str, int]]:
    """Chooser, pool and seed of every cell; seed by seed, so that an interrupted run can be compared."""
    for seed in range(max(shuffles, draws)):
        if RECORDED in choosers and seed < RECORDED_SEEDS:
            yield from ((record.name, record.pool, seed) for record in records)
        for chooser in choosers:
            if chooser != RECORDED and seed < (draws if chooser == "random" else shuffles):
                yield from ((chooser, pool, seed) for pool in pools)


def _recorded(records: Sequence[Record], name: str) -> IntArray:
    return next(record.rows_B for record in records if record.name == name)


def _choosers(bench: Bench, habits: Habits) -> dict[str, Choose]:
    """Every chooser except the recorded ones."""
    return {
        **{name: _rival(bench, name) for name in RIVALS},
        COVERING: lambda pool, seed: _cover(bench.embeddings[pool], seed),
        DERIVED: _mended(bench, habits, habits.error_rate),
        PESSIMISTIC: _mended(bench, habits, habits.pessimistic_error_rate),
        ONE_ASKING: _ask_once(bench, habits),
        BALANCED: lambda pool, seed: _draw_balanced(bench.pools[pool], seed),
    }


def _rival(bench: Bench, name: str) -> Choose:
    def choose(pool: str, seed: int) -> IntArray:
        embeddings_N_D = bench.embeddings[pool]
        unlabelled = Unlabelled(
            len(embeddings_N_D), embeddings_N_D=embeddings_N_D, labelled_L_D=np.zeros_like(embeddings_N_D[:0])
        )
        return rank(find_strategy(name), unlabelled, PICKS, np.random.default_rng(seed)).indices_N[:PICKS]

    return choose


def _cover(embeddings_N_D: FloatArray, seed: int) -> IntArray:
    return maxherding(embeddings_N_D, embeddings_N_D[:0], PICKS, np.random.default_rng(seed))


def _mended(bench: Bench, habits: Habits, error_rate: float) -> Choose:
    def choose(pool: str, seed: int) -> IntArray:
        gold, embeddings_N_D = bench.pools[pool], bench.embeddings[pool]
        rng = np.random.default_rng(seed)
        chat = StandIn(gold, habits, error_rate, PICKS, _stand_in_rng(pool, seed))
        nobody = gold.some(np.zeros(0, dtype=np.int64))
        candidates = Candidates(QUESTION, gold.texts, embeddings_N_D, nobody, embeddings_N_D[:0])
        return select_texts(chat, candidates, PICKS, rng).rows_B

    return choose


def _ask_once(bench: Bench, habits: Habits) -> Choose:
    """The stand-in's 32 picks without correction, as the study used them."""
    attentive = replace(habits, slips=(Slip(1.0, 0.0, False),))

    def choose(pool: str, seed: int) -> IntArray:
        gold = bench.pools[pool]
        chat = StandIn(gold, attentive, 0.0, PICKS, _stand_in_rng(pool, seed))
        rows_N = np.random.default_rng(seed).permutation(len(gold))
        shown = "\n".join(f"{number}: {json.dumps(gold.texts[row])}" for number, row in enumerate(rows_N))
        picks = json.loads(chat.ask([Message("user", shown)]).text)["picks"]
        return rows_N[[pick["number"] for pick in picks]]

    return choose


def _stand_in_rng(pool: str, seed: int) -> np.random.Generator:
    """A seed that differs by pool, so that pools do not share the luck of one asking."""
    return np.random.default_rng([seed, *pool.encode()])


def _draw_balanced(pool: Targets, seed: int) -> IntArray:
    """As many random texts of either class, by gold labels: the effect of balance alone."""
    rng = np.random.default_rng(seed)
    classes = [np.flatnonzero(pool.targets_N_C[:, label]) for label in (0, 1)]
    return np.concatenate([rng.permutation(rows)[: PICKS // 2] for rows in classes])


def read_lines() -> list[Line]:
    """Every line measured so far, replaced lines included, in order."""
    if not LINES.exists():
        return []
    return [Line(**json.loads(line)) for line in LINES.read_text(encoding="utf-8").splitlines()]


def _write(line: Line) -> None:
    with LINES.open("a", encoding="utf-8") as file:
        raw: dict[str, Any] = asdict(line)
        file.write(json.dumps(raw) + "\n")
