"""MODEL_DIR: whether this process may use it, said in a sentence."""

import os
import pwd
from collections.abc import Iterator
from pathlib import Path

from backend.errors import ConfigurationError


def check_model_dir(model_dir: Path, *, may_write: bool) -> None:
    """See that this process may use MODEL_DIR and the folders of its projects.

    Args:
        model_dir: the folder, which may not exist yet.
        may_write: the command writes there, too.

    Raises:
        ConfigurationError: it may not; the message names the folder, the user and the mend.
    """
    is_there = os.path.exists(model_dir)
    needs = os.X_OK | (os.R_OK if is_there else 0) | (os.W_OK if may_write else 0)
    for folder in _folders(model_dir) if is_there else [_nearest(model_dir)]:
        if not folder.is_dir():
            raise ConfigurationError(f"MODEL_DIR={model_dir} cannot be used: {folder} is a file; choose another folder")
        if not os.access(folder, needs, effective_ids=_EFFECTIVE):
            raise ConfigurationError(_another_users(folder, model_dir))


def projects_in(model_dir: Path) -> list[int]:
    """Return the ids of all projects of which MODEL_DIR has a folder, in order."""
    return sorted(int(path.name) for path in (model_dir / "projects").glob("*") if path.name.isdecimal())


_EFFECTIVE = os.access in os.supports_effective_ids


def _folders(model_dir: Path) -> Iterator[Path]:
    """Yield MODEL_DIR and the folders below it, each before what it holds."""
    yield model_dir
    for folder in (model_dir / "redis", model_dir / "projects"):
        if folder.exists():
            yield folder
    yield from (folder for folder in (model_dir / "projects").glob("*") if folder.name.isdecimal())


def _nearest(model_dir: Path) -> Path:
    """The nearest folder above that this process can see."""
    return next(parent for parent in model_dir.absolute().parents if os.path.exists(parent))


def denied(error: OSError, model_dir: Path | None) -> str:
    """Say which file could not be used, and why.

    Args:
        error: the operating system's error.
        model_dir: MODEL_DIR; None before the settings are read.
    """
    path = Path(os.fsdecode(error.filename)) if isinstance(error.filename, (str, bytes)) else None
    if isinstance(error, PermissionError) and path and model_dir and model_dir.absolute() in path.absolute().parents:
        return _another_users(path, model_dir)
    return f"{path or 'the system'}: {error.strerror or type(error).__name__}"


def _another_users(path: Path, model_dir: Path) -> str:
    return (
        f"user {_user()} may not use {path}: give MODEL_DIR={model_dir} to this user (chown -R), "
        "run the command as its owner, or set MODEL_DIR to another folder"
    )


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        # A container's user may have a number and no name.
        return str(os.geteuid())
