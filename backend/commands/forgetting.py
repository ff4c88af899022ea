"""`forget`: remove everything that Shortlist keeps about a project."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from backend.commands.model_dir import check_model_dir
from backend.commands.terminal import JsonOption, ProjectOption, answer, say, settings_of_command
from backend.errors import (
    LabelStudioError,
    RedisUnavailableError,
    StillConnectedError,
    UnknownProjectError,
)
from backend.rounds.clean_up import remove_all
from backend.settings import Settings
from backend.store.in_use import alone
from backend.store.project_folder import ProjectFolder
from backend.store.remnants import remnants, shared_remnants
from backend.studio.client import LabelStudioClient
from backend.studio.records import MLBackend
from backend.work.forgetting import knows, rewrite_files, without_rounds
from backend.work.queue import RoundQueue
from backend.work.redis_access import embedded_url, open_redis
from model.files.names import discard


def forget(
    project: ProjectOption,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    disconnect: Annotated[
        bool,
        typer.Option("--disconnect", help="Disconnect it in Label Studio first, and delete our predictions there."),
    ] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="Ask Label Studio nothing, for instance because it is gone.")
    ] = False,
    json_out: JsonOption = False,
) -> None:
    """Remove everything that Shortlist keeps about a project: texts, labels, models, answers of an LLM, waiting rounds.

    Labels in Label Studio stay. Example: python -m backend forget --project 3
    """
    with settings_of_command() as settings:
        check_model_dir(settings.model_dir, may_write=True)
        queue = _queue(settings)
        if not remnants(settings.model_dir, project) and not (queue and knows(queue, project)):
            raise UnknownProjectError(f"project {project} is unknown here: nothing is kept about it")
        folder = ProjectFolder(settings.model_dir, project)
        ours = [] if offline else _connected(settings, folder, may_disconnect=disconnect)
        if not yes:
            typer.confirm(
                f"Delete all that is kept of project {project}? Nothing brings it back", abort=True, err=json_out
            )
        removed = _disconnect(settings, folder, ours) if ours else 0
        if ours:
            # Said before anything is deleted here: if the disk refuses, the project is disconnected all the same.
            told = f"Disconnected project {project} in Label Studio, and deleted {removed} predictions there."
            say(told, is_aside=json_out)
        # A worker that does an errand ends it when it is taken back.
        folder.errand.remove()
        with _nobody_works(settings, queue, project):
            _delete(settings, project, is_redis_running=queue is not None and settings.redis_url is None)
        if queue is not None:
            rewrite_files(queue.redis)
        unasked = "Label Studio was not asked: if the project is connected there, a running worker brings it back."
        answer(
            {"project": project, "is_disconnected": bool(ours), "predictions_deleted": removed},
            f"Project {project} is forgotten. Backups that you took still hold it, and so does Label Studio.",
            *([unasked] if offline else []),
            as_json=json_out,
        )


def _queue(settings: Settings) -> RoundQueue | None:
    """The queue; None if the embedded Redis does not run, and with it no round.

    Raises:
        RedisUnavailableError: the Redis of REDIS_URL does not answer.
    """
    if not settings.redis_url and not embedded_url(settings.model_dir):
        return None
    queue = RoundQueue(open_redis(settings))
    try:
        queue.ping()
    except RedisUnavailableError:
        if settings.redis_url:
            raise
        return None
    return queue


def _connected(settings: Settings, folder: ProjectFolder, *, may_disconnect: bool) -> list[MLBackend]:
    """Return what Label Studio lists as this backend, which is to be disconnected.

    Raises:
        StillConnectedError: the project is or may be connected, and nobody said that it may be disconnected.
        LabelStudioError: Label Studio does not say.
    """
    try:
        with LabelStudioClient(settings) as client:
            listed = client.ml_backends(folder.project_id)
    except UnknownProjectError:
        # Label Studio has forgotten it already.
        return []
    except LabelStudioError as error:
        raise type(error)(
            error.fault, f"{error.mend or 'see its log'}; or add --offline to forget it all the same"
        ) from error
    stored = folder.connection.read()
    ours = [one for one in listed if (one.backend_id, one.url) == (stored.backend_id, stored.url)]
    if ours and may_disconnect:
        return ours
    if ours:
        raise StillConnectedError(
            f"project {folder.project_id} is connected, and its next event would bring it back: disconnect it in Label "
            "Studio → Settings → Model, or add --disconnect"
        )
    doubtful = [one.url for one in listed if folder.is_known() and (one.url == stored.url or not stored.backend_id)]
    if doubtful:
        raise StillConnectedError(
            f"project {folder.project_id} may be connected: disconnect {', '.join(doubtful)} in Label Studio → "
            "Settings → Model if this backend is there, or add --offline if it is not"
        )
    return []


def _disconnect(settings: Settings, folder: ProjectFolder, ours: list[MLBackend]) -> int:
    """Disconnect the project in Label Studio; its events end before its predictions go.

    Returns:
        The number of deleted predictions.
    """
    urls = {backend.webhook_url for backend in ours}
    with LabelStudioClient(settings) as client:
        client.delete_webhooks(folder.project_id, lambda url: url in urls)
        for backend in ours:
            client.delete_backend(backend.backend_id)
        return remove_all(client, folder)


@contextmanager
def _nobody_works(settings: Settings, queue: RoundQueue | None, project_id: int) -> Iterator[None]:
    """Keep rounds of the project away; without a Redis keep all processes away."""
    if queue is None:
        with alone(settings.model_dir):
            yield
    else:
        with without_rounds(queue, project_id):
            yield


def _delete(settings: Settings, project_id: int, *, is_redis_running: bool) -> None:
    shared = shared_remnants(settings.model_dir, is_redis_running=is_redis_running)
    for path in (*remnants(settings.model_dir, project_id), *shared):
        discard(path)
    if left := remnants(settings.model_dir, project_id):
        raise PermissionError(13, "cannot be deleted", str(left[0]))
