"""The pages for people: all projects, one project, and its buttons."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, current_app, g, jsonify, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from backend.applying.finding import end_search
from backend.errors import InvalidRequestError, NotConnectedError, RedisUnavailableError
from backend.rounds.asking.when import when_ordered
from backend.store.project_folder import ProjectFolder, known_projects
from backend.web.deciding import ask_errand, pause, resume, stop_errand, train_now, use_version
from backend.web.entrance.forms import check_token, form_token, give_token
from backend.web.entrance.limits import refuse_endless_ids
from backend.web.pages.rest_forms import read_apply, read_find
from backend.web.report.charts import percent, random_accuracy
from backend.web.report.project_report import SHOWN_SUSPECTS, project_report
from backend.web.service import Service
from backend.web.status import state_for_people, status_or_fault
from backend.work.states import FAILED, IDLE
from model.errors import ShortlistError
from model.figures.random_labels import LEAST_TEXTS
from model.figures.shares import Share
from model.judging.growth import NEXT_LABELS

# The name that Label Studio shows for a backend; `backend/plugin.py` has the class.
MODEL_CLASS = "ShortlistModel"
NO_FIGURE = "—"
# Words for what a button did, by the value of `done` in the address afterwards; `when` an order follows.
_DONE = {
    "train": "A training was asked for. It begins as soon as a worker is free.",
    "pause": "The project is paused: a round that runs now ends as usual, and no later one trains or publishes.",
    "resume": "The project goes on: a round looks at everything that changed meanwhile.",
    "version": "Another model version is in use. A new order by it is published {when}.",
    "errand": "A worker begins as soon as one is free, and this page shows its progress.",
    "stop": "The work is stopped. Labels that were written already can be taken back.",
    "end": "The search is ended. The order is as before the search, {when}.",
}

pages = Blueprint("pages", __name__)
pages.before_request(refuse_endless_ids)


@pages.before_request
def _check_form() -> None:
    """Refuse a form without the token of our page."""
    if request.method == "POST":
        check_token(request)


def wants_page() -> bool:
    """Whether the present request is a browser's, which reads HTML; programs get JSON."""
    return request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html"


@pages.get("/")
def front() -> Response:
    """Show people all projects; answer programs as /health does."""
    if not wants_page():
        return alive()
    service = _service()
    ids = known_projects(service.settings.model_dir)
    rows = [(project_id, status_or_fault(service, project_id)) for project_id in ids]
    shown = [(project_id, None if isinstance(status, Exception) else status) for project_id, status in rows]
    return _page("projects.html", projects=shown)


def alive() -> Response:
    """Answer that the backend is up, without asking Redis or Label Studio: Label Studio waits one second."""
    return jsonify({"status": "UP", "model_class": MODEL_CLASS})


@pages.get("/projects/<int:project_id>")
def project(project_id: int) -> Response:
    """Show one project: its state, its classifier's figures, the next texts, and buttons."""
    done = _DONE.get(request.args.get("done", ""), "")
    return _project_page(project_id, done=done.format(when=when_ordered(_service().folder(project_id))))


@pages.post("/projects/<int:project_id>/train")
def train(project_id: int) -> AnyResponse:
    """Take the button Train now."""
    return _decide(project_id, "train", train_now)


@pages.post("/projects/<int:project_id>/pause")
def pause_project(project_id: int) -> AnyResponse:
    """Take the button Pause."""
    return _decide(project_id, "pause", lambda _, folder: pause(folder))


@pages.post("/projects/<int:project_id>/resume")
def resume_project(project_id: int) -> AnyResponse:
    """Take the button Resume."""
    return _decide(project_id, "resume", resume)


@pages.post("/projects/<int:project_id>/version")
def choose_version(project_id: int) -> AnyResponse:
    """Take a button that rolls back to a model version, or promotes one."""
    place, number = _number("question"), _number("version")
    use = lambda service, folder: use_version(service, folder.of_question(place), number)  # noqa: E731
    return _decide(project_id, "version", use)


