"""The entries of the status about stopping and waiting model versions, read from disk in milliseconds."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from backend.store.judging import Decision
from backend.store.project_folder import ProjectFolder
from backend.store.sync_record import SyncRecord
from backend.store.waiting import waiting_of
from model.judging.growth import NEXT_LABELS
from model.stopping import NOTHING_LEARNED, Advice, advise, least_finished


def stopping_status(folder: ProjectFolder, last: SyncRecord | None) -> dict[str, Any]:
    """Return the least finished question's advice, each question's advice, and the hours that labels take.

    Args:
        folder: the project's own.
        last: its state after the last full round; None before the first.
    """
    advices = list(_advices(folder, last))
    is_learned = last is None or len(advices) > 0 or not last.unlearned
    name, advice = least_finished(advices) or ("", advise(()) if is_learned else NOTHING_LEARNED)
    return {
        "question": name,
        **_as_dict(advice),
        **_hours(last),
        "questions": [{"question": name, **_as_dict(one)} for name, one in advices],
    }


def waiting_status(folder: ProjectFolder) -> list[dict[str, Any]]:
    """Return the model versions that wait for a person, one a question at most, each with the reason.

    Args:
        folder: the project's own.
    """
    return [{"question": waiting.question, **_decision(waiting.decision)} for waiting in waiting_of(folder)]


def _advices(folder: ProjectFolder, last: SyncRecord | None) -> Iterator[tuple[str, Advice]]:
    for place, name in enumerate(last.labels_by_question if last is not None else ()):
        if last is not None and name in last.unlearned:
            continue
        history = folder.of_question(place).history.read()
        yield name, advise(history.records if history is not None else ())


def _as_dict(advice: Advice) -> dict[str, Any]:
    gain = advice.gain
    return {
        **{name: value for name, value in asdict(advice).items() if name != "gain"},
        "gain": gain.expected if gain else None,
        "gain_low": gain.low if gain else None,
        "gain_high": gain.high if gain else None,
    }


def _hours(last: SyncRecord | None) -> dict[str, float | None]:
    pace = last.pace if last is not None else None
    return {
        "labels_per_hour": round(pace.labels_per_hour, 1) if pace else None,
        "hours_for_next": round(pace.hours(NEXT_LABELS), 2) if pace else None,
        "hours_left": round(pace.hours(last.left), 2) if pace and last else None,
    }


def _decision(decision: Decision) -> dict[str, Any]:
    return {
        "version": decision.version,
        "current": decision.against,
        "reason": decision.reason,
        "comparisons": [
            {
                "on": one.on,
                **asdict(one.paired),
                "gain": round(one.paired.gain, 4),
                "p_worse": round(one.paired.p_worse, 6),
            }
            for one in decision.comparisons
        ],
    }
