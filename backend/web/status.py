"""A project's status, read from disk and Redis, so that every process gives the same answer."""

import logging
import os
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from backend.errors import NotConnectedError, RedisUnavailableError
from backend.rounds.llm.access import open_ledger, open_question_ledger, problem_at_start
from backend.rounds.order import FALLBACK
from backend.settings import Settings
from backend.store.damage import damage_of
from backend.store.order.head import Publication
from backend.store.project_folder import ProjectFolder
from backend.store.selections import Selection
from backend.store.sync_record import Failure, SyncRecord
from backend.web.advising import stopping_status, waiting_status
from backend.web.service import Service
from backend.work.states import FAILED, IDLE
from model.errors import LLMBudgetError
from model.llm.memory import Spent
from model.tasks.classification.llm import Checks

log = logging.getLogger(__name__)


def project_status(service: Service, project_id: int) -> dict[str, Any]:
    """Where a project stands.

    Raises:
        NotConnectedError: it is not connected here.
        RedisUnavailableError: nobody can say what is running.
        OSError: the project's folder may not be read.
    """
    folder = service.folder(project_id)
    if not folder.is_known():
        raise NotConnectedError(
            f"project {project_id} is not connected here: connect it in Label Studio → Settings → Model"
        )
    # Without this look the folder of another user would pass for that of a new project.
    os.scandir(folder.path).close()
    state = service.rounds.state(project_id)
    last, pause = folder.sync_record.read(), folder.pause.read()
    published = folder.publications.current()
    rounds = folder.rounds.read()
    current = folder.registry.current()
    llm = llm_status(service.settings, folder)
    failure = (last.failure if last else None) or Failure(state.last_error_code, state.last_error)
    return {
        "project": project_id,
        "state": FAILED if failure.message and state.state == IDLE else state.state,
        "progress": dict(state.progress),
        "model_version": published.name if published else "",
        "model": current.number if current else 0,
        "trained_on": current.labels if current else 0,
        "recipe": current.recipe if current else "",
        "recipe_used": current.recipe_used if current else "",
        "out_of_fold": asdict(current.out_of_fold) if current and current.out_of_fold else None,
        "warnings": list(current.warnings) if current else [],
        "weak_labels": current.weak_labels if current else 0,
        "trust": asdict(current.trust) if current else None,
        "names": asdict(last.names) if last and last.names else None,
        "stopping": stopping_status(folder, last),
        "waiting": waiting_status(folder),
        "labels": last.labels if last else 0,
        "questions": _questions(service.settings, folder, last),
        "no_text": {**asdict(last.no_text), "sentence": last.no_text.sentence} if last and last.no_text else None,
        "left_out": [asdict(tasks) for tasks in last.left_out] if last else [],
        "applied": {"tasks": last.applied if last else 0, "runs": [asdict(run) for run in folder.applied.read()]},
        "copies": published.copies if published else 0,
        "labels_in_order": published.labelled_tasks if published else 0,
        "unlabelled": last.left if last else 0,
        "rounds": len(rounds),
        "last_round": asdict(rounds[-1]) if rounds else None,
        "last_error": state.last_error or failure.message,
        "last_error_code": state.last_error_code or failure.code,
        "next": [asdict(task) for task in published.next] if published else [],
        "paused_at": pause.at if pause else None,
        "ordering_hook": _hook_status(published),
        "llm": llm,
        # After all else was read: a file is found damaged when it is read.
        "set_aside": [asdict(damage) for damage in damage_of(folder)],
    }


def is_learned(status: Mapping[str, Any]) -> bool:
    """Whether a classifier learns one of the questions; before the first full round none is known, and one may be."""
    return not status["questions"] or any(question["is_learned"] for question in status["questions"])


def state_for_people(status: dict[str, Any]) -> str:
    """The state in a word: a paused project is paused as soon as its last round has ended.

    Args:
        status: see `project_status`.
    """
    state: str = status["state"]
    return "paused" if status["paused_at"] and state in (IDLE, FAILED) else state


def status_or_fault(service: Service, project_id: int) -> dict[str, Any] | Exception:
    """Where a project stands, or what kept its status from being read: one project's fault is not the others'.

    Raises:
        RedisUnavailableError: nobody can say what is running, in any project.
    """
    try:
        return project_status(service, project_id)
    except RedisUnavailableError:
        raise
    except Exception as error:
        log.exception("event=status_unreadable project=%d", project_id)
        return error


def _questions(settings: Settings, folder: ProjectFolder, last: SyncRecord | None) -> list[dict[str, Any]]:
    """Where each question stands; empty before the first full round."""
    found = []
    for place, (name, labels) in enumerate(last.labels_by_question.items() if last else ()):
        own = folder.of_question(place)
        version = own.registry.current()
        # A version of an early release names no question.
        current = version if version is not None and version.question in ("", name) else None
        found.append(
            {
                "name": name,
                "is_learned": last is None or name not in last.unlearned,
                "labels": labels,
                "model": current.number if current else 0,
                "trained_on": current.labels if current else 0,
                "recipe_used": current.recipe_used if current else "",
                "out_of_fold": asdict(current.out_of_fold) if current and current.out_of_fold else None,
                "warnings": list(current.warnings) if current else [],
                "llm": _llm_of_question(settings, own, last, name) if last else None,
            }
        )
    return found


def _llm_of_question(settings: Settings, folder: ProjectFolder, last: SyncRecord, name: str) -> dict[str, Any] | None:
    """What an LLM was asked for a question, and how its labels or drafts fare; None without an LLM."""
    if not settings.llm_provider:
        return None
    checks = last.llm_checks_by_question.get(name, Checks())
    return {
        **asdict(open_question_ledger(settings, folder).read()),
        "checks": asdict(checks),
        "are_labels_ignored": checks.is_paused,
        "drafts": asdict(last.drafts) if last.drafts else None,
    }


def _hook_status(published: Publication | None) -> dict[str, str] | None:
    """The ordering hook that failed, why, and the strategy that made the order instead; None if no hook failed."""
    if published is None or published.hook_failure is None:
        return None
    return {**asdict(published.hook_failure), "fallback": published.strategy}


def llm_status(settings: Settings, folder: ProjectFolder) -> dict[str, Any] | None:
    """Who is asked, what it chose or why it could not, what it cost, and how its labels fare; None without an LLM."""
    selection = folder.selection.read()
    if not settings.llm_provider and selection is None:
        return None
    ledger = open_ledger(settings, folder)
    try:
        spent, cost, problem = ledger.read(), ledger.cost, problem_at_start(settings)
    except LLMBudgetError as error:
        spent, cost, problem = Spent(), None, str(error)
    last = folder.sync_record.read()
    chosen = selection or Selection(strategy="", source=settings.llm_name, at=0.0)
    # A failure to choose is of no interest any more once the classifier leads.
    failed = chosen if (last is None or last.has_llm_a_say) and chosen.failure else None
    failed = failed or (folder.llm_failure.read() if settings.llm_provider else None)
    return {
        "source": chosen.source,
        "problem": problem or (failed.failure if failed else ""),
        "problem_code": failed.failure_code if failed else "",
        "fallback": FALLBACK if failed is chosen and chosen.has_failed else "",
        "picks": len(chosen.picks),
        **asdict(spent),
        "tokens_limit": settings.llm_max_tokens_total,
        "cost": cost,
        "checks": asdict(last.llm_checks) if last else None,
    }
