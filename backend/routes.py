"""Label Studio's contract over HTTP: parse, ask, answer. Nothing is trained or loaded here."""

from typing import Any

from flask import Blueprint, Response, current_app, jsonify, request

from backend.contract import START_TRAINING, Event, parse_event, parse_predict, parse_project_id, parse_setup
from backend.dashboard import metrics_text, project_status
from backend.labeling_config import read_labeling_config
from backend.plugin import Service, ShortlistModel
from backend.projects import Connection

# Connecting makes Label Studio create a webhook, and set the project's model version, right after it called /setup: a
# second round finds the one and mends the other.
AFTER_SETUP_S = 5.0

routes = Blueprint("shortlist", __name__)


@routes.get("/health")
@routes.get("/")
def health() -> Response:
    """Alive. Asks nobody anything: Label Studio waits one second."""
    return jsonify({"status": "UP", "model_class": ShortlistModel.__name__})


@routes.post("/setup")
def setup() -> Response:
    """A project connects: remember its settings, ask for a round, answer at once."""
    asked = parse_setup(_body())
    service = _service()
    read_labeling_config(asked.label_config)
    service.settings.for_project(asked.extra_params)
    folder = service.folder(asked.project_id)
    folder.save_connection(Connection(request.host, asked.extra_params))
    service.rounds.request(asked.project_id)
    service.rounds.request_later(asked.project_id, AFTER_SETUP_S)
    return jsonify({"model_version": folder.published_name(), "status": "queued"})


@routes.post("/predict")
def predict() -> Response:
    """One prediction a task, always."""
    asked = parse_predict(_body())
    model = ShortlistModel(asked.label_config, project_id=asked.project_id, service=_service())
    return jsonify(
        {
            "results": model.predict_tasks(asked.tasks, asked.project_id),
            "model_version": _service().folder(asked.project_id).published_name(),
        }
    )


@routes.post("/webhook")
def receive_event() -> tuple[Response, int]:
    """Something changed: ask for a round; never train here."""
    event = parse_event(_body())
    answer = ShortlistModel(project_id=event.project_id, service=_service()).fit_on(event)
    return jsonify(answer), 201 if answer["status"] == "queued" else 200


@routes.post("/train")
def start_training() -> tuple[Response, int]:
    """Start Training, as older Label Studio versions ask for it."""
    body = _body()
    event = Event(START_TRAINING, parse_project_id(body.get("project") if isinstance(body, dict) else None))
    return jsonify(ShortlistModel(project_id=event.project_id, service=_service()).fit_on(event)), 201


@routes.route("/versions", methods=["GET", "POST"])
def versions() -> Response:
    """The published version, and the model versions that can be rolled back to."""
    body = request.get_json(force=True, silent=True)
    named = body.get("project") if isinstance(body, dict) else request.args.get("project")
    if named is None:
        return jsonify({"versions": []})
    folder = _service().folder(parse_project_id(named))
    name = folder.published_name()
    return jsonify({"versions": [name] if name else [], "models": folder.registry.numbers()})


@routes.get("/projects/<int:project_id>/status")
def status(project_id: int) -> Response:
    """Where a project stands."""
    return jsonify(project_status(_service(), project_id))


@routes.get("/metrics")
def metrics() -> Response:
    """Prometheus' text format."""
    return Response(metrics_text(_service()), mimetype="text/plain")


def _body() -> Any:
    return request.get_json(force=True)


def _service() -> Service:
    service: Service = current_app.extensions["shortlist"]
    return service
