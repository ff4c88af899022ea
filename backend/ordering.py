"""The task-ordering hook: LLM or query strategy → order, with the reason for every task."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backend.settings import ProjectSettings
from model.query.explore import mix_in_random
from model.query.strategies import Ranking, Strategy, Unlabelled, find_strategy, rank
from model.types import BoolArray, IntArray, PoolText


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
    ranking = rank(strategy, unlabelled, settings.query_size, rng)
    unwanted_N = np.array([text.is_skipped or not text.text for text in pool], dtype=bool)
    wanted = ranking.indices_N[~unwanted_N[ranking.indices_N]]
    rows, is_explore = mix_in_random(wanted, settings.explore, rng)
    last = ranking.indices_N[unwanted_N[ranking.indices_N]]
    order = np.concatenate([rows, last])
    place_N = np.empty(len(pool), dtype=np.int64)
    place_N[ranking.indices_N] = np.arange(len(pool))
    explore_N = np.concatenate([is_explore, np.zeros(len(last), dtype=bool)])
    reasons = tuple(
        _reason(strategy, ranking, pool[row], int(row), int(place_N[row]), bool(explore))
        for row, explore in zip(order, explore_N, strict=True)
    )
    return Order(order, explore_N, reasons)


def _reason(strategy: Strategy, ranking: Ranking, text: PoolText, row: int, place: int, is_explore: bool) -> str:
    if text.is_skipped:
        return "skipped before"
    if not text.text:
        return "no text"
    if is_explore:
        return "random sample"
    if strategy.explain is not None and ranking.scores_N is not None:
        why = strategy.explain(float(ranking.scores_N[row]))
    else:
        why = strategy.name
    if strategy.select is None:
        return why
    if place < ranking.batch_size:
        return f"{why}, pick {place + 1} of {ranking.batch_size}"
    return why if strategy.score is not None else "after the batch, at random"
