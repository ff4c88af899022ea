"""Writes more of the order in use while a round works for long, so that no crowd of people runs out of texts.

Label Studio hands out the tasks of the order that were written, each to one person. When all of these are open in
somebody's browser, it tells everybody else that no task is left, though thousands wait.
"""

import logging
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from threading import Event, Thread

import numpy as np

from backend.rounds.connection import is_listed
from backend.rounds.context import RoundContext
from backend.rounds.plan import long_queue
from backend.rounds.publish import extend
from backend.rounds.sync import Synced
from model.errors import ShortlistError
from model.progress import ignore_progress

# Fifty people label twenty texts meanwhile.
LOOK_EVERY_S = 5.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Supply:
    """What annotators have of the order in use.

    Attributes:
        context: the round.
        synced: the project as the round read it.
    """

    context: RoundContext
    synced: Synced

    def look(self, *, fill: bool = False) -> None:
        """Write more tasks of the order, if few that nobody labelled are left of those that were written.

        Args:
            fill: write more if any are missing; otherwise if half are.

        Raises:
            ShortlistError: Label Studio or Redis refused, or the order is damaged.
        """
        context, wanted = self.context, long_queue(self.synced.settings, self.synced.people)
        with context.folder.publications.open() as order:
            if order is None or order.head.queued >= order.head.size:
                return
            queued, written_N = order.head.queued, order.texts()[0][: order.head.queued]
        labelled = context.client.project(context.project_id).labelled_tasks - self.synced.project.labelled_tasks
        waiting_N = np.array([text.task_id for text in self.synced.pool], dtype=np.int64)
        # Some of those that were labelled may be of no order: then more are written than needed.
        left = int(np.isin(written_N, waiting_N).sum()) - labelled
        if left >= (wanted if fill else wanted // 2) or not is_listed(context):
            return
        context.turn.check()
        extend(context.client, context.folder, queued + wanted - left, ignore_progress)


@contextmanager
def supplying(context: RoundContext, questions: Sequence[Synced], *, is_long: bool) -> Iterator[None]:
    """Keep annotators supplied from the order in use, in a thread, until the block ends. No order may change in it.

    Args:
        context: the round.
        questions: the project's.
        is_long: minutes of work are sure to come, such as a training: supply people before it begins.
    """
    supply, over = Supply(context, questions[0]), Event()
    if is_long:
        _try(supply, partial(supply.look, fill=True))
    thread = Thread(target=_keep, args=(supply, over), daemon=True, name=f"supply-{context.project_id}")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _keep(supply: Supply, over: Event) -> None:
    while not over.wait(LOOK_EVERY_S):
        _try(supply, supply.look)


def _try(supply: Supply, look: Callable[[], None]) -> None:
    """Look; a failure stops no training: the next look may succeed, and the next order mends a damaged one."""
    try:
        look()
    except (ShortlistError, OSError, sqlite3.Error) as error:
        log.warning("event=not_supplied project=%d reason=%s", supply.context.project_id, error)
