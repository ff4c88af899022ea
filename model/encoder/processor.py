"""What this process may use of the machine: cores, a GPU, and bf16 where it is native."""

from functools import lru_cache
from pathlib import Path

import joblib
import torch


def available_cores() -> int:
    """Cores this process was given: its affinity and its container's quota count, not what the machine has."""
    return max(1, int(joblib.cpu_count()))


def use_available_cores() -> None:
    """Give torch the cores this process may use: two processes that each take all of them run 5 to 10 times slower."""
    torch.set_num_threads(available_cores())


def never_more_than_available_cores() -> None:
    """Take threads from torch if it has more than cores; a process that was given fewer keeps its number."""
    torch.set_num_threads(min(torch.get_num_threads(), available_cores()))


def best_device() -> torch.device:
    """The GPU when there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def mixed_precision(device: torch.device) -> torch.autocast:
    """bf16 where the processor multiplies it natively: two thirds of the time a step, at the same accuracy."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=is_bf16_native(device))


def is_bf16_native(device: torch.device) -> bool:
    """Whether the device multiplies bf16 itself; emulated, it is slower than fp32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return "avx512_bf16" in _cpu_flags() or "amx_bf16" in _cpu_flags()


@lru_cache(maxsize=1)
def _cpu_flags() -> frozenset[str]:
    """What the processor can do, as Linux says; empty elsewhere."""
    cpuinfo = Path("/proc/cpuinfo")
    flags = (
        next((line for line in cpuinfo.read_text().splitlines() if line.startswith("flags")), "")
        if cpuinfo.exists()
        else ""
    )
    return frozenset(flags.split())
