"""What `doctor` finds of a project's rounds and in its folder: failures, left out answers, waiting versions, damage."""

from collections.abc import Iterator
from contextlib import suppress

from backend.commands.doctor.finding import Finding
from backend.settings import Settings
from backend.store.damage import damage_of
from backend.store.project_folder import ProjectFolder
from backend.store.sync_record import SyncRecord
from backend.store.waiting import waiting_of
from backend.studio.next_up import TITLE
from backend.work.queue import RoundQueue
from backend.work.redis_access import open_redis
from model.errors import DamagedVersionError, ShortlistError
from model.files.damage import BROKEN


def look_at_folder(settings: Settings, name: str, folder: ProjectFolder) -> Iterator[Finding]:
    """Look at what the last round left in a project's folder.

    Args:
        settings: the process's.
        name: of the findings.
        folder: the project's own.
    """
    yield from look_at_rounds(name, _error_of_last_round(settings, folder.project_id), folder)
    record = folder.sync_record.read()
    if record and record.no_text:
        mend = (
            "name a key that the tasks have in the labeling config, or import the tasks with the key that it asks for"
        )
        yield Finding(name, record.no_text.sentence, mend)
    yield from look_at_llm_answers(settings, name, record)
    for left in record.left_out if record else ():
        yield Finding(name, left.sentence, left.mend)
    yield from _waiting(name, folder)
    yield from look_at_tab(name, folder)
    yield from look_at_files(name, folder)


def _error_of_last_round(settings: Settings, project_id: int) -> str:
    """The error of the project's last round; empty if it succeeded, or if Redis cannot say it."""
    try:
        return RoundQueue(open_redis(settings)).state(project_id).last_error
    except ShortlistError:
        return ""


def look_at_rounds(name: str, error: str, folder: ProjectFolder) -> Iterator[Finding]:
    """Say why the last round or the last training failed, and whether the project is paused.

    Args:
        name: of the findings.
        error: of the last round; empty if it succeeded.
        folder: the project's own.
    """
    record = folder.sync_record.read()
    if error:
        yield Finding(name, f"the last round failed: {error}", "end the cause: a round is tried again each minute")
    if record is not None and record.failure is not None:
        mend = "end the cause, and press Start Training; without that, RETRAIN_EVERY more labels start another training"
        yield Finding(name, f"the last training failed: {record.failure.message}", mend)
    if folder.pause.read() is not None:
        yield Finding(name, "paused: its rounds neither train nor publish until somebody resumes it on its page")


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
