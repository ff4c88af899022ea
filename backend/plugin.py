"""ShortlistModel(LabelStudioMLBase): predict and fit, for our routes and for label-studio-ml's own server."""

import inspect
import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from label_studio_ml.model import LabelStudioMLBase

from backend.errors import InvalidRequestError
from backend.rounds.publish import empty_prediction, prediction
from backend.settings import load_settings
from backend.store.project_folder import ProjectFolder, Publication
from backend.studio.contract import (
    LABEL_EVENTS,
    START_TRAINING,
    Event,
    Task,
    parse_event,
    parse_project_id,
    parse_tasks,
)
from backend.studio.labeling_config import Classification, prediction_result, read_labeling_config, read_text
from backend.web.service import Service, open_service
from model.text_digests import text_digest

LOOK_AGAIN_S = 5.0

log = logging.getLogger(__name__)


@lru_cache(maxsize=1)
def _service_from_environment() -> Service:
    """For label-studio-ml's own server, which constructs models without telling them anything."""
    return open_service(load_settings())


class ShortlistModel(LabelStudioMLBase):  # type: ignore[misc]
    """One project's model, as label-studio-ml sees it; made anew for every request, so it holds nothing heavy.

    Works under label-studio-ml 1.0.9 (`label_config`, `train_output`) and the 2.x constructor (`project_id`,
    `label_config`). Nothing is trained here: `fit` asks the worker for a round, which exports the annotations from
    Label Studio and retrains BERT on them.
    """

    def __init__(
        self,
        label_config: str | None = None,
        train_output: Mapping[str, Any] | None = None,
        project_id: int | str | None = None,
        service: Service | None = None,
        **others: Any,
    ) -> None:
        # The base class would parse the config as well, and break on what we refuse with a sentence; so it gets none.
        if "project_id" in inspect.signature(LabelStudioMLBase.__init__).parameters:
            super().__init__(project_id=str(project_id or ""))
        else:
            super().__init__(train_output=train_output, **others)
        self._xml = label_config or ""
        self._project = project_id
        self._service = service or _service_from_environment()

    def predict(self, tasks: Sequence[Mapping[str, Any]], context: Any = None, **others: Any) -> list[dict[str, Any]]:
        """What the project's model says of some tasks.

        Args:
            tasks: as Label Studio posts them.
            context: unused; Label Studio's interactive mode.
            **others: unused; what label-studio-ml passes along.

        Returns:
            One prediction a task, in order. Its score is the place in the published order (0 = next); without a model,
            or a text to read, its result is empty.

        Raises:
            InvalidRequestError: a task has no data, or no project can be found.
            UnsupportedConfigError: the labeling config asks nothing that we can answer.
        """
        return self.predict_tasks(parse_tasks(tasks), self._project_id(tasks))

    def predict_tasks(self, tasks: Sequence[Task], project_id: int) -> list[dict[str, Any]]:
        """`predict`, for tasks that were read already."""
        folder = self._service.folder(project_id)
        classification = read_labeling_config(self._xml)
        publication = folder.publication()
        if publication is not None and publication.label_set != classification.label_set:
            publication = None
        texts = [read_text(classification, task.data) for task in tasks]
        answers = [_published(publication, classification, task, text) for task, text in zip(tasks, texts, strict=True)]
        unknown = [row for row, answer in enumerate(answers) if answer is None and texts[row]]
        scored = self._score(folder, classification, [texts[row] for row in unknown])
        version = folder.published_name()
        fresh = dict(zip(unknown, scored, strict=True))
        unread = [task.task_id for task, text in zip(tasks, texts, strict=True) if not text]
        if unread:
            log.warning("event=no_text project=%d tasks=%d first=%d", project_id, len(unread), unread[0])
        return [
            answer or {**empty_prediction(version), "result": fresh.get(row, [])} for row, answer in enumerate(answers)
        ]

    def _score(
        self, folder: ProjectFolder, classification: Classification, texts: list[str]
    ) -> list[list[dict[str, Any]]]:
        """Result items for texts that no publication holds, by the model itself."""
        classifier = self._service.models.current(folder) if texts else None
        if classifier is None or classifier.config.label_set != classification.label_set:
            return [[] for _ in texts]
        proba_N_C = self._service.models.score(classifier, texts, self._service.threads)
        return [prediction_result(classification, proba_C) for proba_C in proba_N_C]

    def fit(self, *args: Any, **others: Any) -> dict[str, Any]:
        """Ask for a round that retrains BERT from the exported annotations, if a training is due.

        label-studio-ml calls this in three ways: with exported tasks (1.0.9, /train), with `event` and `data` by name
        (1.0.9, /webhook) and with both by position (2.x).

        Returns:
            {"status": "queued", "job_id": …}, or {"status": "ignored"} for events that change nothing for us.

        Raises:
            InvalidRequestError: no project can be found.
            RedisUnavailableError: there is nobody to ask.
        """
        named = args[0] if args and isinstance(args[0], str) else START_TRAINING
        action = str(others.get("event") or named)
        data = others.get("data") or next((arg for arg in args if isinstance(arg, Mapping)), None)
        if data is not None:
            return self.fit_on(parse_event({"project": self._project, **data, "action": action}))
        tasks = next((list(arg) for arg in args if not isinstance(arg, str) and isinstance(arg, Iterable)), [])
        return self.fit_on(Event(action, self._project_id(tasks)))

    def fit_on(self, event: Event) -> dict[str, Any]:
        """`fit`, for an event that was read already."""
        if not event.concerns_us:
            return {"status": "ignored", "reason": f"{event.action} changes neither labels nor tasks"}
        changes = event.changes if event.action in LABEL_EVENTS else 0
        job_id = self._service.rounds.request(
            event.project_id,
            changes=changes,
            train=event.asks_for_training,
            task_ids=event.task_ids,
            are_all_named=event.names_all_tasks,
        )
        if not event.names_all_tasks:
            # Label Studio sends some of these before it has counted what they are about.
            self._service.rounds.request_later(event.project_id, LOOK_AGAIN_S)
        return {"status": "queued", "job_id": job_id}

    def _project_id(self, tasks: Sequence[Mapping[str, Any]]) -> int:
        """The project we were made for, else the one that the tasks name."""
        if self._project is not None:
            return parse_project_id(self._project)
        first = tasks[0] if tasks else {}
        annotations = first.get("annotations") or [{}]
        named = first.get("project") or annotations[0].get("project")
        if named is None:
            raise InvalidRequestError("no project: neither the request nor its tasks name one")
        return parse_project_id(named)


def _published(
    publication: Publication | None, classification: Classification, task: Task, text: str
) -> dict[str, Any] | None:
    """The published answer, if this very text was published."""
    place = publication.places.get(task.task_id) if publication is not None else None
    if publication is None or place is None or int(publication.text_digests_N[place]) != text_digest(text):
        return None
    return prediction(publication, classification, place)
