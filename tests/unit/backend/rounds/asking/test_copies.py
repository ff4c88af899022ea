import numpy as np

from backend.rounds.asking.copies import find_copies, put_copies_last
from backend.rounds.order import Order
from backend.rounds.sync import Synced
from backend.settings import ProjectSettings
from model.types import PoolText, Targets
from tests.fakes import SENTIMENT, a_project, labeling_config, the_task


def synced(waiting: dict[int, str], labelled: dict[int, str]) -> Synced:
    shares = np.eye(2, dtype=np.float32)[[1] * len(labelled)].reshape(-1, 2)
    targets = Targets(tuple(labelled), tuple(labelled.values()), shares, SENTIMENT)
    pool = tuple(PoolText(task_id, text) for task_id, text in waiting.items())
    return Synced(a_project(), the_task(labeling_config()), ProjectSettings(), targets, pool, "")


def test_a_copy_is_asked_after_all_others_and_says_what_it_is_the_same_as():
    project = synced({1: "A film.", 2: "a film", 3: "a plot", 4: "A  FILM"}, {})
    copies = find_copies([project])
    assert copies.twin_of == {2: 1, 4: 1}
    order = Order(np.array([3, 1, 2, 0]), np.array([True, False, False, False]), ("random sample", "b", "c", "d"))
    last = put_copies_last(order, project.pool, copies)
    assert [project.pool[row].task_id for row in last.rows_N] == [3, 1, 4, 2]
    assert last.reasons_N == ("c", "d", "same as task 1", "same as task 1")
    assert not last.is_explore_N.any()


def test_a_copy_of_a_labelled_text_is_asked_last_too():
    copies = find_copies([synced({5: "a film", 6: "a plot"}, {9: "A FILM"})])
    assert copies.twin_of == {5: 9}
    assert copies.labelled_twins == {5: (9,)}


def test_a_copy_knows_every_labelled_task_that_it_is_the_same_as():
    copies = find_copies([synced({5: "a film", 6: "a plot", 7: "A plot"}, {9: "A FILM", 8: "a film."})])
    assert copies.twin_of == {5: 8, 7: 6}
    assert copies.labelled_twins == {5: (8, 9)}


def test_skipped_and_empty_texts_are_no_copies():
    project = synced({1: "a film", 2: "", 3: ""}, {})
    skipped = Synced(**{**vars(project), "pool": (*project.pool, PoolText(4, "a film", is_skipped=True))})
    assert find_copies([skipped]).twin_of == {}


def test_without_copies_an_order_stays_the_same_object():
    project = synced({1: "a film", 2: "a plot"}, {})
    order = Order(np.array([1, 0]), np.zeros(2, dtype=bool), ("a", "b"))
    assert put_copies_last(order, project.pool, find_copies([project])) is order
