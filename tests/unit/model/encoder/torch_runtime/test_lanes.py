import threading
import time

import pytest
import torch

from model.encoder.torch_runtime.lanes import side_by_side


@pytest.fixture(autouse=True)
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_every_item_is_done_once_and_told_to_the_thread_that_asked():
    told = {}
    threads = set()

    def on_done(item, result):
        told[item] = result
        threads.add(threading.current_thread())

    side_by_side(lambda item: item * item, list(range(50)), on_done)
    assert told == {item: item * item for item in range(50)}
    assert threads == {threading.current_thread()}


def test_so_many_lanes_run_as_this_thread_has_torch_threads_and_each_takes_one():
    together = threading.Barrier(3, timeout=30)
    had = []

    def work(_):
        together.wait()
        return torch.get_num_threads()

    side_by_side(work, list(range(9)), lambda _, threads: had.append(threads))
    assert had == [1] * 9


def test_fewer_items_than_threads_share_all_threads():
    had = []
    side_by_side(lambda _: torch.get_num_threads(), [1], lambda _, threads: had.append(threads))
    assert had == [3]


def test_lanes_follow_when_threads_are_taken_away_meanwhile():
    running, most_running, lock = set(), [], threading.Lock()

    def work(item):
        with lock:
            running.add(item)
            most_running.append(len(running))
        time.sleep(0.02)
        with lock:
            running.discard(item)

    side_by_side(work, list(range(12)), lambda *_: torch.set_num_threads(1))
    # Those that were begun by three lanes end; from then on one at a time.
    assert max(most_running[3:]) <= 3
    assert most_running[-6:] == [1] * 6
    assert torch.get_num_threads() == 1


def test_whoever_comes_later_has_the_threads_that_were_there_before():
    side_by_side(lambda item: item, list(range(6)), lambda *_: None)
    later = []
    thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert torch.get_num_threads() == 3
    assert later == [3]


@pytest.mark.parametrize("breaks", ["work", "on_done"])
def test_an_error_ends_it_and_nothing_more_is_begun(breaks):
    begun = []

    def work(item):
        begun.append(item)
        if breaks == "work" and item == 4:
            raise ValueError("item 4 is broken")

    def on_done(item, _):
        if breaks == "on_done" and item == 4:
            raise ValueError("item 4 is broken")

    with pytest.raises(ValueError, match="item 4"):
        side_by_side(work, list(range(1000)), on_done)
    count = len(begun)
    assert count < 20
    time.sleep(0.05)
    assert len(begun) == count
