"""Put a backup in the place of MODEL_DIR's projects: whole or not at all."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from backend.errors import BackupError
from backend.store.backup.archive import Manifest, OnFile, open_backup
from backend.store.backup.snapshot import PROJECTS, project_folders
from backend.store.project_folder import ProjectFolder
from model.files.names import exchange, move
from model.files.writing import new_folder

# How the folder begins that holds the state before a restore.
BEFORE_RESTORE = "before-restore-"
# The folder of an embedded Redis, whose requests are about the former projects.
_REDIS = "redis"


def restore_backup(file: Path, model_dir: Path, *, is_forced: bool, on_file: OnFile) -> tuple[Manifest, Path | None]:
    """Verify an archive, and put it in the place of MODEL_DIR's projects in one step. Nobody else may use MODEL_DIR.

    Everything is unpacked and compared with its checksums beside its place first. A process that is killed leaves the
    state before or the state of the archive. Embeddings that the archive lacks are computed anew.

    Args:
        file: the archive.
        model_dir: MODEL_DIR.
        is_forced: set the present projects aside; without it there may be none.
        on_file: called with the name and the length of each file before it is written.

    Returns:
        What the archive holds; and the folder with the state before, if there was any.

    Raises:
        BackupError: the archive cannot be put in place, or MODEL_DIR holds projects; nothing was changed.
        OSError: the disk refuses; nothing was changed.
    """
    has_projects = any((model_dir / PROJECTS).glob("*")) if (model_dir / PROJECTS).exists() else False
    if has_projects and not is_forced:
        raise BackupError(
            f"MODEL_DIR={model_dir} is not empty: choose another MODEL_DIR, or --force sets its projects aside"
        )
    with open_backup(file) as backup:
        beside = _free_name(model_dir)
        with new_folder(beside) as unpacked:
            backup.unpack(unpacked, on_file)
            for folder in _projects_in(unpacked):
                _prove_anew(folder)
    if (model_dir / _REDIS).exists():
        move(model_dir / _REDIS, beside / _REDIS)
    _swap(beside / PROJECTS, model_dir / PROJECTS)
    if any(beside.iterdir()):
        return backup.manifest, beside
    beside.rmdir()
    return backup.manifest, None


def _swap(new: Path, place: Path) -> None:
    """Exchange a new folder for the one in its place, which gets the new folder's old name."""
    if place.exists():
        exchange(new, place)
    else:
        move(new, place)


def _free_name(model_dir: Path) -> Path:
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    names = (f"{BEFORE_RESTORE}{stamp}{suffix}" for suffix in ("", *(f"-{number}" for number in range(1, 1000))))
    return next(model_dir / name for name in names if not (model_dir / name).exists())


def _projects_in(model_dir: Path) -> Iterator[ProjectFolder]:
    for path in project_folders(model_dir):
        if path.name.isdecimal():
            yield ProjectFolder(model_dir, int(path.name))


def _prove_anew(folder: ProjectFolder) -> None:
    """Let the next round find out whether Label Studio still means this backend: it may be another Label Studio.

    Its ids and addresses may be the same all the same, so what a proof once showed no longer counts.
    """
    if folder.is_connected():
        folder.connection.write(replace(folder.connection.read(), backend_id=0))
    if folder.webhook_secret.exists():
        folder.webhook_secret.write(replace(folder.webhook_secret.read(), written_at=0.0))
