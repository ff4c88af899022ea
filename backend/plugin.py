"""ShortlistModel: label-studio-ml's predict and fit, over the same functions as the web server's endpoints."""

import inspect
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from label_studio_ml.model import LabelStudioMLBase

from backend.errors import InvalidRequestError
from backend.settings import load_settings
from backend.studio.contract import START_TRAINING, Event, parse_event, parse_project_id, parse_tasks
from backend.web.events import note_setup, take_event
from backend.web.predicting import predict
from backend.web.service import Service, open_service


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
        """Predictions for some tasks, as label-studio-ml asks for them; see `backend.web.predicting.predict`.

        Args:
            tasks: as Label Studio posts them.
            context: unused; Label Studio's interactive mode.
            **others: unused; what label-studio-ml passes along.

        Raises:
            InvalidRequestError: a task has no data, or no project can be found.
            UnsupportedConfigError: the labeling config asks nothing that can be answered.
        """
        return predict(self._service, self._project_id(tasks), self._xml, parse_tasks(tasks))

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
            return self._take(parse_event({"project": self._project, **data, "action": action}))
        tasks = next((list(arg) for arg in args if not isinstance(arg, str) and isinstance(arg, Iterable)), [])
        return self._take(Event(action, self._project_id(tasks)))

    def _take(self, event: Event) -> dict[str, Any]:
        """Ask for a round. /setup goes to label-studio-ml's server alone, so an event stands in for it."""
        folder = self._service.folder(event.project_id)
        if event.concerns_us and not folder.is_known():
            note_setup(self._service, folder, is_from_plugin=True)
        return take_event(self._service, event)

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
