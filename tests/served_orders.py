"""A published order read whole, as tests look at it."""

import json
from dataclasses import dataclass
from typing import Any

from backend.rounds.order import RANDOM_SAMPLE
from backend.store.order.head import Publication
from backend.store.project_folder import ProjectFolder


@dataclass(frozen=True)
class ServedOrder:
    """The order in use, column by column; first = next."""

    head: Publication
    task_ids: list[int]
    reasons: list[str]
    results: list[list[dict[str, Any]]]

    @property
    def name(self) -> str:
        return self.head.name

    @property
    def model(self) -> int:
        return self.head.model

    @property
    def number(self) -> int:
        return self.head.number

    @property
    def labelled_tasks(self) -> int:
        return self.head.labelled_tasks

    @property
    def strategy(self) -> str:
        return self.head.strategy

    def is_random(self, place: int) -> bool:
        """Chance put a task there."""
        return self.reasons[place] == RANDOM_SAMPLE


def served_order(folder: ProjectFolder) -> ServedOrder | None:
    """Read the order in use; None before the first."""
    with folder.publications.open() as order:
        if order is None:
            return None
        places = order.places()
    return ServedOrder(
        order.head,
        [place.task_id for place in places],
        [place.reason for place in places],
        [json.loads(place.result) for place in places],
    )
