"""Damage that was found in a project's folder: files that were set aside, and a missing model version."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from backend.store.project_folder import ProjectFolder
from model.files.damage import BROKEN


@dataclass(frozen=True)
class Damage:
    """A file or a model version that was damaged or is missing; Shortlist goes on without it, or made it anew.

    Attributes:
        file: path in the project's folder.
        problem: "damaged" if the file was renamed to `<file>.broken`, or "missing".
        at: when the file was set aside, in seconds since 1970; None for a missing version.
    """

    file: str
    problem: str
    at: float | None


def damage_of(folder: ProjectFolder) -> list[Damage]:
    """List the damage that was found in a project's folder, the latest first.

    Args:
        folder: the project's own folder; those of its further questions are in it.
    """
    found: dict[str, Damage] = {}
    for question in (folder, *folder.of_further_questions()):
        for path, at in _set_aside(question):
            name = path.relative_to(folder.path).as_posix().removesuffix(BROKEN)
            found[name] = Damage(name, "damaged", at)
        if number := question.registry.missing():
            name = (question.versions_folder / str(number)).relative_to(folder.path).as_posix()
            found.setdefault(name, Damage(name, "missing", None))
    return sorted(found.values(), key=lambda damage: -(damage.at or 0.0))


def _set_aside(folder: ProjectFolder) -> Iterator[tuple[Path, float]]:
    for room in (folder.path, folder.versions_folder, folder.embeddings_folder, folder.llm_folder):
        for path in room.glob(f"*{BROKEN}"):
            # Another process may delete it meanwhile.
            with suppress(OSError):
                yield path, path.stat().st_mtime
