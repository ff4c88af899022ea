"""Asking a provider until it answers, within a time that nothing stretches."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from model.llm.provider.answers import AttemptError, SilentError
from model.llm.provider.config import LLMConfig
from model.llm.provider.refusals import as_llm_error

# The wait after the first attempt, doubled after each further one.
FIRST_WAIT_S = 0.5

T = TypeVar("T")


def insist(config: LLMConfig, attempt: Callable[[], Awaitable[T]]) -> T:
    """Attempt until it succeeds, fails for good, or the config's time or retries are over.

    The time holds whatever the other side does, one byte a second included: what is still going on then is cancelled.

    Raises:
        LLMError: the last attempt failed; says how many there were. Nothing of an SDK's error is chained to it.
    """
    started = time.monotonic()
    failed: list[AttemptError] = []
    try:
        return asyncio.run(asyncio.wait_for(_repeat(config, attempt, failed), config.timeout_s))
    except asyncio.TimeoutError:
        failed.append(SilentError())
    except AttemptError as error:
        failed.append(error)
    raise as_llm_error(failed[-1], config, len(failed), time.monotonic() - started)


async def _repeat(config: LLMConfig, attempt: Callable[[], Awaitable[T]], failed: list[AttemptError]) -> T:
    ends = time.monotonic() + config.timeout_s
    while True:
        try:
            return await attempt()
        except AttemptError as error:
            wait_s = FIRST_WAIT_S * 2 ** len(failed) if error.retry_after_s is None else error.retry_after_s
            if not error.is_passing or len(failed) >= config.retries or time.monotonic() + wait_s >= ends:
                raise
            failed.append(error)
        await asyncio.sleep(wait_s)
