"""Memory of a server and its children, sampled while something else runs; on Linux."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_EVERY_S = 2.0
_KB_IN_MB = 1024


@contextmanager
def sampled_mb(pid: int) -> Iterator[list[float]]:
    """Sample the memory of a process and all of its children.

    Args:
        pid: the process.

    Yields:
        The growing list of proportional set sizes in MB: pages that several processes share count once.
    """
    samples: list[float] = []
    over = threading.Event()

    def sample() -> None:
        while True:
            samples.append(sum(map(_pss_kb, _family(pid))) / _KB_IN_MB)
            if over.wait(_EVERY_S):
                return

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield samples
    finally:
        over.set()
        thread.join()


def _family(pid: int) -> Iterator[int]:
    yield pid
    try:
        children = [path.read_text("ascii").split() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:
        # It has ended.
        return
    for child in (int(name) for names in children for name in names):
        yield from _family(child)


def _pss_kb(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
