"""/webhook and /train: what an event asks of the queue."""

from typing import Any

from backend.studio.contract import LABEL_EVENTS, Event
from backend.web.service import Service

# Label Studio sends some events before it has counted the tasks that they are about.
LOOK_AGAIN_S = 5.0


def take_event(service: Service, event: Event) -> dict[str, Any]:
    """Ask for a round if the event changes labels or tasks; nothing is trained here.

    Args:
        service: the web process's.
        event: as Label Studio sent it.

    Returns:
        {"status": "queued", "job_id": …}, or {"status": "ignored", "reason": …}.

    Raises:
        RedisUnavailableError: there is no queue to ask.
    """
    if not event.concerns_us:
        return {"status": "ignored", "reason": f"{event.action} changes neither labels nor tasks"}
    job_id = service.rounds.request(
        event.project_id,
        changes=event.changes if event.action in LABEL_EVENTS else 0,
        train=event.asks_for_training,
        task_ids=event.task_ids,
        are_all_named=event.names_all_tasks,
    )
    if not event.names_all_tasks:
        service.rounds.request_later(event.project_id, LOOK_AGAIN_S)
    return {"status": "queued", "job_id": job_id}
