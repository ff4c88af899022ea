"""Connect a project to this backend over the API, and explain what Label Studio says when it cannot."""

import json
import re
from collections.abc import Mapping
from typing import Any

import httpx

from backend.errors import ConfigurationError, LabelStudioError
from backend.settings import Settings, parse_extra_params
from backend.studio.client import LabelStudioClient
from backend.studio.labeling_config import read_labeling_config
from model.tasks.label_names import check_described

TITLE = "Shortlist"


def connect_project(
    settings: Settings, project_id: int, url: str, descriptions: Mapping[str, str] | None = None
) -> str:
    """Do what Settings → Model → Connect Model does; returns a sentence that says so.

    Args:
        settings: of Label Studio, and the credentials that it needs for the backend.
        project_id: which project.
        url: the backend, as Label Studio sees it.
        descriptions: text by label that says what it means; None to leave descriptions as they are.

    Raises:
        LabelStudioError: Label Studio refused; the message names the reason and the fix.
        UnsupportedConfigError: the project's labeling config cannot be learned.
        LabelDescriptionError: a description is of a label that the labeling config does not have.
    """
    with LabelStudioClient(settings) as client:
        return connect_over(client, settings, project_id, url, descriptions)


def connect_over(
    client: LabelStudioClient, settings: Settings, project_id: int, url: str, descriptions: Mapping[str, str] | None
) -> str:
    """`connect_project` over an open connection to Label Studio."""
    labels = read_labeling_config(client.project(project_id).label_config).label_set.labels
    check_described(labels, descriptions or {})
    backend = {"url": url, **_credentials(settings)}
    connected = [known for known in client.backends(project_id) if known.url.rstrip("/") == url.rstrip("/")]
    if connected and descriptions is None:
        return f"Project {project_id} is connected to {url} already."
    if connected:
        changes = {**backend, "project": project_id, **described(connected[0].extra_params, descriptions)}
        _check(client.update_backend(connected[0].id, changes), url)
        told = f"{len(descriptions or {})} of its {len(labels)} labels"
        return f"Project {project_id} is connected to {url} and describes {told} now."
    new = {**backend, "title": TITLE, **(described(None, descriptions) if descriptions else {})}
    _check(client.connect_backend(project_id, new), url)
    return f"Project {project_id} is connected to {url}: open it in Label Studio and label."


def described(extra_params: Any, descriptions: Mapping[str, str] | None) -> dict[str, Any]:
    """A backend's extra params with these label descriptions in place of others."""
    return {"extra_params": {**parse_extra_params(extra_params), "label_descriptions": dict(descriptions or {})}}


def _check(response: httpx.Response, url: str) -> None:
    if response.is_error:
        raise refusal(response, url)


def _credentials(settings: Settings) -> dict[str, str]:
    if settings.basic_auth_user is None or settings.basic_auth_pass is None:
        return {"auth_method": "NONE"}
    return {
        "auth_method": "BASIC_AUTH",
        "basic_auth_user": settings.basic_auth_user,
        "basic_auth_pass": settings.basic_auth_pass.get_secret_value(),
    }


def refusal(response: httpx.Response, url: str) -> LabelStudioError | ConfigurationError:
    """What Label Studio's refusal to connect means, and what to do about it."""
    said = refusal_text(response)
    if is_blocked(said):
        return LabelStudioError(f"Label Studio refuses {url}, a private address: {BLOCKED_FIX}")
    if "resolve hostname" in said:
        return LabelStudioError(f"Label Studio cannot resolve the host of {url}: give its name as Label Studio sees it")
    if "health check failed" in said:
        return LabelStudioError(f"Label Studio cannot reach {url}: {UNREACHABLE_FIX}")
    return LabelStudioError(f"Label Studio refuses {url} ({response.status_code}): {said[:300]}")


BLOCKED_FIX = "start it with ML_BLOCK_LOCAL_IP=false and SSRF_PROTECTION_ENABLED=false in its environment"
UNREACHABLE_FIX = (
    "is the backend running, and is that its address as Label Studio sees it? "
    "(in Docker the service's name, not localhost)"
)


def is_blocked(said: str) -> bool:
    """Whether Label Studio refused a private address, rather than failing to reach it."""
    return "reserved network address" in said


def refusal_text(response: httpx.Response) -> str:
    """The words of a refusal, without markup."""
    try:
        words = json.dumps(response.json(), ensure_ascii=False)
    except ValueError:
        words = response.text
    return re.sub(r"<[^>]*>", "", words)
