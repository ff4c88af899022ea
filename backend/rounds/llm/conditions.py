"""Which questions are asked about a text, by the answers to other questions of people, an LLM or a classifier."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from backend.rounds.standing import Standing
from model.links.label_rows import majority
from model.tasks.shares import given_values
from model.tasks.task import Task
from model.types import IntArray, ResultItem

Predict = Callable[[int, IntArray], Sequence[str]]
"""A classifier's result items as JSON, by the question's place and the rows of the pool."""


def by_dependency(tasks: Sequence[Task]) -> list[int]:
    """Places of questions, each after the questions that it depends on; in their own order if they make a ring.

    Args:
        tasks: the project's questions.
    """
    place_of = {task.control: place for place, task in enumerate(tasks)}
    depends_on = {
        place: [place_of[condition.control] for condition in task.conditions if condition.control in place_of]
        for place, task in enumerate(tasks)
    }
    try:
        return list(TopologicalSorter(depends_on).static_order())
    except CycleError:
        return list(range(len(tasks)))


class KnownAnswers:
    """The answers to some texts of the pool, question by question.

    A text's answer to a question is people's, else an LLM's, else the classifier's, as people see it preselected. An
    answer to a question that is not asked does not count.
    """

    def __init__(self, standings: Sequence[Standing], rows_M: IntArray, predict: Predict) -> None:
        """Note the texts; nothing is predicted yet.

        Args:
            standings: the project's questions.
            rows_M: rows of the pool.
            predict: the classifiers' answers.
        """
        self._standings = standings
        self._rows_M = rows_M
        self._predict = predict
        self._is_needed = any(standing.synced.task.conditions for standing in standings)
        self._items: dict[int, dict[int, str]] = {}

    def asked(self, place: int, rows: Collection[int]) -> list[int]:
        """Return the rows for which a question is asked, by the answers to other questions that were added so far.

        Args:
            place: the question's.
            rows: rows of the pool, some of those noted.
        """
        task = self._standings[place].synced.task
        return [row for row in rows if not task.conditions or task.is_asked(self._answers(row))]

    def add(self, place: int, labels: Mapping[int, tuple[str, ...]]) -> None:
        """Note the answers to a question.

        Args:
            place: the question's.
            labels: an LLM's labels, by row of the pool.
        """
        if not self._is_needed:
            return
        synced, rows = self._standings[place].synced, self._rows_M.tolist()
        classified = dict(zip(rows, self._predict(place, self._rows_M), strict=True))
        by_llm = {row: synced.task.label_result(given) for row, given in labels.items()}
        people = dict(zip(synced.targets.task_ids, synced.targets.targets_N_C, strict=True))
        by_people = {
            row: synced.task.label_result(most)
            for row in rows
            if (shares_C := people.get(synced.pool[row].task_id)) is not None
            and (most := majority(shares_C, synced.targets.label_set)) is not None
        }
        known = {**classified, **by_llm, **by_people}
        self._items[place] = {row: known[row] for row in self.asked(place, rows)}

    def _answers(self, row: int) -> dict[str, set[str]]:
        items = [item for known in self._items.values() if row in known for item in json.loads(known[row])]
        return given_values(ResultItem(item["from_name"], item["type"], item["value"]) for item in items)
