"""All requests to Label Studio: projects, tasks, predictions, annotations, webhooks, ML backends, tabs."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import httpx

from backend.errors import LabelStudioFailedError, PublicationError
from backend.settings import Settings
from backend.studio.answers import (
    COLUMNS,
    DELETED,
    EXPORT,
    IDENTIFIED,
    IMPORTED,
    LIVE_BACKENDS,
    ML_BACKENDS,
    OWNER,
    PREDICTIONS,
    PROJECT,
    PROJECT_PAGE,
    TABS,
    VERSION_COUNTS,
    WEBHOOKS,
    Column,
    MLBackendAnswer,
    StoredPrediction,
    Tab,
    Webhook,
)
from backend.studio.faults import own_words
from backend.studio.marks import run_of
from backend.studio.records import AnnotatedTask, MLBackend, Project, Task, read_annotated, read_backend
from backend.studio.sending import Sender, is_gone
from backend.studio.task_list import TaskList
from model.progress import Progress

# An import locks Label Studio's database for 0.7 ms for each prediction, and annotators wait for the lock.
PREDICTIONS_AN_IMPORT = 250
SAMPLING = "Uncertainty sampling"
# Without the counts for which Label Studio reads every task of the project.
_PROJECT_FIELDS = (
    "id,title,description,label_config,created_at,model_version,sampling,"
    "task_number,finished_task_number,num_tasks_with_annotations,total_annotations_number"
)


class LabelStudioClient:
    """All our requests to Label Studio; a context manager that closes the connections.

    The API key goes only to the origin of `LABEL_STUDIO_URL`: the client follows no redirects.

    Raises:
        TokenRefusedError: from any method, if Label Studio calls the API key wrong.
        LabelStudioError: from any method, if no answer of Label Studio comes, or a refusal; a retry may succeed.
    """

    def __init__(self, settings: Settings, timeout_s: float | None = None, retries: int | None = None) -> None:
        """Open the client; nothing is sent yet.

        Args:
            settings: Label Studio's address and key.
            timeout_s: seconds until the next piece of an answer must come; None for TIMEOUT_S.
            retries: how often a request is repeated; None for RETRIES.
        """
        self._sender = Sender(settings, timeout_s, retries)
        self._task_list = TaskList(self._sender)

    def __enter__(self) -> "LabelStudioClient":
        return self

    def __exit__(self, *_: object) -> None:
        self._sender.close()

    def whoami(self) -> str:
        """Return the e-mail address of the API key's owner."""
        return self._sender.read("api/current-user/whoami", "the owner of the API key", OWNER).email

    def project(self, project_id: int) -> Project:
        """Read a project.

        Args:
            project_id: the project.

        Raises:
            UnknownProjectError: the project does not exist, or is hidden from the API key's owner.
        """
        path = f"api/projects/{project_id}/?{urlencode({'include': _PROJECT_FIELDS})}"
        found = self._sender.read_of(project_id, path, f"project {project_id}", PROJECT)
        return Project(
            project_id=project_id,
            created_at=found.created_at.isoformat() if found.created_at else "",
            title=found.title or "",
            label_config=found.label_config or "",
            model_version=found.model_version or "",
            sampling=found.sampling or "",
            tasks=found.task_number or 0,
            labelled_tasks=found.num_tasks_with_annotations or 0,
            annotations=found.total_annotations_number or 0,
            description=found.description or "",
            done_tasks=found.finished_task_number or 0,
        )

    def project_ids(self) -> list[int]:
        """Return the ids of all projects that the API key's owner may see."""
        ids: list[int] = []
        number, is_last = 1, False
        while not is_last:
            page = self._sender.read(f"api/projects/?include=id&page={number}", "the list of projects", PROJECT_PAGE)
            ids += [project.id for project in page.results]
            number, is_last = number + 1, page.next is None or not page.results
        return ids

    def annotated_tasks(self, project_id: int, controls: Collection[str]) -> list[AnnotatedTask]:
        """Export the tasks that have annotations, skipped annotations included.

        Args:
            project_id: the project.
            controls: names of the controls whose answers are read.
        """
        try:
            return [read_annotated(raw, controls) for raw in self._export(project_id)]
        except LabelStudioFailedError:
            # Label Studio exports no task where it fails to show one; the list of tasks goes around that one.
            return [task for page in self._annotated_pages(project_id, controls) for task in page]

    def _annotated_pages(self, project_id: int, controls: Collection[str]) -> Iterator[list[AnnotatedTask]]:
        for page in self.tasks(project_id):
            answered = [task.task_id for task in page if task.annotation_count]
            for tasks in self.tasks_by_id(project_id, answered, controls):
                yield [
                    AnnotatedTask(task.task_id, task.data, task.annotations or ()) for task in tasks if task.is_readable
                ]

    def _export(self, project_id: int) -> list[dict[str, Any]]:
        path = f"api/projects/{project_id}/export?export_type=JSON&download_all_tasks=false"
        return self._sender.read(path, f"the export of project {project_id}", EXPORT)

    def tasks(self, project_id: int, above: int = 0, since: datetime | None = None) -> Iterator[list[Task]]:
        """Yield a project's tasks in pages by id, without annotations. A task deleted meanwhile shifts no other task.

        Args:
            project_id: the project.
            above: only tasks with greater ids.
            since: only tasks that changed at this time or later, by Label Studio's clock.
        """
        return self._task_list.pages(project_id, above, since)

    def tasks_by_id(
        self, project_id: int, task_ids: Collection[int], controls: Collection[str]
    ) -> Iterator[list[Task]]:
        """Yield tasks in pages, with annotations, skipped annotations included. Deleted tasks are left out.

        Args:
            project_id: the project; tasks of other projects are left out.
            task_ids: ids of the tasks.
            controls: names of the controls whose answers are read.
        """
        return self._task_list.by_id(project_id, task_ids, controls)

    def last_change(self, project_id: int) -> datetime | None:
        """Return the latest change of any task of the project, by Label Studio's clock; None without tasks."""
        return self._task_list.last_change(project_id)

    def prediction_ids(self, project_id: int, model_versions: Collection[str]) -> list[int]:
        """Return the ids of predictions of some model versions.

        Label Studio lists all predictions of the project, in 0.1 ms each.

        Args:
            project_id: the project.
            model_versions: names of the model versions.
        """
        return [found.id for found in self._predictions(project_id) if found.model_version in model_versions]

    def predicted_tasks(self, project_id: int, model_version: str) -> set[int]:
        """Return the ids of the tasks that have a prediction of a model version; see `prediction_ids` for the time."""
        stored = self._predictions(project_id)
        return {found.task for found in stored if found.model_version == model_version and found.task is not None}

    def _predictions(self, project_id: int) -> list[StoredPrediction]:
        path = f"api/predictions/?project={project_id}"
        return self._sender.read(path, f"predictions of project {project_id}", PREDICTIONS)

    def annotate_as_us(self, task_id: int, result: Sequence[Mapping[str, Any]], unique_id: str) -> bool:
        """Give a task an annotation, as the owner of the API key.

        Args:
            task_id: the task.
            result: result items.
            unique_id: a UUID that no other annotation has: a repeated request gives the task no second annotation.

        Returns:
            False if the task was deleted meanwhile.
        """
        body = {"result": list(result), "was_cancelled": False, "ground_truth": False, "unique_id": unique_id}
        what = f"an annotation of task {task_id}"
        response = self._sender.send("POST", f"api/tasks/{task_id}/annotations/", what, body)
        if is_gone(response):
            return False
        # The first of two requests was taken, and its answer was lost.
        if response.status_code != HTTPStatus.CONFLICT:
            self._sender.answer(what, response, IDENTIFIED)
        return True

    def applied_annotations(self, project_id: int) -> dict[int, str]:
        """Export the annotations that this backend gave and nobody changed: the run of each, by annotation id."""
        given = [annotation for task in self._export(project_id) for annotation in task.get("annotations") or []]
        return {annotation["id"]: run for annotation in given if (run := run_of(annotation.get("result")))}

    def annotations_of_ours(self, task_id: int) -> list[int]:
        """Return the ids of a task's annotations that this backend gave and nobody changed; none if it was deleted."""
        what = f"annotations of task {task_id}"
        response = self._sender.send("GET", f"api/tasks/{task_id}/annotations/", what)
        if is_gone(response):
            return []
        given = self._sender.answer(what, response, EXPORT)
        return [annotation["id"] for annotation in given if run_of(annotation.get("result"))]

    def delete_annotation(self, annotation_id: int) -> None:
        """Delete an annotation, unless it is deleted already."""
        self._sender.delete(f"api/annotations/{annotation_id}/", "an annotation")

    def delete_predictions(self, project_id: int, model_version: str) -> None:
        """Delete a model version's predictions in one request, which locks Label Studio's database until it ends.

        Args:
            project_id: the project.
            model_version: name of the model version.
        """
        path = f"api/projects/{project_id}/model-versions/"
        what = f"versions of project {project_id}"
        self._sender.change("DELETE", path, what, {"model_version": model_version}, DELETED)

    def delete_prediction(self, prediction_id: int) -> None:
        """Delete a prediction, unless it is deleted already."""
        self._sender.delete(f"api/predictions/{prediction_id}/", "a prediction")

    def import_predictions(
        self, project_id: int, predictions: Sequence[Mapping[str, Any]], on_progress: Progress
    ) -> None:
        """Write predictions in bulk, and check how many Label Studio stored.

        Args:
            project_id: the project.
            predictions: each with its task id, see `results.prediction`.
            on_progress: called with (predictions written, predictions to write).

        Raises:
            PublicationError: Label Studio stored fewer; it silently drops scores outside [0, 1].
        """
        for start in range(0, len(predictions), PREDICTIONS_AN_IMPORT):
            chunk = [dict(prediction) for prediction in predictions[start : start + PREDICTIONS_AN_IMPORT]]
            what = f"an import of predictions into project {project_id}"
            path = f"api/projects/{project_id}/import/predictions"
            answer = self._sender.change("POST", path, what, chunk, IMPORTED)
            if answer.created != len(chunk):
                raise PublicationError(
                    f"project {project_id}: Label Studio stored {answer.created} of {len(chunk)} predictions; "
                    "were tasks deleted meanwhile? The previous order stays in use"
                )
            on_progress(start + len(chunk), len(predictions))

    def use_model_version(self, project_id: int, model_version: str) -> None:
        """Switch annotators to a publication's order, in one atomic request.

        Args:
            project_id: the project.
            model_version: name of the publication.
        """
        path, changes = f"api/projects/{project_id}/?include=id", {"model_version": model_version, "sampling": SAMPLING}
        self._sender.change("PATCH", path, f"a change of project {project_id}", changes, IDENTIFIED)

    def prediction_counts(self, project_id: int) -> dict[str, int]:
        """Return the number of stored predictions by model version."""
        path = f"api/projects/{project_id}/model-versions/"
        return self._sender.read(path, f"versions of project {project_id}", VERSION_COUNTS)

    def set_webhook_headers(self, project_id: int, is_ours: Callable[[str], bool], headers: Mapping[str, str]) -> bool:
        """Set the headers of this backend's webhooks in a project.

        Args:
            project_id: the project.
            is_ours: returns True for the URL of this backend's webhook.
            headers: headers that Label Studio must send with every event.

        Returns:
            True if the project has a webhook of this backend.
        """
        ours = [hook for hook in self._webhooks(project_id) if is_ours(hook.url)]
        for hook in ours:
            if dict(hook.headers or {}) != dict(headers):
                changes = {"headers": dict(headers)}
                self._sender.change("PATCH", f"api/webhooks/{hook.id}/", "the webhook", changes, IDENTIFIED)
        return bool(ours)

    def webhook_urls(self, project_id: int) -> set[str]:
        """Return the URLs of a project's webhooks that are switched on."""
        return {hook.url for hook in self._webhooks(project_id) if hook.is_active}

    def _webhooks(self, project_id: int) -> list[Webhook]:
        return self._sender.read(f"api/webhooks/?project={project_id}", f"webhooks of project {project_id}", WEBHOOKS)

    def delete_webhooks(self, project_id: int, is_ours: Callable[[str], bool]) -> None:
        """Delete this backend's webhooks in a project.

        Args:
            project_id: the project.
            is_ours: returns True for the URL of this backend's webhook.
        """
        for hook in self._webhooks(project_id):
            if is_ours(hook.url):
                self._sender.delete(f"api/webhooks/{hook.id}/", "the webhook")

    def delete_backend(self, backend_id: int) -> None:
        """Disconnect an ML backend, unless it is gone already."""
        self._sender.delete(f"api/ml/{backend_id}", "the ML backend")

    def ml_backends(self, project_id: int) -> list[MLBackend]:
        """List a project's ML backends, without a call to any of them.

        Raises:
            UnknownProjectError: the project does not exist, or is hidden from the API key's owner.
        """
        path = f"api/projects/{project_id}/model-versions/?extended=true&include_live_models=true&limit=1"
        answer = self._sender.read_of(project_id, path, f"ML backends of project {project_id}", LIVE_BACKENDS)
        return [read_backend(found) for found in answer.live or []]

    def call_backends(self, project_id: int) -> list[MLBackend]:
        """Have Label Studio call /health and /setup of each ML backend of a project, and list them afterwards."""
        return [read_backend(found) for found in self.backends(project_id)]

    def backends(self, project_id: int) -> list[MLBackendAnswer]:
        """List a project's ML backends. Label Studio then calls /health and /setup of each."""
        return self._sender.read(f"api/ml/?project={project_id}", f"ML backends of project {project_id}", ML_BACKENDS)

    def connect_backend(self, project_id: int, backend: Mapping[str, Any]) -> httpx.Response:
        """Add an ML backend, as the Connect Model dialog does.

        Args:
            project_id: the project.
            backend: URL, title, credentials and extra params, as Label Studio's API names them.

        Returns:
            Label Studio's answer; the caller checks its status.

        Raises:
            LabelStudioError: the answer is not Label Studio's, or the API key is wrong.
        """
        return self._asked("POST", "api/ml/", {"project": project_id, **backend})

    def update_backend(self, backend_id: int, changes: Mapping[str, Any]) -> httpx.Response:
        """Change an ML backend.

        Args:
            backend_id: id of the ML backend.
            changes: must hold URL, credentials and extra params: Label Studio calls /setup with `changes` alone.

        Returns:
            Label Studio's answer; the caller checks its status.

        Raises:
            LabelStudioError: the answer is not Label Studio's, or the API key is wrong.
        """
        # With a slash at the end Label Studio answers 404.
        return self._asked("PATCH", f"api/ml/{backend_id}", changes)

    def tabs(self, project_id: int) -> list[Tab]:
        """List the tabs of a project's Data Manager, from left to right."""
        return self._sender.read(f"api/dm/views/?project={project_id}", f"tabs of project {project_id}", TABS)

    def columns(self, project_id: int) -> list[Column]:
        """List the columns that a project's Data Manager can show; a parent of columns is none."""
        path = f"api/dm/columns/?project={project_id}"
        found = self._sender.read(path, f"columns of project {project_id}", COLUMNS).columns
        parents = {column.parent for column in found}
        return [column for column in found if column.parent or column.id not in parents]

    def make_tab(self, project_id: int, data: Mapping[str, Any]) -> int:
        """Add a tab to a project's Data Manager, at the right end; return its id.

        Args:
            project_id: the project.
            data: the tab, as Label Studio stores it.
        """
        body = {"project": project_id, "data": dict(data)}
        return self._sender.change("POST", "api/dm/views/", f"a tab of project {project_id}", body, IDENTIFIED).id

    def _asked(self, method: str, path: str, body: Mapping[str, Any]) -> httpx.Response:
        """Ask for a change of an ML backend; return Label Studio's own answer, which may be a refusal."""
        what = "a change of the ML backend"
        response = self._sender.send(method, path, what, body)
        if response.status_code == HTTPStatus.UNAUTHORIZED or not own_words(response):
            self._sender.answer(what, response, IDENTIFIED)
        return response
