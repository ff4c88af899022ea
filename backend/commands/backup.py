"""`backup` and `restore`: MODEL_DIR in one archive, and back."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from backend.commands.model_dir import check_model_dir
from backend.commands.terminal import JsonOption, answer, errors, settings_of_command
from backend.errors import BackupError, ConfigurationError, RedisUnavailableError
from backend.settings import Settings
from backend.store.backup.archive import Manifest, OnFile, write_backup
from backend.store.backup.restoring import restore_backup
from backend.store.in_use import alone
from backend.work.queue import RoundQueue
from backend.work.redis_access import embedded_url, open_redis


def backup(
    out: Annotated[
        Path | None, typer.Option("--out", help="The archive; default: shortlist-<time>.zip in this folder.")
    ] = None,
    *,
    with_caches: Annotated[
        bool, typer.Option("--all", help="Include embeddings, which a round would compute again.")
    ] = False,
    json_out: JsonOption = False,
) -> None:
    """Write everything under MODEL_DIR into one archive, also while rounds run.

    Example: python -m backend backup --out shortlist.zip
    """
    with settings_of_command() as settings:
        check_model_dir(settings.model_dir, may_write=False)
        file = (out or Path(f"shortlist-{time.strftime('%Y%m%d-%H%M%S')}.zip")).absolute()
        _check_place(file, settings.model_dir)
        with _progress("Packing") as on_file:
            manifest, left_out = write_backup(settings.model_dir, file, has_caches=with_caches, on_file=on_file)
        size_bytes = file.stat().st_size
        answer(
            {"file": str(file), "bytes": size_bytes, **_content(manifest), "left_out": list(left_out)},
            f"Wrote {file}: {_megabytes(size_bytes)}",
            *_content_in_words(manifest),
            *(f"Left out, because it cannot be read; a round makes it anew: {name}" for name in left_out),
            "It holds texts, labels and the secrets of webhooks: keep it where only you can read it.",
            as_json=json_out,
        )


def restore(
    file: Annotated[Path, typer.Argument(help="An archive that `backup` wrote.")],
    *,
    force: Annotated[bool, typer.Option("--force", help="Set aside the projects that are in MODEL_DIR now.")] = False,
    json_out: JsonOption = False,
) -> None:
    """Put a backup in place; serve and workers must not run. A killed restore leaves the old state or the new one.

    Example: python -m backend restore shortlist.zip
    """
    with settings_of_command() as settings:
        check_model_dir(settings.model_dir, may_write=True)
        with alone(settings.model_dir):
            _check_nobody_works(settings)
            with _progress("Unpacking") as on_file:
                manifest, before = restore_backup(file, settings.model_dir, is_forced=force, on_file=on_file)
        answer(
            {"file": str(file), "model_dir": str(settings.model_dir), **_content(manifest), "before": _named(before)},
            f"Restored {file} to {settings.model_dir}, as of {manifest.at} (release {manifest.shortlist})",
            *_content_in_words(manifest),
            *([f"The state before is in {before}: delete that folder when all is well."] if before else []),
            "Start the backend: its first rounds ask Label Studio which projects are still connected.",
            as_json=json_out,
        )


def _check_place(file: Path, model_dir: Path) -> None:
    if file.is_dir():
        raise BackupError(f"{file} is a folder: give the name of a file with --out")
    if model_dir.resolve() in file.resolve().parents:
        raise BackupError(f"{file} is inside MODEL_DIR, and would be lost with it: choose another place with --out")
    if not file.parent.is_dir():
        raise BackupError(f"{file.parent} is no folder: make it first, or choose another place with --out")


def _check_nobody_works(settings: Settings) -> None:
    """Refuse where a Redis shows that a backend runs: one of another machine, or of a release without the lock.

    Raises:
        ConfigurationError: it does.
    """
    if not settings.redis_url and not embedded_url(settings.model_dir):
        return
    try:
        queue = RoundQueue(open_redis(settings))
        queue.ping()
        workers = queue.workers.others()
    except RedisUnavailableError:
        # Without Redis no round runs.
        return
    if not settings.redis_url:
        raise ConfigurationError(f"a backend runs on MODEL_DIR={settings.model_dir}: stop it first")
    if workers:
        raise ConfigurationError(f"{len(workers)} workers run on REDIS_URL: stop them and the web server first")


@contextmanager
def _progress(verb: str) -> Iterator[OnFile]:
    """Show on a terminal how much is done; nothing stays of it."""
    columns = TextColumn(verb), BarColumn(), DownloadColumn(), TextColumn("{task.description}")
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as shown:
        task = shown.add_task("", total=None)
        done = 0

        def on_file(name: str, size_bytes: int) -> None:
            nonlocal done
            shown.update(task, completed=done, description="/".join(name.split("/")[1:3]))
            done += size_bytes

        yield on_file


def _content(manifest: Manifest) -> dict[str, Any]:
    """Return the content of an archive as JSON values."""
    projects = [
        {"project": int(project), "versions": _versions(manifest, project), "bytes": size_bytes}
        for project, size_bytes in manifest.projects.items()
    ]
    about = {"at": manifest.at, "shortlist": manifest.shortlist, "has_embeddings": manifest.has_caches}
    return {**about, "files": len(manifest.files), "projects": projects}


def _content_in_words(manifest: Manifest) -> Iterator[str]:
    caches = "with embeddings" if manifest.has_caches else "without embeddings, which a round computes anew"
    yield f"{len(manifest.files)} files of {len(manifest.projects)} projects, {caches}:"
    for project, size_bytes in manifest.projects.items():
        models = _versions(manifest, project)
        yield f"  project {project}: {models} model version{'' if models == 1 else 's'}, {_megabytes(size_bytes)}"


def _versions(manifest: Manifest, project: str) -> int:
    """Number of model versions of a project in an archive."""
    versions = {name.split("/")[3] for name in manifest.files if name.startswith(f"projects/{project}/versions/")}
    return len([version for version in versions if version.isdigit()])


def _named(folder: Path | None) -> str | None:
    return None if folder is None else str(folder)


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.1f} MB"
