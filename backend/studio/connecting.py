"""Connect a project to this backend over Label Studio's API, and explain Label Studio's refusals."""

import json
import re
from collections.abc import Mapping
from typing import Any

import httpx

from backend.errors import ConfigurationError, LabelStudioError
from backend.settings import LLMLabels, Settings, parse_extra_params
from backend.store.project_folder import ProjectFolder
from backend.studio.client import LabelStudioClient
from backend.studio.config.kinds import labels_of, read_tasks
from backend.studio.markup import words_of
from backend.studio.webhooks import rotate_secret
from model.tasks.label_names import check_described

TITLE = "Shortlist"
# In the backend's refusal of a Host; Label Studio repeats it to whoever connects.
_REFUSED_NAME = re.compile(r"does not go by the name '([^']*)'")


def connect_project(
    settings: Settings, project_id: int, url: str, descriptions: Mapping[str, str] | None = None
) -> str:
    """Connect a project, as Settings → Model → Connect Model in Label Studio does.

    Args:
        settings: Label Studio's address and key, and the backend's Basic auth credentials.
        project_id: the project.
        url: the backend's address, as Label Studio reaches it.
        descriptions: the meaning of each label, by label; None to keep the present descriptions.

    Returns:
        The result, in a sentence for people.

    Raises:
        LabelStudioError: Label Studio refused; the message names the reason and the fix.
        UnsupportedConfigError: the labeling config asks for no text classification that we can learn.
        LabelDescriptionError: `descriptions` names a label that the labeling config lacks.
    """
    with LabelStudioClient(settings) as client:
        return connect_over(client, settings, project_id, url, descriptions)


def connect_over(
    client: LabelStudioClient, settings: Settings, project_id: int, url: str, descriptions: Mapping[str, str] | None
) -> str:
    """Connect a project over an open client; see `connect_project`."""
    questions = read_tasks(client.project(project_id).label_config)
    labels = labels_of(questions)
    check_described(labels, descriptions or {})
    backend = {"url": url, **_credentials(settings)}
    connected = [found for found in client.backends(project_id) if found.url.rstrip("/") == url.rstrip("/")]
    folder = ProjectFolder(settings.model_dir, project_id)
    is_rotated = bool(connected) and rotate_secret(client, folder)
    # The next round makes the tab Next up again if somebody deleted it.
    folder.next_up.remove()
    rotated = " Its webhook has a new secret." if is_rotated else ""
    is_learned = any(question.is_learned for question in questions)
    if connected and descriptions is None:
        drafted = "" if is_learned else drafts_in_words(settings, parse_extra_params(connected[0].extra_params))
        return f"Project {project_id} is connected to {url} already.{rotated}{drafted}"
    if connected:
        changes = {**backend, "project": project_id, **_described(connected[0].extra_params, descriptions)}
        _check(client.update_backend(connected[0].id, changes), url)
        count = f"{len(descriptions or {})} of its {len(labels)} labels"
        return f"Project {project_id} is connected to {url} and describes {count} now.{rotated}"
    new = {**backend, "title": TITLE, **(_described(None, descriptions) if descriptions else {})}
    _check(client.connect_backend(project_id, new), url)
    only = " Its answers are free text: no classifier learns them, texts are only put in order."
    about = "" if is_learned else f"{only}{drafts_in_words(settings, {})}"
    return f"Project {project_id} is connected to {url}: open it in Label Studio and label.{about}"


def drafts_in_words(settings: Settings, extra_params: Mapping[str, Any]) -> str:
    """Say what LLM_LABELS does for answers in free text, in sentences behind others; empty without an LLM.

    Args:
        settings: the process's.
        extra_params: the project's own settings.
    """
    try:
        use = settings.for_project(extra_params).llm_labels
    except ConfigurationError:
        # Connecting refuses them, with the reason.
        return ""
    if not settings.llm_provider or use is LLMLabels.OFF:
        return ""
    only_show = f" Of LLM_LABELS={use.value} only `show` applies: nothing is routed, and nothing trains on a draft."
    return f" {settings.llm_name} drafts them.{only_show if use.includes(LLMLabels.ROUTE) else ''}"


def _described(extra_params: Any, descriptions: Mapping[str, str] | None) -> dict[str, Any]:
    """Return an ML backend's extra params with its label descriptions replaced."""
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


def refusal(response: httpx.Response, url: str) -> LabelStudioError:
    """Explain why Label Studio refused to connect, and name the fix.

    Args:
        response: Label Studio's answer, a client or server error.
        url: the backend's address in the refused request.
    """
    text = refusal_text(response)
    if is_blocked(text):
        return LabelStudioError(f"Label Studio refuses {url}, a private address", BLOCKED_FIX)
    if "resolve hostname" in text:
        return LabelStudioError(
            f"Label Studio cannot resolve the host of {url}", "give its name as Label Studio sees it"
        )
    if name := refused_name(text):
        return LabelStudioError(f"the backend at {url} does not go by the name {name!r}", allowed_hosts_fix(name))
    if "health check failed" in text:
        return LabelStudioError(f"Label Studio cannot reach {url}", UNREACHABLE_FIX)
    return LabelStudioError(f"Label Studio refuses {url} ({response.status_code}): {text[:300]}")


def refused_name(text: str) -> str:
    """Return the name by which Label Studio called this backend and was refused; empty if another fault occurred.

    Args:
        text: the text of a refusal, or the error of an ML backend.
    """
    found = _REFUSED_NAME.search(text)
    return found.group(1) if found else ""


def allowed_hosts_fix(name: str) -> str:
    """Return what to do about a refused name."""
    return f"add {name} to ALLOWED_HOSTS in the backend's environment, and start it again"


BLOCKED_FIX = "start Label Studio with ML_BLOCK_LOCAL_IP=false and SSRF_PROTECTION_ENABLED=false in its environment"
UNREACHABLE_FIX = (
    "is the backend running, and is that its address as Label Studio sees it? "
    "(in Docker the service's name, not localhost)"
)


def is_blocked(text: str) -> bool:
    """Whether Label Studio refused an address because it is private.

    Args:
        text: the text of the refusal.
    """
    return "reserved network address" in text


def refusal_text(response: httpx.Response) -> str:
    """Return the text of Label Studio's refusal, without markup."""
    try:
        words = json.dumps(response.json(), ensure_ascii=False)
    except ValueError:
        words = response.text
    return words_of(words)
