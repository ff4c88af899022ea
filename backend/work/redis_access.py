"""A Redis: whose, how to reach it, what is said when it does not answer, and what our keys are called."""

from collections.abc import Iterator
from contextlib import contextmanager

from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from backend.errors import RedisUnavailableError
from backend.settings import Settings

_SOCKET_TIMEOUT_S = 5.0
_PREFIX = "shortlist"


def redis_url(settings: Settings) -> str:
    """REDIS_URL, or the address that a running `serve` with its embedded Redis left in MODEL_DIR.

    Raises:
        RedisUnavailableError: neither is there.
    """
    if settings.redis_url:
        return settings.redis_url
    address = settings.model_dir / "redis.url"
    if not address.exists():
        raise RedisUnavailableError(
            f"no Redis: REDIS_URL is not set and no `python -m backend serve` runs on MODEL_DIR={settings.model_dir}"
        )
    return address.read_text(encoding="utf-8").strip()


def open_redis(settings: Settings) -> Redis:
    """A connection pool; nothing is sent yet."""
    return Redis.from_url(
        redis_url(settings), socket_connect_timeout=_SOCKET_TIMEOUT_S, socket_timeout=_SOCKET_TIMEOUT_S
    )


@contextmanager
def redis_errors() -> Iterator[None]:
    """Turn Redis's connection errors into ours."""
    try:
        yield
    except (RedisConnectionError, RedisTimeoutError) as error:
        raise RedisUnavailableError(
            f"Redis does not answer ({type(error).__name__}): start it, or unset REDIS_URL for the embedded one"
        ) from error


def redis_key(*parts: object) -> str:
    """One of our keys: `shortlist:running:3`."""
    return ":".join(map(str, (_PREFIX, *parts)))
