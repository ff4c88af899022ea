"""The description of the machine in a table of measurements."""

import platform
from importlib.metadata import version
from pathlib import Path

from model.encoder.processor import available_cores

# Flags that decide how fast a processor multiplies matrices, the fastest first.
FLAGS = ("amx_bf16", "avx512_bf16", "avx512f", "avx2")


def described(*packages: str) -> str:
    """The machine, and the versions of Python and of some packages."""
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    machine = f"{_processor()} ({platform.machine()}; {_flags()}), {available_cores()} cores"
    return f"{machine}, Python {platform.python_version()}, {versions}"


def _processor() -> str:
    """The processor's name from /proc/cpuinfo, or Python's name for it."""
    return _cpuinfo("model name") or platform.processor() or "a processor"


def _flags() -> str:
    """Those of FLAGS that the processor has."""
    has = _cpuinfo("flags").split()
    return " ".join(flag for flag in FLAGS if flag in has) or "no flags known"


def _cpuinfo(key: str) -> str:
    """A value of /proc/cpuinfo; empty where there is none."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")
