"""Model versions that wait for a person because they are clearly worse than the current one, and their promotion."""

from dataclasses import dataclass

from backend.errors import NotWaitingError
from backend.store.judging import Decision
from backend.store.project_folder import ProjectFolder


@dataclass(frozen=True)
class Waiting:
    """A version that waits.

    Attributes:
        folder: of its question.
        question: control of its question.
        decision: why it waits.
    """

    folder: ProjectFolder
    question: str
    decision: Decision

    @property
    def version(self) -> int:
        """Its number."""
        return self.decision.version


def waiting_in(folder: ProjectFolder) -> Waiting | None:
    """The version of a question that waits; None if the newest one is in use, or a round has yet to decide.

    Args:
        folder: the question's.
    """
    decision, pending = folder.gate.read(), folder.registry.pending()
    if decision is None or pending is None or not decision.is_held:
        return None
    current = folder.registry.current()
    is_about = decision.is_about(pending.number, pending.fingerprint, current.number if current else 0)
    return Waiting(folder, pending.question, decision) if is_about else None


def waiting_of(folder: ProjectFolder) -> list[Waiting]:
    """The versions of a project that wait, one a question at most.

    Args:
        folder: the project's own.
    """
    found = (waiting_in(question) for question in (folder, *folder.of_further_questions()))
    return [waiting for waiting in found if waiting is not None]


def promote(folder: ProjectFolder, version: int = 0) -> list[int]:
    """Make versions that wait the current ones; the next round publishes their orders.

    Args:
        folder: the project's own.
        version: only the version with this number; 0: every version that waits.

    Returns:
        The numbers of the versions, at least one.

    Raises:
        NotWaitingError: none waits, or not this one.
        DamagedVersionError: it is damaged; it was set aside.
    """
    found = waiting_of(folder)
    wanted = [waiting for waiting in found if version in (0, waiting.version)]
    if not wanted:
        others = f"; version {', '.join(str(waiting.version) for waiting in found)} does" if found else ""
        asked = f"version {version}" if version else "no model version"
        verb = "does not wait" if version else "waits"
        raise NotWaitingError(f"{asked} of project {folder.project_id} {verb}{others}: `status` names those that do")
    for waiting in wanted:
        waiting.folder.registry.point(waiting.version)
    return [waiting.version for waiting in wanted]
