"""An order with an LLM's answers: what people see of them, the texts to ask about, and a failure to answer."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from backend.rounds.llm.choosing import retry_at
from backend.rounds.order import Order
from backend.rounds.standing import Standing
from backend.store.selections import Selection
from model.errors import LLMError
from model.tasks.shares import quoted
from model.types import IntArray, PoolText

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LabelledOrder:
    """An order with an LLM's answers.

    Attributes:
        order: the order.
        shown: for each question, by task id, the labels that people see as pre-annotations.
        blind: ids of tasks that people answer without seeing the LLM's answers, to check the LLM.
    """

    order: Order
    shown: tuple[Mapping[int, tuple[str, ...]], ...]
    blind: frozenset[int] = frozenset()


def is_to_wait(standings: Sequence[Standing]) -> bool:
    """Whether the LLM failed a short time ago. Another wait for its answer would delay the order.

    Args:
        standings: the project's questions.
    """
    failure = standings[0].llm.project_folder.llm_failure.read()
    has_just_failed = any(standing.selection and standing.selection.failure for standing in standings)
    return has_just_failed or time.time() < (retry_at(failure) or 0.0)


def places_to_ask(pool: Sequence[PoolText], ordered: Order, count: int) -> IntArray:
    """Return the first places with texts that are neither empty, nor skipped, nor drawn at random.

    Args:
        pool: the project's texts.
        ordered: their order.
        count: how many places.
    """
    texts = [pool[row] for row in ordered.rows_N.tolist()]
    open_places = [place for place in np.flatnonzero(~ordered.is_explore_N).tolist() if _is_open(texts[place])]
    return np.array(open_places[:count], dtype=np.int64)


def _is_open(text: PoolText) -> bool:
    return bool(text.text) and not text.is_skipped


def record_failure(standings: Sequence[Standing], control: str, failure: LLMError | None) -> None:
    """Record an LLM's failure to answer, for the status; None deletes the record.

    Args:
        standings: the project's questions.
        control: of the question that the LLM was asked for; it is named where there are several.
        failure: why the LLM gave no answer.
    """
    context = standings[0].llm
    folder, before = context.project_folder, context.project_folder.llm_failure.read()
    if failure is None:
        folder.llm_failure.remove()
        return
    log.warning("event=llm_failed project=%d code=%s reason=%s", folder.project_id, failure.code, failure)
    failures = (before.failures if before else 0) + 1
    use = context.synced.settings.llm_labels.value
    said = f"question {quoted(control)}: {failure}" if len(standings) > 1 else str(failure)
    folder.llm_failure.write(Selection(use, context.settings.llm_name, time.time(), (), said, failure.code, failures))
