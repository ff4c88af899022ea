"""Work on several batches at once, each on one core: cores that share a batch wait for the slowest at every step."""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import TypeVar

import torch

# Python runs one lane at a time between torch's operations, so more lanes would wait for it: on a machine with more
# cores each lane gets several.
MOST_LANES = 8

T = TypeVar("T")
R = TypeVar("R")


def side_by_side(
    work: Callable[[T], R], items: Sequence[T], on_done: Callable[[T, R], object], most: int = MOST_LANES
) -> None:
    """Work on every item, on as many lanes as there are torch threads in this thread, or fewer where items are fewer.

    With two cores scoring took 0.8 of the time in bf16, and 0.93 in fp32, of two cores that share each batch.

    Args:
        work: computes with torch, on any thread; its result must not depend on the thread.
        items: started in this order.
        on_done: called with an item and its result, on this thread, in the order in which items end. It may change
            this thread's number of torch threads; the number of lanes follows.
        most: upper limit on lanes.

    Raises:
        Exception: raised by `work` or `on_done`, once every started item has ended.
    """
    most = min(torch.get_num_threads(), most, len(items))
    if most <= 1:
        for item in items:
            on_done(item, work(item))
        return
    left = iter(items)
    running: dict[Future[R], T] = {}
    try:
        with ThreadPoolExecutor(max_workers=most, thread_name_prefix="lane") as pool:
            while True:
                threads = torch.get_num_threads()
                lanes = min(threads, most)
                for item in islice(left, max(0, lanes - len(running))):
                    running[pool.submit(_with_threads, threads // lanes, work, item)] = item
                if not running:
                    return
                for ended in wait(running, return_when=FIRST_COMPLETED).done:
                    on_done(running.pop(ended), ended.result())
    finally:
        # Workers changed torch's global thread count; restore it.
        torch.set_num_threads(torch.get_num_threads())


def _with_threads(threads: int, work: Callable[[T], R], item: T) -> R:
    torch.set_num_threads(threads)
    return work(item)
