"""The task-ordering hook: LLM or query strategy → order, with the reason for every task."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from backend.settings import ProjectSettings
from model.query.explore import mix_in_random
from model.query.ranking import Ranking, rank
from model.query.strategies import Strategy, find_strategy
from model.query.unlabelled import Unlabelled
from model.types import BoolArray, IntArray, PoolText

RANDOM_SAMPLE = "random sample"
SKIPPED = "skipped before"
NO_TEXT = "no text"


@dataclass(frozen=True)
class Order:
    """Every task of the pool once, first = next.

    Attributes:
        rows_N: rows of the pool in order.
        is_explore_N: by place in the order, drawn at random.
        reasons_N: by place in the order.
    """

    rows_N: IntArray
    is_explore_N: BoolArray
    reasons_N: tuple[str, ...]


def strategy_for(settings: ProjectSettings, has_model: bool) -> Strategy:
    """The strategy that decides now: COLD_START until there is a model, STRATEGY from then on."""
    return find_strategy(settings.strategy if has_model else settings.cold_start)


def order_pool(
    pool: Sequence[PoolText],
    unlabelled: Unlabelled,
    settings: ProjectSettings,
    has_model: bool,
    rng: np.random.Generator,
) -> Order:
    """Put the pool in the order in which to ask for it.

    A random `explore` share of the places goes to texts drawn evenly from the pool: the only unbiased sample of it that
    we get. Texts that somebody skipped, and those with nothing to read, come last.

    Args:
        pool: N texts.
        unlabelled: what the strategy needs of them, row by row.
        settings: strategy, batch size and explore share.
        has_model: whether there is a classifier to go by.
        rng: every choice by chance.
    """
    strategy = strategy_for(settings, has_model)
    is_wanted_N = np.array([bool(text.text) and not text.is_skipped for text in pool], dtype=bool)
    wanted = np.flatnonzero(is_wanted_N)
    # A skipped text can still be labelled, one without words hardly.
    last = sorted(np.flatnonzero(~is_wanted_N).tolist(), key=lambda row: not pool[row].is_skipped)
    ranking = rank(strategy, unlabelled.some(wanted), settings.query_size, rng)
    rows, is_explore = mix_in_random(wanted[ranking.indices_N], settings.explore, rng)
    why = dict(zip(wanted[ranking.indices_N].tolist(), _reasons(strategy, ranking), strict=True))
    chosen = [RANDOM_SAMPLE if explore else why[row] for row, explore in zip(rows.tolist(), is_explore, strict=True)]
    unwanted = [SKIPPED if pool[row].is_skipped else NO_TEXT for row in last]
    is_explore_N = np.concatenate([is_explore, np.zeros(len(last), dtype=bool)])
    return Order(np.concatenate([rows, np.array(last, dtype=np.int64)]), is_explore_N, (*chosen, *unwanted))


def _reasons(strategy: Strategy, ranking: Ranking) -> Iterator[str]:
    """Why each text stands where it does, in the order of the ranking."""
    for place, row in enumerate(ranking.indices_N):
        why = strategy.name
        if strategy.explain is not None and ranking.scores_N is not None:
            why = strategy.explain(float(ranking.scores_N[row]))
        if strategy.select is None:
            yield why
        elif place < ranking.batch_size:
            yield f"{why}, pick {place + 1} of {ranking.batch_size}"
        else:
            yield why if strategy.score is not None else "after the batch, at random"
