"""Everything below MODEL_DIR that may hold texts of one project."""

from collections.abc import Iterator
from pathlib import Path

from backend.store.backup.restoring import BEFORE_RESTORE
from backend.store.backup.snapshot import PROJECTS
from model.files.damage import BROKEN

_REDIS, _WEIGHTS = "redis", "weights"


def remnants(model_dir: Path, project_id: int) -> list[Path]:
    """List the folders and files of a project: its own, those of earlier projects of its number, and half-deleted ones.

    Those that `restore --force` set aside are among them.

    Args:
        model_dir: MODEL_DIR.
        project_id: the project.
    """
    return [path for room in _rooms(model_dir) for path in (room / PROJECTS).glob("*") if _number(path) == project_id]


def shared_remnants(model_dir: Path, *, is_redis_running: bool) -> list[Path]:
    """List caches that several projects share, and files of a Redis that nobody uses; all of them are made anew.

    Args:
        model_dir: MODEL_DIR.
        is_redis_running: the embedded Redis has its files open.
    """
    names = [_WEIGHTS, f"{_REDIS}{BROKEN}", *([] if is_redis_running else [_REDIS])]
    found = [model_dir / name for name in names] + [room / _REDIS for room in _rooms(model_dir) if room != model_dir]
    return [path for path in found if path.exists()]


def _rooms(model_dir: Path) -> Iterator[Path]:
    yield model_dir
    yield from model_dir.glob(f"*{BEFORE_RESTORE}*")


def _number(path: Path) -> int | None:
    number = path.name.lstrip(".").split(".")[0]
    return int(number) if number.isdecimal() else None
