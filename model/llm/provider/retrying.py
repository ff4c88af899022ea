"""Attempts until an answer comes, within a fixed time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from model.llm.provider.attempts import AttemptError, SilentError
from model.llm.provider.config import LLMConfig
from model.llm.provider.refusals import as_llm_error

# The wait after the first attempt; every further wait is twice as long.
FIRST_WAIT_S = 0.5

T = TypeVar("T")


def retry_until_deadline(config: LLMConfig, attempt: Callable[[], Awaitable[T]]) -> T:
    """Repeat an attempt until success, an error that does not pass, or the end of the config's time or retries.

    At the deadline a running attempt is cancelled, even one whose server still sends a byte every second.

    Raises:
        LLMError: the last attempt failed; the message says how many attempts there were. No SDK's error is chained.
    """
    started = time.monotonic()
    failures: list[AttemptError] = []
    try:
        return asyncio.run(asyncio.wait_for(_repeat(config, attempt, failures), config.timeout_s))
    except TimeoutError:
        failures.append(SilentError())
    except AttemptError as error:
        failures.append(error)
    raise as_llm_error(failures[-1], config, len(failures), time.monotonic() - started)


async def _repeat(config: LLMConfig, attempt: Callable[[], Awaitable[T]], failures: list[AttemptError]) -> T:
    deadline = time.monotonic() + config.timeout_s
    while True:
        try:
            return await attempt()
        except AttemptError as error:
            wait_s = FIRST_WAIT_S * 2 ** len(failures) if error.retry_after_s is None else error.retry_after_s
            is_last = len(failures) >= config.retries or time.monotonic() + wait_s >= deadline
            if not error.is_passing or is_last:
                raise
            failures.append(error)
        await asyncio.sleep(wait_s)
