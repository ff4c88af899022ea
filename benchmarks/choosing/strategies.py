"""Query strategies, ours and other packages', against random labels, with the project's own learner."""

import json
import platform
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import Progress

from benchmarks.learning.gold import TEST_TEXTS
from model.encoder.processor import available_cores
from model.learner.recipes import TrainingConfig
from model.query.strategies import Strategy
from model.simulation.gold import one_question, read_gold
from model.simulation.learning_curves import Curve, Point, curves, interval
from model.simulation.setup import Setup
from model.simulation.simulate import key_of, simulate
from model.tasks.label_names import label_texts
from model.types import Recipe

SETS = ("sst2", "trec6", "agnews", "banking77")
BUDGETS = (16, 32, 64, 128, 256, 512)
SEEDS = (0, 1, 2, 3, 4)
# The pool: this many random texts of a set, different for each seed. Scoring 10,000 would take longer than training.
POOL = 2_000
# Means use label counts up to this one.
JUDGED_UP_TO = 256
Learner = tuple[Recipe, bool]
"""A recipe, and whether it knows label names and the unlabelled pool."""
TITLES: dict[Learner, str] = {
    (Recipe.AUTO, True): "The shipped learner (`RECIPE=auto`)",
    (Recipe.HEAD, True): "The head alone, on the encoder as it came (`RECIPE=head`)",
    (Recipe.AUTO, False): "The learner of a554ebc, which knew neither label names nor the pool (`RECIPE=auto`)",
    (Recipe.HEAD, False): "The head alone of a554ebc, likewise (`RECIPE=head`)",
}
BASELINE, DEFAULT = "random", "hybrid"
PACKAGES = ("scikit-activeml", "small-text")
LINES = Path(__file__).with_name("strategies.jsonl")
TABLE = Path(__file__).with_name("strategies.md")
PACKAGES_FILE = Path(__file__).with_name("requirements-active-learning.txt")

Line = dict[str, Any]


def run(
    data: Path,
    sets: Sequence[str],
    strategies: Sequence[Strategy],
    budgets: Sequence[int],
    seeds: Sequence[int],
    recipe: Recipe,
) -> None:
    """Simulate every combination that has no line yet, and write a line a training."""
    with Progress() as progress:
        task = progress.add_task("", total=len(sets) * len(seeds) * len(strategies) * len(budgets))
        for seed in seeds:
            for name in sets:
                gold, test = read_gold([data / name / f"{part}.jsonl.gz" for part in ("train", "test")])
                test = test.some(np.arange(min(TEST_TEXTS, len(test))))
                names = label_texts(gold.label_set.labels)
                both, config = (one_question(gold), one_question(test)), TrainingConfig(recipe=recipe)
                setup = Setup(*both, config, pool_size=POOL, label_texts=(names,))
                known = {key_of(point): point for point in read_points(name, (recipe, True))}
                for point in simulate(setup, strategies, budgets, [seed], known):
                    if key_of(point) not in known:
                        _write({"set": name, "recipe": recipe.value, "names": True, **point.line()})
                    progress.update(task, advance=1, description=f"{name}, seed {seed}, {point.strategy}")


def read_points(name: str, learner: Learner) -> list[Point]:
    """The points measured on a set with a learner."""
    lines = [json.loads(line) for line in LINES.read_text(encoding="utf-8").splitlines()] if LINES.exists() else []
    fields = Point.__dataclass_fields__
    return [
        Point(**{key: line[key] for key in fields if key in line})
        for line in lines
        if (line["set"], line["recipe"], line.get("names", False)) == (name, *learner)
    ]


def _write(line: Line) -> None:
    with LINES.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def write_table() -> None:
    """Write strategies.md from the lines."""
    text = [
        "# Query strategies",
        "",
        f'`make bench ARGS="strategies --data FOLDER --recipe RECIPE"` (`--strategy NAME` and `--labels COUNT`, several'
        f" times each, for a part of it), on {platform.machine()}, {available_cores()} cores, Python "
        f"{platform.python_version()}, torch {version('torch')}, transformers {version('transformers')}, scikit-learn "
        f"{version('scikit-learn')}; every figure from `strategies.jsonl`, one line a training.",
        "",
        f"Pool: {POOL} random texts of a set, others for each seed. Accuracy on the first {TEST_TEXTS} test texts. One "
        "batch from each label count to the next. Points over labelling at random, mean over the label counts up "
        f"to {JUDGED_UP_TO} and seeds, with the 95 % interval over paired seeds (Student's t) and how many these are. "
        "**Where the interval holds 0, the strategy may be no better than random.** With label names every strategy "
        "chooses from the start. Without, those that need no classifier do, hybrid begins by maxherding, and the "
        "others begin with the texts that random begins with. "
        f"What a query takes: `queries.md`. The packages' strategies ({', '.join(_pinned())}): `make "
        "bench-active-learning DATA=FOLDER`.",
        "",
    ]
    for learner in TITLES:
        found = {name: curves(_judged(read_points(name, learner))) for name in SETS}
        text += _section(learner, {name: by_strategy for name, by_strategy in found.items() if by_strategy})
    TABLE.write_text("\n".join(text), encoding="utf-8")


