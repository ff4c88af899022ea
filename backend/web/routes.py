"""Label Studio's contract over HTTP: parse, ask, answer. Nothing is trained or loaded here."""

from dataclasses import asdict

from flask import Blueprint, Response, current_app, g, jsonify, render_template, request
from werkzeug.exceptions import RequestEntityTooLarge

from backend.errors import (
    InvalidRequestError,
    NotConnectedError,
    StaleAnswerError,
    WrongSecretError,
)
from backend.store.project_folder import ProjectFolder
from backend.studio.config.kinds import check_asked_for, labels_of, read_tasks
from backend.studio.contract import START_TRAINING, Event, parse_event, parse_predict, parse_project_id, parse_setup
from backend.web.answering import answer_texts, parse_texts
from backend.web.entrance.forms import check_token, form_token, give_token
from backend.web.entrance.limits import read_body, read_json, refuse_endless_ids
from backend.web.events import note_setup, take_event, take_too_large_event
from backend.web.metrics import metrics_text
from backend.web.openapi import openapi
from backend.web.pages.pasting import prompt_of, take_answer
from backend.web.pages.project_pages import alive
from backend.web.predicting import predict as answer_tasks
from backend.web.readiness import Part
from backend.web.service import Service
from backend.web.status import project_status
from model.errors import LLMError
from model.tasks.label_names import check_described

# Connecting makes Label Studio create a webhook, and set the project's model version, right after it called /setup: a
# second round finds the one and fixes the other.
AFTER_SETUP_S = 5.0

routes = Blueprint("shortlist", __name__)
routes.before_request(refuse_endless_ids)


@routes.get("/health")
def health() -> Response:
    """Alive. Asks nobody anything: Label Studio waits one second."""
    return alive()


@routes.get("/ready")
def ready() -> tuple[Response, int]:
    """Whether Redis, worker, disk, Label Studio and the last rounds are well: 200, else 503. Each with a sentence."""
    parts: dict[str, Part] = current_app.extensions["shortlist-readiness"].parts()
    is_ready = all(part.is_well for part in parts.values())
    said = {name: asdict(part) for name, part in parts.items()}
    return jsonify({"is_ready": is_ready, "parts": said}), 200 if is_ready else 503


@routes.get("/openapi.json")
def description() -> Response:
    """The OpenAPI description of every endpoint."""
    return jsonify(openapi())


@routes.post("/setup")
def setup() -> Response:
    """A project asks to be connected: check its settings, ask for a round, answer at once.

    Anybody can send this. So nothing of it is kept but its time; a round asks Label Studio whether it is true.
    """
    asked = parse_setup(read_json())
    service = _service()
    questions, own = read_tasks(asked.label_config), service.settings.for_project(asked.extra_params)
    check_described(labels_of(questions), own.label_descriptions)
    check_asked_for(questions, own.ask_for)
    folder = service.folder(asked.project_id)
    if proof := folder.proof.read():
        # A round has Label Studio call its ML backends, to see which of them is this one.
        return jsonify({"model_version": proof, "status": "connecting"})
    note_setup(service, folder)
    service.rounds.request(asked.project_id)
    service.rounds.request_later(asked.project_id, AFTER_SETUP_S)
    return jsonify({"model_version": folder.publications.name(), "status": "queued"})


@routes.post("/predict")
def predict() -> Response:
    """One prediction a task, always."""
    asked = parse_predict(read_json())
    results = answer_tasks(_service(), asked.project_id, asked.label_config, asked.tasks)
    return jsonify({"results": results, "model_version": _service().folder(asked.project_id).publications.name()})


@routes.post("/webhook")
def receive_event() -> tuple[Response, int]:
    """Something changed: ask for a round; never train here."""
    try:
        event = parse_event(read_json())
    except RequestEntityTooLarge:
        return jsonify(take_too_large_event(_service())), 201
    _connected_folder(event.project_id)
    answer = take_event(_service(), event if _is_vouched_for(event) else event.without_details())
    return jsonify(answer), 201 if answer["status"] == "queued" else 200


