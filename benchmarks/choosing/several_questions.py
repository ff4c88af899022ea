"""How the orders of several questions become one: in turn, or by the mean of their ranks; each beside random labels."""

import json
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import Progress

from benchmarks.choosing.strategies import POOL
from benchmarks.learning.gold import TEST_TEXTS
from benchmarks.machine import described
from model.learner.recipes import TrainingConfig
from model.query.ranking import Merge, merge_orders
from model.query.strategies import find_strategy
from model.simulation.gold import Gold, read_answers
from model.simulation.learning_curves import interval
from model.simulation.setup import Setup
from model.simulation.simulate import Simulation
from model.tasks.label_names import label_texts
from model.types import IntArray, Recipe

BUDGETS = (32, 64, 96, 128)
RANDOM, DEFAULT = "random", "hybrid"
LINES = Path(__file__).with_name("several_questions.jsonl")
TABLE = Path(__file__).with_name("several_questions.md")

Line = dict[str, Any]


def mean_of_ranks(orders: Sequence[IntArray]) -> tuple[IntArray, IntArray]:
    """Sort rows by the mean of their places in all orders; the order in which a row comes first counts as its giver."""
    places_Q_N = np.empty((len(orders), len(orders[0])))
    for places_N, order in zip(places_Q_N, orders, strict=True):
        places_N[order] = np.arange(len(order))
    rows_N = np.argsort(places_Q_N.mean(axis=0), kind="stable")
    return rows_N, places_Q_N.argmin(axis=0)[rows_N]


def only(place: int) -> Merge:
    """Let the order of one question decide."""
    return lambda orders: (orders[place], np.full(len(orders[place]), place))


# A name, the strategy that each question orders by, and how the orders become one.
WAYS: dict[str, tuple[str, Merge]] = {
    RANDOM: (RANDOM, merge_orders),
    "in turn": (DEFAULT, merge_orders),
    "mean of ranks": (DEFAULT, mean_of_ranks),
    "the first alone": (DEFAULT, only(0)),
    "the second alone": (DEFAULT, only(1)),
}


def run(data: Path, seeds: Sequence[int], recipe: Recipe) -> None:
    """Simulate every combination that has no line yet, and write a line for each label count and question."""
    sets = sorted(folder.name for folder in data.iterdir() if folder.is_dir())
    done = {(line["set"], line["seed"], line["way"], line["recipe"]) for line in read_lines()}
    with Progress() as progress:
        for seed, name, way in progress.track(list(product(seeds, sets, WAYS))):
            if (name, seed, way, recipe.value) not in done:
                lines = [
                    {"set": name, "recipe": recipe.value, **line} for line in _simulate(data / name, seed, way, recipe)
                ]
                with LINES.open("a", encoding="utf-8") as file:
                    file.writelines(json.dumps(line) + "\n" for line in lines)


def _simulate(folder: Path, seed: int, way: str, recipe: Recipe) -> Iterator[Line]:
    gold, test = read_answers([folder / f"{part}.jsonl.gz" for part in ("train", "test")])
    test = test.some(np.arange(min(TEST_TEXTS, len(test))))
    setup = Setup(gold, test, TrainingConfig(recipe=recipe), pool_size=POOL, label_texts=_meanings(gold))
    strategy, merge = WAYS[way]
    for point in Simulation(setup, seed, merge).run(find_strategy(strategy), BUDGETS):
        yield {**point.line(), "way": way}


def _meanings(gold: Gold) -> tuple[Any, ...]:
    return tuple(label_texts(question.targets.label_set.labels) for question in gold.questions)


def read_lines() -> list[Line]:
    """What was measured so far."""
    return [json.loads(line) for line in LINES.read_text(encoding="utf-8").splitlines()] if LINES.exists() else []


def write_table() -> None:
    """Write several_questions.md."""
    TABLE.write_text("\n".join(_table(read_lines())) + "\n", encoding="utf-8")


def _table(lines: Sequence[Line]) -> Iterator[str]:
    recipes = sorted({line["recipe"] for line in lines})
    yield "# One order for several questions\n"
    yield (
        f'`make bench ARGS="several-questions --data FOLDER"` on {described("torch")}; every figure from '
        f"`several_questions.jsonl`. Sets whose texts answer two questions (`answers`), {POOL:,} random texts of each, "
        f"the first {TEST_TEXTS} test texts, recipe {', '.join(recipes)}, label names known. Points of accuracy over "
        f"as many random labels, mean over {', '.join(map(str, BUDGETS))} labels; paired by seed, with the 95 % "
        "interval (Student's t). A text costs one label and answers both questions. **Where the interval holds 0, the "
        "way may be no better than random.**\n"
    )
    yield "| set | question | random, % | in turn | mean of ranks | the first alone | the second alone |"
    yield "|---|---|---|---|---|---|---|"
    pairs = list(dict.fromkeys((line["set"], line["question"]) for line in lines))
    for name, question in pairs:
        yield _row(name, question, [line for line in lines if (line["set"], line["question"]) == (name, question)])
    yield _row("**all**", "", lines)


def _row(name: str, question: str, lines: Sequence[Line]) -> str:
    by_way = {way: _by_seed([line for line in lines if line["way"] == way]) for way in WAYS}
    random = by_way[RANDOM]
    cells = []
    for way in list(WAYS)[1:]:
        leads = [100 * (by_way[way][seed] - random[seed]) for seed in sorted(random.keys() & by_way[way].keys())]
        found = interval(leads)
        span = f" ({found.low:+.1f} to {found.high:+.1f}; {len(leads)})" if found else ""
        cells.append(f"{np.mean(leads):+.1f}{span}")
    return f"| {name} | {question} | {100 * np.mean(list(random.values())):.1f} | {' | '.join(cells)} |"


def _by_seed(lines: Sequence[Line]) -> dict[int, float]:
    """Mean accuracy over label counts, and questions where there are several, by seed."""
    seeds = sorted({line["seed"] for line in lines})
    return {seed: float(np.mean([line["accuracy"] for line in lines if line["seed"] == seed])) for seed in seeds}
