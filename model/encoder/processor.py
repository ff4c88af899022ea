"""The parts of the machine that this process may use: cores, a GPU, and bf16 where the device multiplies it."""

from functools import lru_cache
from pathlib import Path

import joblib
import torch

# Words in the errors of torch's allocators, on processors and on GPUs.
_OUT_OF_MEMORY = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory")


def available_cores() -> int:
    """Count the cores of this process by its affinity and its container's quota; the machine may have more."""
    return max(1, int(joblib.cpu_count()))


def use_available_cores() -> None:
    """Give torch as many threads as this process has cores.

    Two processes that each take all cores of a machine run 5 to 10 times slower.
    """
    torch.set_num_threads(available_cores())


def never_more_than_available_cores() -> None:
    """Lower torch's number of threads to the number of cores; a lower number of threads stays."""
    torch.set_num_threads(min(torch.get_num_threads(), available_cores()))


def best_device() -> torch.device:
    """The GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def mixed_precision(device: torch.device) -> torch.autocast:
    """Autocast to bf16 where the device multiplies bf16 itself: two thirds of the time a step, at equal accuracy."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=is_bf16_native(device))


def is_bf16_native(device: torch.device) -> bool:
    """Whether the device multiplies bf16 itself; emulated bf16 is slower than fp32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return "avx512_bf16" in _cpu_flags() or "amx_bf16" in _cpu_flags()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether there was too little memory, for Python or for torch, which has no error of its own on a processor."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    said = str(error).lower()
    return isinstance(error, RuntimeError) and any(words in said for words in _OUT_OF_MEMORY)


@lru_cache(maxsize=1)
def _cpu_flags() -> frozenset[str]:
    """The CPU flags that Linux lists; empty on other systems."""
    cpuinfo = Path("/proc/cpuinfo")
    flags = (
        next((line for line in cpuinfo.read_text().splitlines() if line.startswith("flags")), "")
        if cpuinfo.exists()
        else ""
    )
    return frozenset(flags.split())
