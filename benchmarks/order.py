"""What the order is worth: the shipped loop against the same learner on random labels, on examples/banking8."""

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from rich.progress import Progress

from backend.ordering import order_pool, strategy_for
from backend.settings import ProjectSettings
from model.bert import TextClassifier, new_classifier
from model.evaluation import accuracy, majority_share
from model.gold import read_gold
from model.inference import embed_texts, score_texts
from model.processor import available_cores, use_available_cores
from model.query.unlabelled import Unlabelled
from model.recipes import TrainingConfig
from model.training import train
from model.types import FloatArray, PoolText, Targets

EXAMPLES = Path(__file__).parents[1] / "examples" / "banking8"
TABLE = Path(__file__).with_name("order.md")
BUDGETS = (16, 32, 48)
SEEDS = range(5)


@dataclass(frozen=True)
class Data:
    """Pool and held-out texts with gold labels, and the pool's embeddings under the untrained encoder."""

    pool: Targets
    heldout: Targets
    embeddings_N_D: FloatArray


def run() -> None:
    """Measure, print and write the table."""
    use_available_cores()
    data = _load()
    with Progress() as progress:
        task = progress.add_task("loop and random, seed by seed", total=len(SEEDS) * 2)
        loop_S_B, random_S_B = [], []
        for seed in SEEDS:
            loop_S_B.append(list(_accuracies(data, seed, is_random=False)))
            progress.advance(task)
            random_S_B.append(list(_accuracies(data, seed, is_random=True)))
            progress.advance(task)
    text = _table(data, np.array(loop_S_B), np.array(random_S_B))
    print(text)
    TABLE.write_text(text, encoding="utf-8")


def _load() -> Data:
    pool, heldout = read_gold([EXAMPLES / f"{name}.jsonl" for name in ("pool", "heldout")])
    return Data(pool, heldout, embed_texts(new_classifier("", pool.label_set), pool.texts))


def _accuracies(data: Data, seed: int, *, is_random: bool) -> Iterator[float]:
    """Accuracy on held-out texts at each budget, labelling in the loop's order or at random."""
    rng = np.random.default_rng(seed)
    labelled: list[int] = []
    classifier = None
    for budget in BUDGETS:
        order = rng.permutation(len(data.pool)).tolist() if is_random else _order(data, labelled, classifier, rng)
        waiting = [row for row in order if row not in set(labelled)]
        labelled.extend(waiting[: budget - len(labelled)])
        classifier = train(data.pool.some(np.array(labelled)), TrainingConfig(seed=seed)).classifier
        yield accuracy(score_texts(classifier, data.heldout.texts).proba_N_C, data.heldout.targets_N_C)


def _order(data: Data, labelled: list[int], classifier: TextClassifier | None, rng: np.random.Generator) -> list[int]:
    """What the ordering hook says with the default settings."""
    rows = [row for row in range(len(data.pool)) if row not in set(labelled)]
    pool = [PoolText(row, data.pool.texts[row]) for row in rows]
    if classifier is None:
        view = Unlabelled(len(rows), None, data.embeddings_N_D[rows], data.embeddings_N_D[labelled])
    else:
        scored = score_texts(classifier, [text.text for text in pool])
        view = Unlabelled(len(rows), scored.proba_N_C, scored.embeddings_N_D)
    settings = ProjectSettings()
    strategy = strategy_for(settings, has_model=classifier is not None)
    ordered = order_pool(pool, view, strategy, settings, rng)
    return [rows[place] for place in ordered.rows_N]


def _table(data: Data, loop_S_B: FloatArray, random_S_B: FloatArray) -> str:
    difference_S_B = loop_S_B - random_S_B
    lines = [
        "# What the order is worth",
        "",
        f"`make bench` on {platform.machine()}, {available_cores()} cores, Python {platform.python_version()}, torch "
        f"{version('torch')}, transformers {version('transformers')}. examples/banking8: {len(data.pool)} texts to "
        f"label, {len(data.heldout)} held out, {len(data.pool.label_set.labels)} intents; the commonest alone gives "
        f"{majority_share(data.heldout.targets_N_C):.1%}. {len(SEEDS)} seeds; loop and random share learner, seed and "
        "label count. Mean ± standard deviation over seeds, in % and points.",
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
