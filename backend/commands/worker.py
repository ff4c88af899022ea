"""`worker`: run rounds, or help with them."""

import logging
from typing import Annotated

import typer

from backend.commands.model_dir import check_model_dir
from backend.commands.terminal import settings_of_command
from backend.rounds.llm.access import problem_at_start
from backend.rounds.order import FALLBACK
from backend.store.in_use import in_use
from backend.work.worker import run_worker

log = logging.getLogger(__name__)


def worker(
    *,
    helper: Annotated[
        bool,
        typer.Option("--helper", help="Only embed texts for other workers' rounds. A helper needs REDIS_URL alone."),
    ] = False,
) -> None:
    """Run one worker against REDIS_URL (or the Redis of a running `serve`)."""
    with settings_of_command() as settings:
        check_model_dir(settings.model_dir, may_write=True)
        if not helper and (problem := problem_at_start(settings)):
            log.warning("event=llm_unusable fallback=%s reason=%s", FALLBACK, problem)
        with in_use(settings.model_dir):
            run_worker(settings, is_helper=helper)
