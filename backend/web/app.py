"""Flask app factory: the door, authentication, limits, headers, error table, request id."""

import logging
import secrets
import time
import uuid
from pathlib import Path

from flask import Flask, Response, current_app, g, jsonify, render_template, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestEntityTooLarge

from backend.errors import HTTP_STATUS, SYSTEM, WrongSecretError, system_refused
from backend.logs import start_logging
from backend.settings import Settings, load_settings
from backend.studio.webhooks import HEADER
from backend.web.entrance.authentication import is_admitted, signed_project
from backend.web.entrance.door import Door
from backend.web.entrance.limits import let_next_in, limit_body, too_large
from backend.web.pages.project_pages import pages, wants_page
from backend.web.readiness import Readiness
from backend.web.routes import routes
from backend.web.service import Service, open_service
from model.errors import ShortlistError

_REASON_CHARACTERS = 300
_HEALTH, _FRONT = "shortlist.health", "pages.front"
_WEBHOOK = "shortlist.receive_event"
# A page of ours loads nothing, runs and styles itself with what stands in it alone, and is shown in no frame.
_POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
_SAFE_HEADERS = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    # With no-referrer a browser would send our own forms with the Origin "null".
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

log = logging.getLogger(__name__)


def create_app(service: Service | None = None) -> Flask:
    """The web application.

    Args:
        service: what requests are answered with; by default made from the environment.

    Raises:
        ConfigurationError: a setting is wrong.
        RedisUnavailableError: there is no Redis to ask.
    """
    if service is None:
        settings = load_settings()
        start_logging(settings)
        service = open_service(settings)
    app = Flask("shortlist", root_path=str(Path(__file__).parent), template_folder="pages")
    app.extensions["shortlist"] = service
    app.extensions["shortlist-readiness"] = Readiness(service)
    app.register_blueprint(routes)
    app.register_blueprint(pages)
    app.extensions["shortlist-door"] = Door(service.settings)
    app.before_request(_begin)
    app.before_request(_check_door)
    app.before_request(_check_credentials)
    app.before_request(limit_body)
    app.after_request(_end)
    app.teardown_request(let_next_in)
    app.register_error_handler(ShortlistError, _refuse)
    app.register_error_handler(HTTPException, _refuse_http)
    app.register_error_handler(RequestEntityTooLarge, _refuse_too_large)
    app.register_error_handler(RecursionError, _refuse_nesting)
    app.register_error_handler(OSError, _blame_system)
    app.register_error_handler(Exception, _apologise)
    return app


def _begin() -> None:
    g.began = time.monotonic()
    g.request_id = uuid.uuid4().hex[:12]
    g.nonce = secrets.token_urlsafe(16)
    g.signed_project = None
    g.has_password = False


def _check_door() -> None:
    if not _is_open():
        current_app.extensions["shortlist-door"].check(request)


def _is_open() -> bool:
    """Whether the request only asks if the backend is up; `/` shows people more than programs."""
    return request.endpoint == _HEALTH or (request.endpoint == _FRONT and not wants_page())


def _check_credentials() -> Response | None:
    settings: Settings = current_app.extensions["shortlist"].settings
    if _is_open():
        return None
    if request.endpoint == _WEBHOOK and (header := request.headers.get(HEADER)) is not None:
        g.signed_project = signed_project(settings, header)
        if g.signed_project is None and not settings.is_locked:
            raise WrongSecretError("the webhook's secret is wrong: the next round gives Label Studio the right one")
    if g.signed_project is not None or _has_password(settings):
        return None
    response = _error(401, "unauthorized", "this backend wants Basic auth: BASIC_AUTH_USER and BASIC_AUTH_PASS")
    response.headers["WWW-Authenticate"] = 'Basic realm="shortlist"'
    return response


def _has_password(settings: Settings) -> bool:
    """Whether the request has the password, or none is needed."""
    door: Door = current_app.extensions["shortlist-door"]
    if request.authorization is not None and settings.is_locked:
        door.check_password_tries(request)
    is_in = is_admitted(settings, request.authorization)
    g.has_password = is_in and settings.is_locked
    if not is_in and request.authorization is not None:
        door.count_wrong_password(request)
    return is_in


def _end(response: Response) -> Response:
    response.headers["X-Request-ID"] = g.request_id
    response.headers.update(_SAFE_HEADERS)
    response.headers["Content-Security-Policy"] = _POLICY.format(nonce=g.nonce)
    log.info(
        "event=request method=%s path=%s status=%d ms=%.1f request=%s",
        request.method,
        request.path,
        response.status_code,
        1000 * (time.monotonic() - g.began),
        g.request_id,
    )
    return response


def _refuse(error: ShortlistError) -> Response:
    log.warning("event=refused code=%s request=%s reason=%s", error.code, g.request_id, _one_line(str(error)))
    status = next((HTTP_STATUS[kind] for kind in type(error).__mro__ if kind in HTTP_STATUS), 500)
    return _error(status, error.code, str(error))


def _refuse_http(error: HTTPException) -> Response:
    response = _error(error.code or 500, error.name.lower().replace(" ", "_"), error.description or error.name)
    if isinstance(error, MethodNotAllowed):
        response.allow.update(error.valid_methods or ())
    return response


def _refuse_too_large(_: RequestEntityTooLarge) -> Response:
    return _error(413, "too_large", too_large())


def _refuse_nesting(_: RecursionError) -> Response:
    return _error(400, "bad_request", "the JSON is nested too deeply")


def _blame_system(error: OSError) -> Response:
    """Say what the disk or the system refused; the path of the file is for the log alone."""
    if error.strerror is None:
        return _apologise(error)
    log.error("event=system_refused request=%s", g.request_id, exc_info=error)
    return _error(503, SYSTEM, system_refused(error.strerror))


def _apologise(error: Exception) -> Response:
    log.error("event=crash request=%s kind=%s", g.request_id, type(error).__name__, exc_info=error)
    return _error(500, "internal", "something went wrong here; the log has it under this request id")


def _error(status: int, code: str, message: str) -> Response:
    if request.blueprint in (pages.name, None) and wants_page():
        response = Response(render_template("refusal.html", nonce=g.nonce, message=message, request_id=g.request_id))
    else:
        response = jsonify({"error": {"code": code, "message": message, "request_id": g.request_id}})
    # Label Studio shows people the reason phrase of a refusal, and nothing else of it.
    response.status = f"{status} {_one_line(message)[:_REASON_CHARACTERS]}"
    return response


def _one_line(text: str) -> str:
    return " ".join(text.split()).encode("ascii", "replace").decode("ascii")