@pages.post("/projects/<int:project_id>/apply")
def apply(project_id: int) -> AnyResponse:
    """Take a button that labels the rest: check the promise, write, undo, or have people look at a sample."""
    return _decide(project_id, "errand", lambda service, folder: ask_errand(service, folder, read_apply(request.form)))


@pages.post("/projects/<int:project_id>/find")
def find(project_id: int) -> AnyResponse:
    """Take a search: the nearest texts come next."""
    return _decide(project_id, "errand", lambda service, folder: ask_errand(service, folder, read_find(request.form)))


@pages.post("/projects/<int:project_id>/find/end")
def end_find(project_id: int) -> AnyResponse:
    """Take the button that ends a search."""
    return _decide(project_id, "end", lambda service, folder: end_search(folder, service.rounds))


@pages.post("/projects/<int:project_id>/stop")
def stop(project_id: int) -> AnyResponse:
    """Take the button that stops an errand of a worker."""
    return _decide(project_id, "stop", stop_errand)


def _decide(project_id: int, what: str, decide: Callable[[Service, ProjectFolder], object]) -> AnyResponse:
    """Do what a button says, and show the page again; if it cannot be done, the page says why."""
    folder = _connected_folder(project_id)
    try:
        decide(_service(), folder)
    except RedisUnavailableError:
        raise
    except ShortlistError as error:
        page = _project_page(project_id, wrong=str(error))
        page.status_code = 409
        return page
    # By GET: a page that is loaded again must not press the button again.
    return redirect(url_for("pages.project", project_id=project_id, done=what), code=303)


def _number(field: str) -> int:
    raw = request.form.get(field, "")
    if not (raw.isascii() and raw.isdigit() and len(raw) < 10):
        raise InvalidRequestError(f"the form's {field!r} is no number: load the page again")
    return int(raw)


def _project_page(project_id: int, **said: str) -> Response:
    report = project_report(_service(), project_id)
    is_busy = report.status["state"] not in (IDLE, FAILED) or report.rest.is_under_way
    bounds = {"most_suspects": SHOWN_SUSPECTS, "least_random": LEAST_TEXTS, "next_labels": NEXT_LABELS}
    return _page("project.html", report=report, is_busy=is_busy, **bounds, **said)


def _page(template: str, **shown: object) -> Response:
    token = form_token(request)
    page = render_template(template, token=token, nonce=g.nonce, **shown)
    response = give_token(Response(page, mimetype="text/html"), token, is_secure=request.is_secure)
    response.vary.add("Accept")
    return response


def _connected_folder(project_id: int) -> ProjectFolder:
    folder = _service().folder(project_id)
    if not folder.is_known():
        raise NotConnectedError(
            f"project {project_id} is not connected here: connect it in Label Studio → Settings → Model"
        )
    return folder


def _service() -> Service:
    service: Service = current_app.extensions["shortlist"]
    return service


# Words of templates


@pages.app_template_filter("percent")
def _percent(value: float | None) -> str:
    return NO_FIGURE if value is None else percent(value)


@pages.app_template_filter("interval")
def _interval(share: Share) -> str:
    """The 95 % interval of a share, in words."""
    return "" if share.interval is None else f"{percent(share.interval[0])} to {percent(share.interval[1])}"


@pages.app_template_filter("random_accuracy")
def _random_accuracy(training: object) -> object:
    return random_accuracy(training)  # type: ignore[arg-type]


@pages.app_template_filter("state")
def _state(status: dict[str, Any]) -> str:
    return state_for_people(status)


@pages.app_template_filter("sentence")
def _sentence(words: str) -> str:
    """Words that begin in lower case, as a sentence."""
    return f"{words[:1].upper()}{words[1:]}."


@pages.app_template_filter("when")
def _when(seconds: float | None) -> str:
    """A time in UTC, to the minute; none for a number that no calendar has."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M") if seconds else NO_FIGURE
    except (OverflowError, ValueError):
        return NO_FIGURE


@pages.app_template_filter("lasting")
def _lasting(seconds: float) -> str:
    """A duration, in the unit that people would use."""
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