def _pinned() -> list[str]:
    """The packages and their versions, as their requirements file pins them."""
    lines = PACKAGES_FILE.read_text(encoding="utf-8").splitlines()
    return [line.strip().replace("==", " ") for line in lines if line.startswith(PACKAGES)]


def _judged(points: Sequence[Point]) -> list[Point]:
    """The points at label counts up to JUDGED_UP_TO."""
    return [point for point in points if 0 < point.labels <= JUDGED_UP_TO]


def _section(learner: Learner, found: dict[str, dict[str, Curve]]) -> Iterator[str]:
    if not found:
        return
    counts = sorted({int(labels) for by in found.values() for curve in by.values() for labels in curve.labels_B})
    yield from [f"## {TITLES[learner]}", "", f"Measured at {', '.join(map(str, counts))} labels.", ""]
    yield from [f"| strategy | {' | '.join(found)} | all sets |"]
    yield "|---|" + "---|" * (len(found) + 1)
    names = dict.fromkeys(name for by_strategy in found.values() for name in by_strategy)
    rows = [(name, *_row(name, found)) for name in names]
    for name, cells, _ in sorted(rows, key=lambda row: -row[2]):
        yield f"| {name} | {' | '.join(cells)} |"
    yield ""
    yield from _against_packages(found)


def _row(name: str, found: dict[str, dict[str, Curve]]) -> tuple[list[str], float]:
    """A strategy's cells, and its mean lead to sort rows by."""
    if name == BASELINE:
        measured = [by[name] for by in found.values() if name in by]
        shares = [f"{100 * by[name].accuracy_S_B.mean():.1f} %" if name in by else "" for by in found.values()]
        return [*shares, f"{100 * np.mean([curve.accuracy_S_B.mean() for curve in measured]):.1f} %"], 0.0
    leads, overall = _leads(name, BASELINE, found)
    return [*[_cell(list(lead.values())) for lead in leads], _cell(overall)], float(
        np.mean(overall)
    ) if overall else -1.0


def _leads(name: str, other: str, found: dict[str, dict[str, Curve]]) -> tuple[list[dict[int, float]], list[float]]:
    """The lead of a strategy over another: by set and seed, and the mean over sets for seeds that every set has."""
    leads = [_lead_by_seed(by[name], by[other]) if {name, other} <= by.keys() else {} for by in found.values()]
    shared = set.intersection(*(set(lead) for lead in leads))
    return leads, [float(np.mean([lead[seed] for lead in leads])) for seed in sorted(shared)]


def _against_packages(found: dict[str, dict[str, Curve]]) -> Iterator[str]:
    """The default strategy beside the best strategy of the packages, where all seeds are measured."""
    theirs = sorted({name for by in found.values() for name in by if name.startswith(PACKAGES)})
    overall = {name: _leads(name, BASELINE, found)[1] for name in theirs}
    complete = [name for name in theirs if len(overall[name]) == len(SEEDS)]
    if complete:
        best = max(complete, key=lambda name: np.mean(overall[name]))
        yield f"`{DEFAULT}` against the best of the packages', {best}: {_cell(_leads(DEFAULT, best, found)[1])}."
        yield ""


def _lead_by_seed(curve: Curve, baseline: Curve) -> dict[int, float]:
    """Mean over the label counts that both have, by seed."""
    shared = np.intersect1d(curve.labels_B, baseline.labels_B)
    means = [
        dict(zip(each.seeds_S, each.accuracy_S_B[:, np.isin(each.labels_B, shared)].mean(axis=1), strict=True))
        for each in (curve, baseline)
    ]
    return {seed: float(means[0][seed] - means[1][seed]) for seed in means[0] if seed in means[1]}


def _cell(leads: Sequence[float]) -> str:
    """A cell: points over random, the interval, and the number of seeds."""
    if not leads:
        return ""
    lead = interval(leads)
    if lead is None:
        return f"{100 * np.mean(leads):+.1f} ({len(leads)})"
    return f"{100 * lead.mean:+.1f} ({100 * lead.low:+.1f} to {100 * lead.high:+.1f}; {len(leads)})"
