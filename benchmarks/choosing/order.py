"""Accuracy of the shipped loop against the same learner on random labels, on examples/banking8."""

import platform
from importlib.metadata import version
from pathlib import Path

import numpy as np
from rich.progress import Progress

from backend.settings import ProjectSettings
from examples.learner import BANKING8
from model.encoder.processor import available_cores, use_available_cores
from model.learner.recipes import TrainingConfig
from model.links import ONE_OF
from model.query.strategies import find_strategy
from model.simulation.gold import one_question, read_gold
from model.simulation.setup import Setup
from model.simulation.simulate import simulate
from model.tasks.label_names import label_texts
from model.types import FloatArray

TABLE = Path(__file__).with_name("order.md")
BUDGETS = (0, 16, 32, 48)
SEEDS = range(5)
RANDOM = "random"


def run() -> None:
    """Measure, print and write the table."""
    use_available_cores()
    setup, settings = _setup(), ProjectSettings()
    accuracy: dict[str, list[float]] = {settings.strategy: [], RANDOM: []}
    with Progress() as progress:
        task = progress.add_task("loop and random, seed by seed", total=len(SEEDS) * len(accuracy) * len(BUDGETS))
        for point in simulate(setup, [find_strategy(name) for name in accuracy], BUDGETS, SEEDS, {}):
            accuracy[point.strategy].append(point.accuracy)
            progress.advance(task)
    loop_S_B, random_S_B = (np.array(values).reshape(len(SEEDS), len(BUDGETS)) for values in accuracy.values())
    text = _table(setup, loop_S_B, random_S_B)
    print(text)
    TABLE.write_text(text, encoding="utf-8")


def _setup() -> Setup:
    """Pool and held-out texts with gold labels, and the learner and order that ship."""
    pool, heldout = read_gold([BANKING8 / f"{name}.jsonl" for name in ("pool", "heldout")])
    names = label_texts(pool.label_set.labels)
    both, explore = (one_question(pool), one_question(heldout)), ProjectSettings().explore
    return Setup(*both, TrainingConfig(), explore=explore, label_texts=(names,))


def _table(setup: Setup, loop_S_B: FloatArray, random_S_B: FloatArray) -> str:
    difference_S_B = loop_S_B - random_S_B
    heldout = (setup.test if setup.test is not None else setup.gold).questions[0].targets
    lines = [
        "# What the order is worth",
        "",
        f"`make bench` on {platform.machine()}, {available_cores()} cores, Python {platform.python_version()}, torch "
        f"{version('torch')}, transformers {version('transformers')}. examples/banking8: {len(setup.gold)} texts to "
        f"label, {len(heldout)} held out, {len(heldout.label_set.labels)} intents; the commonest alone gives "
        f"{ONE_OF.commonest_accuracy(heldout.targets_N_C):.1%}. {len(SEEDS)} seeds; loop and random share learner, "
        "seed and label count. Mean ± standard deviation over seeds, in % and points.",
        "",
        "| labels | loop | random | difference | seeds in which the loop is ahead |",
        "|---|---|---|---|---|",
    ]
    for column, budget in enumerate(BUDGETS):
        cells = (_cell(values[:, column]) for values in (loop_S_B, random_S_B, difference_S_B))
        ahead = int((difference_S_B[:, column] > 0).sum())
        lines.append(f"| {budget} | {' | '.join(cells)} | {ahead} of {len(SEEDS)} |")
    lines += ["", "One data set, eight classes: it says nothing of yours.", ""]
    return "\n".join(lines)


def _cell(values_S: FloatArray) -> str:
    return f"{100 * values_S.mean():.1f} ± {100 * values_S.std(ddof=1):.1f}"
