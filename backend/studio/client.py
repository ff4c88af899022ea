"""Client for Label Studio's API, over label-studio-sdk: projects, tasks, predictions, webhooks, ML backends."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import httpx
from label_studio_sdk import LabelStudio
from label_studio_sdk.core.api_error import ApiError
from label_studio_sdk.core.request_options import RequestOptions

from backend.errors import (
    LabelStudioError,
    LabelStudioUnreachableError,
    PublicationError,
    TokenRefusedError,
    UnknownProjectError,
)
from backend.settings import Settings
from backend.studio.contract import AnnotatedTask, Project, Task, read_annotations, read_task

TASKS_A_PAGE = 1000
# An import locks Label Studio's database for 0.7 ms for each prediction, and annotators wait for the lock.
PREDICTIONS_AN_IMPORT = 250
# Label Studio answers a page of 1,000 tasks in a second; an export of 20,000 takes 20.
TIMEOUT_S = 120.0
SAMPLING = "Uncertainty sampling"
# The fields that a round reads. Label Studio answers in a third of the time that whole tasks take.
_TASK_FIELDS = "id,data,is_labeled,total_annotations,cancelled_annotations,updated_at"
# Label Studio wants the fields of annotations in the same list as the fields of tasks.
_ANNOTATED_FIELDS = f"{_TASK_FIELDS},annotations,result,completed_by,ground_truth,was_cancelled"
# Ids are part of the URL. Some servers cut a URL at 4 kB, and larger requests are no faster.
_IDS_A_REQUEST = 200
# The format of times in a filter.
_TIME_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"
# Without the counts for which Label Studio reads every task of the project.
_PROJECT_FIELDS = (
    "id,title,description,label_config,created_at,model_version,sampling,"
    "task_number,finished_task_number,num_tasks_with_annotations,total_annotations_number"
)


class LabelStudioClient:
    """All our requests to Label Studio; a context manager that closes the connections.

    The API key goes only to the origin of `LABEL_STUDIO_URL`: the client follows no redirects.

    Raises:
        TokenRefusedError: from any method, if Label Studio refuses the API key.
        LabelStudioUnreachableError: from any method, if Label Studio does not answer; a retry may succeed.
        LabelStudioError: from any method, if Label Studio refuses the request.
    """

    def __init__(self, settings: Settings) -> None:
        if settings.label_studio_api_key is None:
            raise TokenRefusedError(
                "no API key: set LABEL_STUDIO_API_KEY to a personal access token "
                "(Label Studio → your account → Personal Access Token)"
            )
        self._url = settings.label_studio_url
        self._http = httpx.Client(timeout=TIMEOUT_S, follow_redirects=False, limits=_limits(self._url))
        self._client = _open_client(self._url, settings.label_studio_api_key.get_secret_value(), self._http)

    def __enter__(self) -> "LabelStudioClient":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def whoami(self) -> str:
        """Return the e-mail address of the API key's owner."""
        with _translated(self._url, "the owner of the API key"):
            return str(self._client.users.whoami().email)

    def project(self, project_id: int) -> Project:
        """Read a project.

        Args:
            project_id: the project.

        Raises:
            UnknownProjectError: the project does not exist, or is hidden from the API key's owner.
        """
        with _translated(self._url, f"project {project_id}"):
            found = self._client.projects.get(project_id, request_options=_only(_PROJECT_FIELDS))
        return Project(
            project_id=project_id,
            created_at=found.created_at.isoformat() if found.created_at else "",
            title=found.title or "",
            label_config=found.label_config or "",
            model_version=found.model_version or "",
            sampling=str(found.sampling or ""),
            tasks=found.task_number or 0,
            labelled_tasks=found.num_tasks_with_annotations or 0,
            annotations=found.total_annotations_number or 0,
            description=found.description or "",
            done_tasks=found.finished_task_number or 0,
        )

    def project_ids(self) -> list[int]:
        """Return the ids of all projects that the API key's owner may see."""
        with _translated(self._url, "the list of projects"):
            return [int(project.id) for project in self._client.projects.list() if project.id is not None]

    def annotated_tasks(self, project_id: int, controls: Collection[str]) -> list[AnnotatedTask]:
        """Export the tasks that have annotations, skipped annotations included.

        Args:
            project_id: the project.
            controls: names of the controls whose answers are read.
        """
        with _translated(self._url, f"the export of project {project_id}"):
            chunks = self._client.projects.exports.download_sync(
                project_id, export_type="JSON", download_all_tasks=False
            )
            exported = json.loads(b"".join(chunks))
        return [
            AnnotatedTask(raw["id"], raw["data"], read_annotations(raw.get("annotations", []), controls))
            for raw in exported
        ]

    def tasks(self, project_id: int, above: int = 0, since: datetime | None = None) -> Iterator[list[Task]]:
        """Yield a project's tasks in pages by id, without annotations. A task deleted meanwhile shifts no other task.

        Args:
            project_id: the project.
            above: only tasks with greater ids.
            since: only tasks that changed at this time or later, by Label Studio's clock.
        """
        changed = [_filter("updated_at", "greater_or_equal", "Datetime", _filter_time(since))] if since else []
        left = 1
        while left > 0:
            page, total = self._listed(project_id, [_filter("id", "greater", "Number", above), *changed])
            if not page:
                return
            yield page
            above, left = page[-1].task_id, total - len(page)

    def tasks_by_id(
        self, project_id: int, task_ids: Collection[int], controls: Collection[str]
    ) -> Iterator[list[Task]]:
        """Yield tasks in pages, with annotations, skipped annotations included. Deleted tasks are left out.

        Args:
            project_id: the project; tasks of other projects are left out.
            task_ids: ids of the tasks.
            controls: names of the controls whose answers are read.
        """
        wanted = sorted(task_ids)
        for start in range(0, len(wanted), _IDS_A_REQUEST):
            chosen = [_filter("id", "in_list", "List", wanted[start : start + _IDS_A_REQUEST])]
            page, _ = self._listed(project_id, chosen, controls)
            yield page

    def last_change(self, project_id: int) -> datetime | None:
        """Return the latest change of any task of the project, by Label Studio's clock; None without tasks."""
        query = {"ordering": ["-tasks:updated_at"]}
        answer = self._task_list(project_id, query, page_size=1, fields="task_only", include="id,updated_at")
        return _as_time(answer["tasks"][0]["updated_at"]) if answer["tasks"] else None

    def _listed(
        self, project_id: int, filters: Sequence[Mapping[str, Any]], controls: Collection[str] = ()
    ) -> tuple[list[Task], int]:
        """Read the first page of filtered tasks and the count over all pages; controls add annotations."""
        query = {"filters": {"conjunction": "and", "items": list(filters)}, "ordering": ["tasks:id"]}
        fields = {"fields": "all", "include": _ANNOTATED_FIELDS} if controls else {"include": _TASK_FIELDS}
        answer = self._task_list(project_id, query, page_size=TASKS_A_PAGE, **fields)
        return [read_task(raw, controls) for raw in answer["tasks"]], int(answer["total"])

    def _task_list(self, project_id: int, query: Mapping[str, Any], **params: Any) -> dict[str, Any]:
        """Read a page of the task list as JSON. The SDK's own method validates every field, which is slow."""
        named = urlencode({"project": project_id, "query": json.dumps(query), **params})
        what = f"the tasks of project {project_id}"
        answer = self._request("GET", f"api/tasks/?{named}", what)
        with _translated(self._url, what):
            return dict(answer.json())

    def prediction_ids(self, project_id: int, model_versions: Collection[str]) -> list[int]:
        """Return the ids of predictions of some model versions.

        Label Studio lists all predictions of the project, in 0.1 ms each.

        Args:
            project_id: the project.
            model_versions: names of the model versions.
        """
        answer = self._request("GET", f"api/predictions/?project={project_id}", f"predictions of project {project_id}")
        return [int(raw["id"]) for raw in answer.json() if raw["model_version"] in model_versions]

    def delete_predictions(self, project_id: int, model_version: str) -> None:
        """Delete a model version's predictions in one request, which locks Label Studio's database until it ends.

        Args:
            project_id: the project.
            model_version: name of the model version.
        """
        path = f"api/projects/{project_id}/model-versions/"
        self._request("DELETE", path, f"versions of project {project_id}", {"model_version": model_version})

    def delete_prediction(self, prediction_id: int) -> None:
        """Delete a prediction, unless it is deleted already."""
        response = self._send("DELETE", f"api/predictions/{prediction_id}/", "a prediction")
        if response.status_code != HTTPStatus.NOT_FOUND:
            self._checked(response, "a prediction")

    def import_predictions(
        self, project_id: int, predictions: Sequence[Mapping[str, Any]], on_progress: Callable[[int, int], None]
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
            with _translated(self._url, f"predictions of project {project_id}"):
                answer = self._client.projects.import_predictions(project_id, request=chunk)
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
        with _translated(self._url, f"project {project_id}"):
            self._client.projects.update(
                project_id, model_version=model_version, sampling=SAMPLING, request_options=_only("id")
            )

    def prediction_counts(self, project_id: int) -> dict[str, int]:
        """Return the number of stored predictions by model version."""
        answer = self._request("GET", f"api/projects/{project_id}/model-versions/", f"versions of project {project_id}")
        return {str(name): int(count) for name, count in answer.json().items()}

    def set_webhook_headers(self, project_id: int, is_ours: Callable[[str], bool], headers: Mapping[str, str]) -> bool:
        """Set the headers of this backend's webhooks in a project.

        Args:
            project_id: the project.
            is_ours: returns True for the URL of this backend's webhook.
            headers: headers that Label Studio must send with every event.

        Returns:
            True if the project has a webhook of this backend.
        """
        with _translated(self._url, f"webhooks of project {project_id}"):
            ours = [hook for hook in self._client.webhooks.list(project=str(project_id)) if is_ours(hook.url)]
        for hook in ours:
            if dict(hook.headers or {}) != dict(headers):
                self._request("PATCH", f"api/webhooks/{hook.id}/", "the webhook", {"headers": dict(headers)})
        return bool(ours)

    def backends(self, project_id: int) -> list[Any]:
        """List a project's ML backends. Label Studio then calls /health and /setup of each."""
        with _translated(self._url, f"ML backends of project {project_id}"):
            return list(self._client.ml.list(project=project_id))

    def connect_backend(self, project_id: int, backend: Mapping[str, Any]) -> httpx.Response:
        """Add an ML backend, as the Connect Model dialog does.

        Args:
            project_id: the project.
            backend: URL, title, credentials and extra params, as Label Studio's API names them.

        Returns:
            Label Studio's answer; the caller checks its status.
        """
        return self._send("POST", "api/ml/", "the ML backend", {"project": project_id, **backend})

    def update_backend(self, backend_id: int, changes: Mapping[str, Any]) -> httpx.Response:
        """Change an ML backend.

        Args:
            backend_id: id of the ML backend.
            changes: must hold URL, credentials and extra params: Label Studio calls /setup with `changes` alone.

        Returns:
            Label Studio's answer; the caller checks its status.
        """
        # With a slash at the end Label Studio answers 404.
        return self._send("PATCH", f"api/ml/{backend_id}", "the ML backend", changes)

    def _request(self, method: str, path: str, what: str, body: Mapping[str, Any] | None = None) -> httpx.Response:
        return self._checked(self._send(method, path, what, body), what)

    def _checked(self, response: httpx.Response, what: str) -> httpx.Response:
        if response.is_error:
            raise _refusal(self._url, what, response.status_code)
        return response

    def _send(self, method: str, path: str, what: str, body: Mapping[str, Any] | None = None) -> httpx.Response:
        """Send a request that the SDK has no method for, with the SDK's authentication."""
        with _translated(self._url, what):
            response: httpx.Response = self._client._client_wrapper.httpx_client.request(
                path, base_url=self._url, method=method, json=dict(body) if body else None
            )
            return response


def _limits(url: str) -> httpx.Limits:
    """Open a new connection for each request over plain HTTP; reuse connections over TLS, where opening is expensive.

    Label Studio's own server sends an answer's head and body separately. On a reused connection the body waits 40 ms
    for the acknowledgement of the head (Nagle's algorithm and delayed acknowledgement), and a round sends ten requests.
    """
    return httpx.Limits(max_keepalive_connections=0 if url.startswith("http://") else None)


def _only(fields: str) -> RequestOptions:
    """Limit Label Studio's answer to some fields of a project."""
    return {"additional_query_parameters": {"include": fields}}


def _open_client(url: str, api_key: str, http: httpx.Client) -> LabelStudio:
    """Create the SDK's client. The SDK reads the token here; an expired personal access token fails at once."""
    with _translated(url, "the API key"):
        return LabelStudio(base_url=url, api_key=api_key, timeout=TIMEOUT_S, httpx_client=http)


def _filter(column: str, operator: str, kind: str, value: Any) -> dict[str, Any]:
    """Build a condition in the Data Manager's filter format."""
    return {"filter": f"filter:tasks:{column}", "operator": operator, "type": kind, "value": value}


def _filter_time(time: datetime) -> str:
    return time.astimezone(timezone.utc).strftime(_TIME_FORMAT)


def _as_time(raw: str) -> datetime:
    """Parse a time from Label Studio. Python 3.10 cannot parse the suffix Z."""
    return datetime.fromisoformat(raw.replace("Z", "+00:00"))


@contextmanager
def _translated(url: str, what: str) -> Iterator[None]:
    """Turn the SDK's errors into ours, without the body, which may hold texts or keys."""
    try:
        yield
    except ApiError as error:
        raise _refusal(url, what, error.status_code) from error
    except (httpx.TransportError, json.JSONDecodeError) as error:
        raise LabelStudioUnreachableError(
            f"Label Studio at {url} did not answer when asked for {what} ({type(error).__name__}): "
            "is it running, and is LABEL_STUDIO_URL right?"
        ) from error


def _refusal(url: str, what: str, status: int | None) -> LabelStudioError | UnknownProjectError:
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return TokenRefusedError(
            f"Label Studio at {url} refused the API key ({status}) when asked for {what}: set LABEL_STUDIO_API_KEY "
            "to a personal access token; legacy tokens are off by default"
        )
    if status == HTTPStatus.NOT_FOUND:
        return UnknownProjectError(
            f"Label Studio at {url} has no such thing: {what} (deleted, or not visible to the key)"
        )
    if status is None or status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return LabelStudioUnreachableError(f"Label Studio at {url} answered {status} when asked for {what}")
    return LabelStudioError(f"Label Studio at {url} answered {status} when asked for {what}")
