"""What `doctor` finds of Label Studio: its address, the API key, and each project's connection."""

from collections.abc import Iterator

from backend.commands.doctor.finding import TIMEOUT_S, Finding
from backend.commands.doctor.project_folder import look_at_folder
from backend.errors import ConfigurationError, LabelStudioError, TokenRefusedError, UnknownProjectError
from backend.settings import Settings
from backend.store.project_folder import ProjectFolder
from backend.studio.answers import MLBackendAnswer
from backend.studio.client import SAMPLING, LabelStudioClient
from backend.studio.config.kinds import read_tasks
from backend.studio.connecting import (
    UNREACHABLE_FIX,
    allowed_hosts_fix,
    drafts_in_words,
    refusal,
    refusal_text,
    refused_name,
)
from backend.studio.opening import check_answers
from backend.studio.records import read_backend
from model.errors import ShortlistError

ORDERED_ONLY = "in free text: no classifier learns it, texts are only put in order"


def look_at_label_studio(settings: Settings, project_id: int | None, url: str) -> Iterator[Finding]:
    """Ask Label Studio; a fault is put down to the address, the key or a project, and never to two of them."""
    try:
        with LabelStudioClient(settings, TIMEOUT_S, retries=0) as client:
            owner = client.whoami()
            yield Finding("Label Studio", f"answers at {settings.label_studio_url}")
            yield Finding("API key", f"belongs to {owner}")
            yield from _as_seen_by(client, settings, project_id, url)
    except TokenRefusedError as error:
        yield _without_key(settings)
        yield Finding("API key", error.fault, error.mend)
    except LabelStudioError as error:
        yield _fault(error)
    except ConfigurationError as error:
        yield Finding("Label Studio", str(error), "correct this setting")


def _without_key(settings: Settings) -> Finding:
    """Whether Label Studio answers at all; asked where the key tells nothing."""
    try:
        check_answers(settings, TIMEOUT_S)
    except LabelStudioError as error:
        return _fault(error)
    return Finding("Label Studio", f"answers at {settings.label_studio_url}")


def _fault(error: LabelStudioError) -> Finding:
    return Finding("Label Studio", error.fault, error.mend or "its log may say more")


def _as_seen_by(client: LabelStudioClient, settings: Settings, project_id: int | None, url: str) -> Iterator[Finding]:
    """Yield the findings that need a working API key."""
    try:
        ids = client.project_ids() if project_id is None else [client.project(project_id).project_id]
    except UnknownProjectError as error:
        yield _unknown(error)
        return
    yield from _door(client, ids, url)
    for one in ids:
        try:
            yield from _project(settings, client, one, url)
        except UnknownProjectError as error:
            yield _unknown(error)


def _unknown(error: UnknownProjectError) -> Finding:
    return Finding("project", str(error), "give --project an id that the API key's owner can open")


def _door(client: LabelStudioClient, project_ids: list[int], url: str) -> Iterator[Finding]:
    """Have Label Studio try to reach us, in a way that connects nothing.

    It is asked to connect a page that we do not have. Its refusal tells how far it came: not past its own filter, not
    past the network, or to our 404.
    """
    if not project_ids:
        yield Finding("projects", "the API key sees none", "create a project in Label Studio first")
        return
    response = client.connect_backend(project_ids[0], {"url": f"{url}/doctor", "title": "doctor"})
    said = refusal_text(response)
    if "404 Client Error" in said or "authentication parameters" in said:
        yield Finding("address", f"Label Studio reaches {url}")
    else:
        error = refusal(response, url)
        yield Finding("address", error.fault, error.mend or "use the token of somebody who may change the project")


def _project(settings: Settings, client: LabelStudioClient, project_id: int, url: str) -> Iterator[Finding]:
    project = client.project(project_id)
    name = f"project {project_id} ({project.title})"
    try:
        questions = read_tasks(project.label_config)
    except ShortlistError as error:
        yield Finding(name, str(error), "correct the labeling config; other projects are not affected")
        return
    folder = ProjectFolder(settings.model_dir, project_id)
    own = folder.connection.read().extra_params
    for question in questions:
        learned = f"with {len(question.label_set.labels)} labels" if question.is_learned else ORDERED_ONLY
        drafted = "" if question.is_learned else drafts_in_words(settings, own)
        yield Finding(name, f"asks {question.control!r} {learned}{drafted and '.'}{drafted}")
    listed = client.backends(project_id)
    ours = [backend for backend in listed if backend.url.rstrip("/") == url.rstrip("/")]
    # Words of ours in another one's error: it is this backend, connected under another name.
    if refused := [found for backend in ours or listed for found in _refused(name, backend)]:
        yield from refused
        return
    if not ours:
        yield Finding(name, f"not connected to {url}", f"python -m backend connect --project {project_id} --url {url}")
        return
    yield _connection(name, ours[0])
    yield from _webhook(client, name, project_id, read_backend(ours[0]).webhook_url)
    yield from look_at_folder(settings, name, folder)
    published = folder.publications.name()
    if published and (project.model_version != published or project.sampling != SAMPLING):
        yield Finding(
            name,
            f"annotators get version {project.model_version!r} in {project.sampling!r}, not our {published!r}",
            "press Start Training, or label one more text: the next round sets it right. If the other version comes "
            "back, another ML backend or program sets it: disconnect that one",
        )


def _webhook(client: LabelStudioClient, name: str, project_id: int, url: str) -> Iterator[Finding]:
    """Say that Label Studio tells of no label, if the webhook that it made with the connection is gone."""
    if url not in client.webhook_urls(project_id):
        mend = (
            "switch it on in Settings → Webhooks, or disconnect the backend and connect it again; until then labels "
            "are seen within a minute"
        )
        yield Finding(name, f"Label Studio tells of no label: it has no active webhook {url}", mend)


def _refused(name: str, backend: MLBackendAnswer) -> Iterator[Finding]:
    """Name ALLOWED_HOSTS if this backend refuses the name by which Label Studio calls it."""
    if host := refused_name(backend.error_message or ""):
        yield Finding(name, f"Label Studio calls {backend.url} by the name {host!r}", allowed_hosts_fix(host))


def _connection(name: str, backend: MLBackendAnswer) -> Finding:
    state = str(backend.readable_state or backend.state)
    if state in ("Connected", "Training", "Predicting"):
        return Finding(name, f"connected ({state})")
    return Finding(name, f"connected, but Label Studio says {state}: {backend.error_message or ''}", UNREACHABLE_FIX)