@routes.post("/train")
def start_training() -> tuple[Response, int]:
    """Start Training, as older Label Studio versions ask for it."""
    body = read_json()
    event = Event(START_TRAINING, parse_project_id(body.get("project") if isinstance(body, dict) else None))
    _connected_folder(event.project_id)
    return jsonify(take_event(_service(), event)), 201


@routes.route("/versions", methods=["GET", "POST"])
def versions() -> Response:
    """The published version, and the model versions that can be rolled back to."""
    body = request.get_json(force=True, silent=True) if read_body() else None
    named = body.get("project") if isinstance(body, dict) else request.args.get("project")
    if named is None:
        return jsonify({"versions": []})
    folder = _service().folder(parse_project_id(named))
    name = folder.publications.name()
    return jsonify({"versions": [name] if name else [], "models": folder.registry.numbers()})


@routes.get("/projects/<int:project_id>/status")
def status(project_id: int) -> Response:
    """Where a project stands."""
    return jsonify(project_status(_service(), project_id))


@routes.post("/projects/<int:project_id>/classify")
def classify(project_id: int) -> Response:
    """The answer of the model in use to each text."""
    texts = parse_texts(read_json())
    return jsonify(answer_texts(_service(), _connected_folder(project_id), texts))


@routes.get("/projects/<int:project_id>/prompt")
def prompt(project_id: int) -> Response:
    """For people with a chat window: the prompt, and where its answer goes."""
    return _paste_page(project_id)


@routes.post("/projects/<int:project_id>/prompt")
def take_pasted_answer(project_id: int) -> tuple[Response, int]:
    """The answer of a chat window: keep its picks and ask for a round."""
    check_token(request)
    answer = request.form.get("answer", "")
    try:
        selection = take_answer(_connected_folder(project_id), answer, _made_at(request.form.get("made_at")))
    except StaleAnswerError as error:
        # Not shown again: sent once more, it would be taken for an answer to the new question.
        return _paste_page(project_id, wrong=f"That cannot be used: {error}"), 422
    except (InvalidRequestError, LLMError) as error:
        return _paste_page(project_id, wrong=f"That cannot be used: {error}", answer=answer), 422
    _service().rounds.request(project_id)
    return _paste_page(project_id, said=f"{len(selection.picks)} texts are asked for first, in a moment."), 200


@routes.get("/metrics")
def metrics() -> Response:
    """Prometheus' text format."""
    return Response(metrics_text(_service()), mimetype="text/plain")


def _paste_page(project_id: int, **said: str) -> Response:
    prompt, token = prompt_of(_connected_folder(project_id)), form_token(request)
    page = render_template("paste.html", project=project_id, prompt=prompt, token=token, nonce=g.nonce, **said)
    return give_token(Response(page, mimetype="text/html"), token, is_secure=request.is_secure)


def _connected_folder(project_id: int) -> ProjectFolder:
    """The folder of a connected project; nothing is shown of another."""
    folder = _service().folder(project_id)
    if not folder.is_connected():
        raise NotConnectedError(
            f"project {project_id} is not connected here: connect it in Label Studio → Settings → Model"
        )
    return folder


def _is_vouched_for(event: Event) -> bool:
    """Whether a webhook comes from Label Studio: it has the project's secret, or our password.

    Raises:
        WrongSecretError: it has the secret of another project.
    """
    if g.signed_project not in (None, event.project_id):
        raise WrongSecretError("the webhook has the secret of another project")
    return g.signed_project is not None or g.has_password


def _made_at(raw: str | None) -> float | None:
    try:
        return None if raw is None else float(raw)
    except ValueError as error:
        raise InvalidRequestError("the form's 'made_at' is no number: load the page again") from error


def _service() -> Service:
    service: Service = current_app.extensions["shortlist"]
    return service
