"""The task-ordering hook: LLM or query strategy → order, with the reason for every task."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from backend.settings import ProjectSettings
from backend.store.selections import Selection
from model.query.explore import mix_in_random
from model.query.ranking import Ranking, rank
from model.query.strategies import Strategy, find_strategy
from model.query.unlabelled import Unlabelled
from model.types import BoolArray, IntArray, PoolText

RANDOM_SAMPLE = "random sample"
SKIPPED = "skipped before"
NO_TEXT = "no text"
# What chooses where an LLM was to choose and could not.
FALLBACK = "typiclust"


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


def strategy_for(
    settings: ProjectSettings, has_model: bool, selection: Selection | None = None, *, has_names: bool = False
) -> Strategy:
    """The strategy that decides now: COLD_START until there is a model, STRATEGY from then on.

    Args:
        settings: the project's.
        has_model: whether there is a classifier to go by.
        selection: what an LLM chose, where it has a say: then that comes first, with a model and without; where it
            failed, the fallback chooses.
        has_names: whether label names say something: until there is a model they are a classifier.
    """
    if selection is not None:
        return find_strategy(selection.strategy if selection.picks else FALLBACK)
    if has_model:
        return find_strategy(settings.strategy)
    start = find_strategy(settings.cold_start)
    return find_strategy(start.start) if start.needs_classifier and not has_names else start


def order_pool(
    pool: Sequence[PoolText],
    unlabelled: Unlabelled,
    strategy: Strategy,
    settings: ProjectSettings,
    rng: np.random.Generator,
    selection: Selection | None = None,
) -> Order:
    """Put the pool in the order in which to ask for it.

    A random `explore` share of the places goes to texts drawn evenly from the pool: the only unbiased sample of it that
    we get. Texts that somebody skipped, and those with nothing to read, come last.

    Args:
        pool: N texts.
        unlabelled: what the strategy needs of them, row by row.
        strategy: what decides.
        settings: batch size and explore share.
        rng: every choice by chance.
        selection: what an LLM chose, for a strategy that goes by it.
    """
    picked = {pick.task_id: pick for pick in selection.picks} if selection else {}
    if strategy.asks_llm:
        unlabelled = replace(unlabelled, picks_B=_rows_of(picked, pool))
    is_wanted_N = np.array([bool(text.text) and not text.is_skipped for text in pool], dtype=bool)
    wanted = np.flatnonzero(is_wanted_N)
    # A skipped text can still be labelled, one without words hardly.
    last = sorted(np.flatnonzero(~is_wanted_N).tolist(), key=lambda row: not pool[row].is_skipped)
    ranking = rank(strategy, unlabelled, settings.query_size, rng, wanted)
    rows, is_explore = mix_in_random(wanted[ranking.indices_N], settings.explore, rng)
    why = dict(zip(wanted[ranking.indices_N].tolist(), _reasons(strategy, ranking), strict=True))
    why.update({row: picked[pool[row].task_id].reason for row in why if pool[row].task_id in picked})
    chosen = [RANDOM_SAMPLE if explore else why[row] for row, explore in zip(rows.tolist(), is_explore, strict=True)]
    unwanted = [SKIPPED if pool[row].is_skipped else NO_TEXT for row in last]
    is_explore_N = np.concatenate([is_explore, np.zeros(len(last), dtype=bool)])
    return Order(np.concatenate([rows, np.array(last, dtype=np.int64)]), is_explore_N, (*chosen, *unwanted))


def _rows_of(task_ids: Iterable[int], pool: Sequence[PoolText]) -> IntArray:
    """Where tasks stand in the pool, in their own order; those that are not in it any more are left out."""
    row_of = {text.task_id: row for row, text in enumerate(pool)}
    return np.array([row_of[task_id] for task_id in task_ids if task_id in row_of], dtype=np.int64)


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
