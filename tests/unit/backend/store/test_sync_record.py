from backend.store.sync_record import MOST_REASONS, NAMED_TASKS, LeftOutTasks, summarise
from model.types import LeftOut


def test_tasks_are_counted_by_reason_the_commonest_reason_first():
    left_out = [LeftOut(3, "a"), LeftOut(2, "b"), LeftOut(9, "b"), LeftOut(2, "b")]
    assert summarise(left_out) == (LeftOutTasks("b", 2, (2, 9)), LeftOutTasks("a", 1, (3,)))


def test_of_many_tasks_the_first_are_named():
    (many,) = summarise(LeftOut(task_id, "a") for task_id in range(500, 0, -1))
    assert (many.tasks, many.first) == (500, tuple(range(1, NAMED_TASKS + 1)))


def test_of_many_reasons_the_rarest_are_one():
    left_out = [LeftOut(task_id, f"reason {min(task_id, 12)}") for task_id in range(1, 20)]
    *_, others = summarised = summarise(left_out)
    assert len(summarised) == MOST_REASONS + 1
    assert (others.reason, others.tasks) == ("of 2 other reasons", 2)


def test_nothing_left_out_is_nothing_to_tell():
    assert summarise([]) == ()


def test_a_sentence_names_the_first_tasks_and_the_reason():
    assert LeftOutTasks("the task has no text", 1, (7,)).sentence == (
        "task 7 has an answer that is not learned from, because the task has no text"
    )
    assert LeftOutTasks("it is odd", 3, (7, 8)).sentence == (
        "3 tasks (7, 8 and others) have an answer that is not learned from, because it is odd"
    )
