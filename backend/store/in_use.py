"""Who uses MODEL_DIR: processes hold a shared lock on a file in it, and whoever replaces its content an exclusive one.

The kernel releases the lock of a killed process.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backend.errors import ConfigurationError

_FILE = "in-use.lock"


@contextmanager
def in_use(model_dir: Path) -> Iterator[None]:
    """Say that this process uses MODEL_DIR, while the block runs; any number of processes may.

    Raises:
        ConfigurationError: a process replaces its content at this moment.
    """
    with _locked(model_dir, fcntl.LOCK_SH, "is being replaced by `restore` or `forget`: wait until it has ended"):
        yield


@contextmanager
def alone(model_dir: Path) -> Iterator[None]:
    """Keep every other process from MODEL_DIR, while the block runs.

    Raises:
        ConfigurationError: another process uses it.
    """
    with _locked(model_dir, fcntl.LOCK_EX, "is used by a running `serve` or `worker`: stop it first"):
        yield


@contextmanager
def _locked(model_dir: Path, kind: int, refusal: str) -> Iterator[None]:
    model_dir.mkdir(parents=True, exist_ok=True)
    with (model_dir / _FILE).open("ab") as file:
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigurationError(f"MODEL_DIR={model_dir} {refusal}") from error
        except OSError:
            # The file system knows no locks; then nobody knows who uses the folder.
            pass
        yield
