"""How torch's idle threads wait for work. The module does not import torch, which reads the setting when loaded."""

import os

# OpenMP's own name for the setting; GNU's and LLVM's runtimes both read it.
WAIT_POLICY = "OMP_WAIT_POLICY"


def let_idle_threads_sleep() -> None:
    """Have this process's OpenMP threads sleep while they wait for each other, unless the environment says otherwise.

    By default they spin for milliseconds at every barrier. On a busy machine the thread that all wait for may have no
    core then, and the spinning threads take it away from each other: `benchmarks/learning/busy.md` has the figures.
    Call it before anything imports torch or sklearn; later calls reach only processes that are started after them.
    """
    os.environ.setdefault(WAIT_POLICY, "PASSIVE")
