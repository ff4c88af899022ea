import json
from urllib.parse import parse_qs, urlsplit

import pytest

from backend.errors import LabelStudioFailedError, LabelStudioUnreachableError
from backend.studio.answers import TaskPage
from backend.studio.task_list import TaskList

NOTHING_IS_WRONG = frozenset()


class FakeSender:
    """A list of tasks with the ids 1 to `tasks`; whatever asks for the data of a bad task fails."""

    def __init__(
        self, tasks: int, bad=NOTHING_IS_WRONG, *, is_away=False, is_broken=False, overloaded_for: int = 0
    ) -> None:
        self.tasks, self.bad, self.is_away, self.is_broken = tasks, bad, is_away, is_broken
        self.overloaded_for = overloaded_for
        self.requests = 0

    def read(self, path, what, form, retries=None):
        self.requests += 1
        asked = parse_qs(urlsplit(path).query)
        ids = list(range(1, self.tasks + 1))
        for one in json.loads(asked["query"][0])["filters"]["items"]:
            value = one["value"]
            ids = [id_ for id_ in ids if (id_ in value if one["operator"] == "in_list" else id_ > value)]
        page = ids[: int(asked["page_size"][0])]
        shows_data = "data" in asked["include"][0].split(",")
        if self.is_away or (self.overloaded_for and self.requests <= self.overloaded_for):
            raise LabelStudioUnreachableError("Label Studio answered 503")
        if self.is_broken or (shows_data and set(page) & set(self.bad)):
            raise LabelStudioFailedError("Label Studio answered 500")
        tasks = [{"id": id_, **({"data": {"text": f"text {id_}"}} if shows_data else {})} for id_ in page]
        return TaskPage(tasks=tasks, total=len(ids))


def read_all(sender: FakeSender):
    return [task for page in TaskList(sender).pages(7, 0, None) for task in page]


@pytest.mark.parametrize("bad", [[1], [1000], [1001], [2300], [17, 18, 1999], [5] * 2, list(range(400, 410))])
def test_tasks_that_label_studio_fails_to_show_hide_no_other_task(bad):
    sender = FakeSender(2300, bad)
    found = read_all(sender)
    assert [task.task_id for task in found] == list(range(1, 2301))
    assert [task.task_id for task in found if not task.is_readable] == sorted(set(bad))
    assert all(task.data == ({"text": f"text {task.task_id}"} if task.is_readable else {}) for task in found)


def test_one_such_task_costs_some_twenty_requests_more():
    well, one = FakeSender(2300), FakeSender(2300, [1234])
    assert len(read_all(well)) == len(read_all(one))
    assert well.requests == 3
    assert one.requests <= well.requests + 25


def test_annotations_of_such_a_task_are_none_and_of_others_are_read():
    (page,) = TaskList(FakeSender(9, [4])).by_id(7, [3, 4, 5, 99], ["sentiment"])
    assert [(task.task_id, task.is_readable, task.annotations) for task in page] == [
        (3, True, None),
        (4, False, ()),
        (5, True, None),
    ]


@pytest.mark.parametrize("fault", [{"is_away": True}, {"is_broken": True}], ids=["away", "broken"])
def test_a_label_studio_that_is_away_or_broken_is_not_mistaken_for_tasks_that_it_fails_to_show(fault):
    sender = FakeSender(2300, **fault)
    with pytest.raises(LabelStudioUnreachableError):
        read_all(sender)
    assert sender.requests == 2


def test_an_overloaded_label_studio_is_asked_again_and_no_task_is_called_unreadable():
    sender = FakeSender(300, overloaded_for=1)
    assert all(task.is_readable for task in read_all(sender))
    assert sender.requests == 2
