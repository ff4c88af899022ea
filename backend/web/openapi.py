"""The OpenAPI description of the endpoints, by hand; a test holds it against the routes."""

from typing import Any

from backend.settings import VERSION
from backend.studio.contract import MOST_ID
from backend.web.answering import MOST_TEXTS

_TEXT = {"type": "string"}
_OBJECT = {"type": "object"}
_PROJECT = {
    "description": "a project's id, '<id>.<created>', or an object with its id",
    "oneOf": [
        {"type": "integer", "minimum": 1, "maximum": MOST_ID},
        {"type": "string", "pattern": r"^[1-9][0-9]{0,8}(\.[0-9]+)?$"},
        {
            "type": "object",
            "properties": {"id": {"type": "integer", "minimum": 1, "maximum": MOST_ID}},
            "required": ["id"],
        },
    ],
}
_TASK = {"type": "object", "properties": {"id": {"type": "integer"}, "data": _OBJECT}, "required": ["data"]}
_PROJECT_ID = {
    "name": "project_id",
    "in": "path",
    "required": True,
    "schema": {"type": "integer", "minimum": 0},
}
_PROJECT_QUERY = {"name": "project", "in": "query", "required": False, "schema": _TEXT}


def openapi() -> dict[str, Any]:
    """The description, as JSON values."""
    return {
        "openapi": "3.0.3",
        "info": {
            "title": "Shortlist",
            "version": VERSION,
            "description": "A Label Studio ML backend: retrains BERT on every annotation, and orders the next tasks.",
        },
        "components": {"securitySchemes": {"basic": {"type": "http", "scheme": "basic"}}},
        "security": [{"basic": []}],
        "paths": _PATHS,
    }


def _json_body(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    schema = {"type": "object", "properties": required | (optional or {}), "required": list(required)}
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _says(summary: str, *statuses: int, content: str = "application/json", **more: Any) -> dict[str, Any]:
    """An operation: its summary, the statuses of its answers, and its parameters or body."""
    answers = {str(status): _answer(status, content) for status in (*statuses, *_REFUSALS)}
    return {"summary": summary, "responses": answers, **more}


def _answer(status: int, content: str) -> dict[str, Any]:
    if status in _REFUSALS:
        return {"description": _REFUSALS[status], "content": {"application/json": {"schema": _ERROR}}}
    return {"description": "done", "content": {content: {"schema": _OBJECT if "json" in content else _TEXT}}}


_ERROR = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {"code": _TEXT, "message": _TEXT, "request_id": _TEXT},
            "required": ["code", "message", "request_id"],
        }
    },
    "required": ["error"],
}
_REFUSALS = {
    400: "not a request of this kind",
    401: "Basic auth is wanted",
    403: "a page of another site, or a name that is not this backend's",
    404: "no such project or path",
    405: "another method is wanted",
    409: "the project does not stand so now: it has no model version yet, is paused, or the page is older than it",
    413: "more than the endpoint reads",
    415: "JSON is wanted",
    422: "a labeling config, setting or answer that cannot be used",
    429: "more requests than one address may send",
    503: "Redis does not answer, or a large request is being answered",
}
_HEALTH = {"get": _says("Alive", 200, security=[])}
_EVENT: dict[str, Any] = {"annotation": {}, "annotations": {}, "task": {}, "tasks": {}}


def _form(optional: dict[str, Any], required: dict[str, Any] | None = None) -> dict[str, Any]:
    schema = {"type": "object", "properties": optional | (required or {}), "required": list(required or {})}
    return {"required": True, "content": {"application/x-www-form-urlencoded": {"schema": schema}}}


_FORM = _form({"made_at": _TEXT}, {"answer": _TEXT})
_VERSION_FORM = _form({}, {"question": {"type": "integer"}, "version": {"type": "integer"}})

_COUNT = {"type": "integer", "minimum": 1, "maximum": 1000}
_APPLY_FORM = _form(
    {"precision": {"type": "number", "minimum": 0.5, "maximum": 0.999}, "question": _TEXT, "count": _COUNT},
    {"do": {"type": "string", "enum": ["check", "predictions", "annotations", "sample", "undo"]}},
)
_FIND_FORM = _form(
    {"by": {"type": "string", "enum": ["words", "like", "label"]}, "count": _COUNT},
    {"sought": {"type": "string", "minLength": 1, "maxLength": 1000}},
)


def _button(summary: str, **more: Any) -> dict[str, Any]:
    """A button of a project's page; its form carries the token of the page."""
    return {"post": _says(summary, 303, 409, content="text/html", parameters=[_PROJECT_ID], **more)}


_PATHS = {
    "/": {"get": _says("Alive; for browsers a page of all projects", 200, security=[])},
    "/health": _HEALTH,
    "/ready": {"get": _says("Whether Redis, a worker, the disk, Label Studio and the last rounds are well", 200)},
    "/openapi.json": {"get": _says("This description", 200)},
    "/setup": {
        "post": _says(
            "Connect a project",
            200,
            requestBody=_json_body({"project": _PROJECT, "schema": _TEXT}, {"extra_params": {}, "hostname": _TEXT}),
        )
    },
    "/predict": {
        "post": _says(
            "One prediction a task",
            200,
            requestBody=_json_body(
                {"project": _PROJECT, "label_config": _TEXT, "tasks": {"type": "array", "items": _TASK}}
            ),
        )
    },
    "/webhook": {
        "post": _says(
            "Something changed in Label Studio",
            200,
            201,
            requestBody=_json_body({"action": _TEXT, "project": _PROJECT}, _EVENT),
        )
    },
    "/train": {
        "post": _says("Start Training", 201, requestBody=_json_body({"project": _PROJECT})),
    },
    "/versions": {
        "get": _says("Published version and model versions", 200, parameters=[_PROJECT_QUERY]),
        "post": _says("The same, of the project in the body", 200, requestBody=_json_body({"project": _PROJECT})),
    },
    "/projects/{project_id}/status": {"get": _says("Where a project stands", 200, parameters=[_PROJECT_ID])},
    "/projects/{project_id}/classify": {
        "post": _says(
            "The answer of the model in use to each text",
            200,
            parameters=[_PROJECT_ID],
            requestBody=_json_body({"texts": {"type": "array", "items": _TEXT, "maxItems": MOST_TEXTS}}),
        )
    },
    "/projects/{project_id}/prompt": {
        "get": _says("The prompt for a chat window, as a page", 200, content="text/html", parameters=[_PROJECT_ID]),
        "post": _says(
            "The answer of a chat window", 200, content="text/html", parameters=[_PROJECT_ID], requestBody=_FORM
        ),
    },
    "/projects/{project_id}": {
        "get": _says("Where a project stands, as a page", 200, content="text/html", parameters=[_PROJECT_ID])
    },
    "/projects/{project_id}/train": _button("Train now"),
    "/projects/{project_id}/pause": _button("Rounds neither train nor publish from now on"),
    "/projects/{project_id}/resume": _button("Rounds train and publish again"),
    "/projects/{project_id}/version": _button("Use another model version", requestBody=_VERSION_FORM),
    "/projects/{project_id}/apply": _button("Label the rest, as far as it can be promised", requestBody=_APPLY_FORM),
    "/projects/{project_id}/find": _button("Have people label what somebody looks for next", requestBody=_FIND_FORM),
    "/projects/{project_id}/find/end": _button("End the search"),
    "/projects/{project_id}/stop": _button("Stop what a worker was asked to do on the page"),
    "/metrics": {"get": _says("Prometheus' text format", 200, content="text/plain")},
}
