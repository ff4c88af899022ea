"""Orders the pool by a query strategy or an LLM's choice, with a reason for each task."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from backend.settings import ProjectSettings
from backend.store.selections import Selection
from model.judging.fair_sample import draw_numbers
from model.query.ranking import Ranking, merge_orders, mix_in_random, rank
from model.query.strategies import Strategy, find_strategy
from model.query.unlabelled import Need, Unlabelled
from model.types import BoolArray, IntArray, PoolText

RANDOM_SAMPLE = "random sample"
SKIPPED = "skipped before"
NO_TEXT = "no text"
# The query strategy that chooses if the LLM fails to choose.
FALLBACK = "typiclust"


@dataclass(frozen=True)
class Order:
    """An order of the whole pool, first = next.

    Attributes:
        rows_N: rows of the pool, each once, by place in the order.
        is_explore_N: True for a text drawn at random, by place in the order.
        reasons_N: why each text has its place, by place in the order.
    """

    rows_N: IntArray
    is_explore_N: BoolArray
    reasons_N: tuple[str, ...]


def strategy_for(
    settings: ProjectSettings, has_model: bool, selection: Selection | None = None, *, has_names: bool = False
) -> Strategy:
    """Return the query strategy in force: COLD_START until there is a model, STRATEGY afterwards.

    Args:
        settings: the project's settings.
        has_model: the project has a model version.
        selection: an LLM's choice, which comes before both strategies; after a failed choice, FALLBACK orders.
            None if no LLM chooses.
        has_names: label names classify texts, so that COLD_START may need class probabilities.
    """
    if selection is not None:
        return find_strategy(selection.strategy if selection.picks else FALLBACK)
    if has_model:
        return find_strategy(settings.strategy)
    start = find_strategy(settings.cold_start)
    if start.asks_llm:
        # By default an LLM would choose; for free text, which is not learned, it is not asked.
        start = find_strategy(ProjectSettings().cold_start)
    return find_strategy(start.start) if start.needs_classifier and not has_names else start


def strategy_instead(has_model: bool, *, has_names: bool) -> Strategy:
    """Return the query strategy that orders the pool where an ordering hook failed: the default of all settings.

    Args:
        has_model: the project has a model version.
        has_names: label names classify texts.
    """
    return strategy_for(ProjectSettings(), has_model, has_names=has_names)


def order_pool(
    pool: Sequence[PoolText],
    unlabelled: Unlabelled,
    strategy: Strategy,
    settings: ProjectSettings,
    rng: np.random.Generator,
    selection: Selection | None = None,
) -> Order:
    """Order the pool for annotators.

    A share `explore` of the places goes to texts drawn at random. Skipped and empty texts come last.

    Args:
        pool: N texts.
        unlabelled: the arrays that the strategy needs, row by row.
        strategy: the query strategy.
        settings: the project's settings, with `query_size` and `explore`.
        rng: the source of all randomness.
        selection: an LLM's choice, for a strategy that asks an LLM; else None.

    Raises:
        HookFailedError: the strategy is an ordering hook, and it failed.
    """
    picked = {pick.task_id: pick for pick in selection.picks} if selection else {}
    if strategy.asks_llm:
        unlabelled = replace(unlabelled, picks_B=_rows_of(picked, pool))
    if Need.TEXTS in strategy.needs:
        unlabelled = replace(unlabelled, texts=tuple(text.text for text in pool))
    is_wanted_N = np.array([bool(text.text) and not text.is_skipped for text in pool], dtype=bool)
    wanted = np.flatnonzero(is_wanted_N)
    # Skipped texts come before empty texts: a person can still label a skipped text.
    last = sorted(np.flatnonzero(~is_wanted_N).tolist(), key=lambda row: not pool[row].is_skipped)
    ranking = rank(strategy, unlabelled, settings.query_size, rng, wanted)
    ranked = wanted[ranking.indices_N]
    reason_of = dict(zip(ranked.tolist(), _reasons(strategy, ranking), strict=True))
    reason_of.update({row: picked[pool[row].task_id].reason for row in reason_of if pool[row].task_id in picked})
    unwanted = [SKIPPED if pool[row].is_skipped else NO_TEXT for row in last]
    order = Order(
        np.concatenate([ranked, np.array(last, dtype=np.int64)]),
        np.zeros(len(pool), dtype=bool),
        (*reason_of.values(), *unwanted),
    )
    return mix_in_random_texts(order, pool, settings.explore, rng)


def mix_in_random_texts(order: Order, pool: Sequence[PoolText], share: float, rng: np.random.Generator) -> Order:
    """Give a share of the places to texts drawn uniformly at random, by a fixed number of each task.

    These are our only unbiased sample of the pool (`model/judging/fair_sample.py`). Skipped and empty texts stay last.

    Args:
        order: an order without random texts, skipped and empty texts last.
        pool: the texts.
        share: in [0, 1].
        rng: draws the places.
    """
    is_wanted_N = np.array([bool(pool[row].text) and not pool[row].is_skipped for row in order.rows_N], dtype=bool)
    ranked, last = order.rows_N[is_wanted_N], order.rows_N[~is_wanted_N]
    drawn = ranked[np.argsort(draw_numbers(np.array([pool[row].task_id for row in ranked], dtype=np.int64)))]
    rows, is_explore = mix_in_random(ranked, share, rng, drawn)
    rows_N = np.concatenate([rows, last])
    is_explore_N = np.concatenate([is_explore, np.zeros(len(last), dtype=bool)])
    reason_of = dict(zip(order.rows_N.tolist(), order.reasons_N, strict=True))
    reasons = (
        RANDOM_SAMPLE if is_drawn else reason_of[row]
        for row, is_drawn in zip(rows_N.tolist(), is_explore_N.tolist(), strict=True)
    )
    return Order(rows_N, is_explore_N, tuple(reasons))


def take_turns(orders: Sequence[Order]) -> Order:
    """Merge orders of the same pool without random texts: each in turn gives its next text that has no place yet.

    Args:
        orders: at least one; a single order stays as it is.
    """
    if len(orders) == 1:
        return orders[0]
    rows_N, givers_N = merge_orders([order.rows_N for order in orders])
    places_N = np.stack([np.argsort(order.rows_N) for order in orders])[givers_N, rows_N]
    given = zip(givers_N.tolist(), places_N.tolist(), strict=True)
    reasons = tuple(orders[giver].reasons_N[place] for giver, place in given)
    return Order(rows_N, np.zeros(len(rows_N), dtype=bool), reasons)


def _rows_of(task_ids: Iterable[int], pool: Sequence[PoolText]) -> IntArray:
    """Return the pool rows of tasks, in the order of the tasks; tasks outside the pool are left out."""
    row_of = {text.task_id: row for row, text in enumerate(pool)}
    return np.array([row_of[task_id] for task_id in task_ids if task_id in row_of], dtype=np.int64)


def _reasons(strategy: Strategy, ranking: Ranking) -> Iterator[str]:
    """Yield why each text has its place, by place in the ranking."""
    for place, row in enumerate(ranking.indices_N):
        reason = strategy.name
        if strategy.explain is not None and ranking.scores_N is not None:
            reason = strategy.explain(float(ranking.scores_N[row]))
        if strategy.select is None:
            yield reason
        elif place < ranking.batch_size:
            yield f"{reason}, pick {place + 1} of {ranking.batch_size}"
        else:
            yield reason if strategy.score is not None else "after the batch, at random"
