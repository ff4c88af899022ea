"""When people get an order that somebody decided on."""

from backend.store.project_folder import ProjectFolder


def when_ordered(folder: ProjectFolder) -> str:
    """When people get the order that somebody decided on, for the end of a sentence: a paused project publishes none.

    Args:
        folder: the project's own.
    """
    return "in a moment" if folder.pause.read() is None else "once somebody resumes the project, which is paused"
