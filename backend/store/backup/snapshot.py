"""The files of MODEL_DIR that belong in a backup, as they are at one moment, while rounds run."""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from backend.errors import BackupError
from model.files.damage import BROKEN
from model.files.names import UNFINISHED

PROJECTS = "projects"
_TASKS = "tasks.sqlite"
# What names other files. While these stay the same files, so does all that they name.
_NAMING = ("versions/current", "questions/*/versions/current", "published.json", "embeddings/*.npz")
# A round writes the first of these last. Read in this order they are what a killed round leaves, at worst.
_READ_FIRST = ("rounds.jsonl", "synced.json", *_NAMING, "publications.json", "order-*.sqlite")
_NAMED = ("versions/[0-9]*/**/*", "questions/*/versions/[0-9]*/**/*", "embeddings/*.f16")
_SQLITE_TIMEOUT_S = 60.0
_TRIES = 100


@dataclass(frozen=True)
class Piece:
    """A file of a snapshot.

    Attributes:
        name: its path in MODEL_DIR.
        opened: its content, which no later write changes.
    """

    name: str
    opened: BinaryIO


@dataclass
class Snapshot:
    """The files of all projects, each project as it is at one moment.

    Writes of rounds replace files and never change one, so an open file is a snapshot. What belongs together (the
    order in use and its table, the current model version and its files) is opened together: again, if a round replaced
    one of the naming files meanwhile. The database of tasks is copied by SQLite, and so are half-done writes left out.

    Attributes:
        model_dir: MODEL_DIR.
        scratch: a folder for a copy of the tasks of one project.
        has_caches: with embeddings, which a round computes anew where they are missing.
        left_out: files that could not be read.
    """

    model_dir: Path
    scratch: Path
    has_caches: bool = False
    left_out: list[str] = field(default_factory=list)

    def pieces(self) -> Iterator[Piece]:
        """Yield every file, opened; it is closed when the next one is asked for, or soon after.

        Raises:
            BackupError: a project changed all the time.
            OSError: a file cannot be read.
        """
        for project in project_folders(self.model_dir):
            with ExitStack() as stack:
                first = self._opened_together(project, stack)
                tasks = self._copy_of_tasks(project, stack)
                yield from (Piece(self._name(path), opened) for path, opened in (first | tasks).items())
                yield from self._others(project, {*first, project / _TASKS})

    def _opened_together(self, project: Path, stack: ExitStack) -> dict[Path, BinaryIO]:
        for _ in range(_TRIES):
            with ExitStack() as tried:
                try:
                    before = self._naming(project)
                    found = self._existing(project, (*_READ_FIRST, *_NAMED))
                    opened: dict[Path, BinaryIO] = {path: tried.enter_context(path.open("rb")) for path in found}
                    is_same = self._naming(project) == before
                except FileNotFoundError:
                    # A round deleted it meanwhile; the next try does without it.
                    continue
                if is_same:
                    stack.push(tried.pop_all())
                    return opened
        raise BackupError(f"{project} changed all the time: try again, or stop the workers meanwhile")

    def _naming(self, project: Path) -> dict[Path, tuple[int, int]]:
        """Which files name others, and which of their writes this is."""
        found = {path: path.stat() for path in self._existing(project, _NAMING)}
        return {path: (stat.st_ino, stat.st_mtime_ns) for path, stat in found.items()}

    def _existing(self, project: Path, patterns: tuple[str, ...]) -> Iterator[Path]:
        for pattern in patterns:
            yield from (path for path in sorted(project.glob(pattern)) if path.is_file() and self._belongs(path))

    def _others(self, project: Path, done: set[Path]) -> Iterator[Piece]:
        """The files that depend on no other; one that a round removes meanwhile is left out."""
        for path in sorted(project.rglob("*")):
            if path in done or not path.is_file() or not self._belongs(path):
                continue
            try:
                opened = path.open("rb")
            except FileNotFoundError:
                continue
            with opened:
                yield Piece(self._name(path), opened)

    def _belongs(self, path: Path) -> bool:
        """Whether a file is part of a backup: not a cache, not a lock, not damaged, not half-written, no proof."""
        parts = path.relative_to(self.model_dir).parts
        is_passing = any(part.startswith(".") or part.endswith((BROKEN, UNFINISHED)) for part in parts)
        is_cache = "embeddings" in parts[2:] and not self.has_caches
        is_tool = path.name == "proof.json" or path.name.endswith((".lock", "-journal"))
        return not (is_passing or is_cache or is_tool or path.is_symlink())

    def _copy_of_tasks(self, project: Path, stack: ExitStack) -> dict[Path, BinaryIO]:
        """Copy the database of tasks between two transactions; one that is damaged is left out, and read anew later."""
        tasks = project / _TASKS
        if not tasks.is_file():
            return {}
        copy = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=self.scratch))) / _TASKS
        try:
            with closing(sqlite3.connect(f"{tasks.absolute().as_uri()}?mode=rw", uri=True)) as source:
                source.execute(f"PRAGMA busy_timeout = {int(1000 * _SQLITE_TIMEOUT_S)}")
                with closing(sqlite3.connect(copy)) as target:
                    source.backup(target)
        except sqlite3.DatabaseError as error:
            self.left_out.append(f"{self._name(tasks)} ({error})")
            return {}
        return {tasks: stack.enter_context(copy.open("rb"))}

    def _name(self, path: Path) -> str:
        return path.relative_to(self.model_dir).as_posix()


def project_folders(model_dir: Path) -> list[Path]:
    """The folders of all projects, and of earlier ones whose numbers were given again."""
    found = (model_dir / PROJECTS).glob("*") if (model_dir / PROJECTS).is_dir() else iter(())
    return sorted(
        path for path in found if path.name[:1].isdigit() and not path.name.endswith(BROKEN) and path.is_dir()
    )
