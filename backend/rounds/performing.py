"""The functions that RQ calls by name: run a round, or embed a part of another worker's round."""

import logging
import time

from backend.errors import LabelStudioUnreachableError, UnknownProjectError
from backend.rounds.round import run_round
from backend.store.project_folder import ProjectFolder
from backend.work.parts import PartWorker, embed_part
from backend.work.worker import this_worker
from model.errors import ShortlistError, TrainingCancelledError

# A round that killed its worker this often is not run again. The usual cause is too little memory.
MAX_DEATHS = 3

log = logging.getLogger(__name__)


def perform_round(project_id: int) -> None:
    """Run one round, and record its result. No error of a round stops the worker.

    Args:
        project_id: the project.
    """
    worker = this_worker()
    worker.rounds.workers.use_own_share()
    turn = worker.rounds.begin(project_id)
    if turn is None:
        return
    if turn.deaths >= MAX_DEATHS:
        log.error("event=round_given_up project=%d deaths=%d", project_id, turn.deaths)
        turn.end(f"the worker died {turn.deaths} times in this round: is there too little memory? See its log", "died")
        return
    try:
        run_round(worker.settings, turn, worker.classifiers, worker.stopping.is_set)
    except TrainingCancelledError:
        turn.end()
        # Request the round again, with all that this turn took out of Redis.
        worker.rounds.request(project_id, changes=turn.changes, train=turn.asked_to_train)
        log.info("event=round_put_back project=%d", project_id)
    except UnknownProjectError as error:
        worker.rounds.forget(project_id)
        turn.end(str(error), error.code)
        log.warning("event=round_failed project=%d code=%s", project_id, error.code)
    except LabelStudioUnreachableError as error:
        delay_s = worker.rounds.retry_later(project_id)
        turn.end(f"{error} (trying again in {delay_s:.0f} s)", error.code)
        log.warning("event=round_put_off project=%d code=%s seconds=%.0f", project_id, error.code, delay_s)
    except ShortlistError as error:
        turn.end(str(error), error.code)
        log.error("event=round_failed project=%d code=%s reason=%s", project_id, error.code, error)
    except Exception as error:
        turn.end(f"unexpected {type(error).__name__}; see the worker's log", "internal")
        log.exception("event=round_crashed project=%d", project_id)
    else:
        turn.end()


def perform_part(project_id: int, part: str) -> None:
    """Embed a part of another worker's round. No error stops the worker, and the round can finish without this part.

    Args:
        project_id: the project.
        part: name of the part.
    """
    worker = this_worker()
    folder = ProjectFolder(worker.settings.model_dir, project_id)
    helper = PartWorker(worker.rounds, folder, worker.classifiers, worker.stopping.is_set)
    try:
        began = time.monotonic()
        if embed_part(helper, part):
            log.info("event=part_done project=%d part=%s seconds=%.1f", project_id, part, time.monotonic() - began)
    except FileNotFoundError:
        # The round ended first. If this happens to every part, the workers do not share one MODEL_DIR.
        log.info("event=part_gone project=%d part=%s", project_id, part)
    except TrainingCancelledError:
        log.info("event=part_put_back project=%d part=%s", project_id, part)
    except ShortlistError as error:
        log.error("event=part_failed project=%d part=%s code=%s reason=%s", project_id, part, error.code, error)
    except Exception:
        log.exception("event=part_crashed project=%d part=%s", project_id, part)
