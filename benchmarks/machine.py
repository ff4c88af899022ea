"""The description of the machine in a table of measurements."""

import platform
from importlib.metadata import version
from pathlib import Path

from model.encoder.processor import available_cores


def described(*packages: str) -> str:
    """The machine, and the versions of Python and of some packages."""
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    machine = f"{_processor()} ({platform.machine()}), {available_cores()} cores"
    return f"{machine}, Python {platform.python_version()}, {versions}"


def _processor() -> str:
    """The processor's name from /proc/cpuinfo, or Python's name for it."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or "a processor")
