"""Access to Redis: its address, a connection, our error when Redis does not answer, and our key names."""

from collections.abc import Iterator
from contextlib import contextmanager

from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from backend.errors import RedisUnavailableError
from backend.settings import Settings

_SOCKET_TIMEOUT_S = 5.0
_PREFIX = "shortlist"
# A web request tells its caller within seconds that Redis is away. A worker waits for minutes: its round would be lost.
_HASTY = Retry(ExponentialBackoff(cap=0.2, base=0.1), 1)
_PATIENT = Retry(ExponentialBackoff(cap=2.0, base=0.1), 30)


def redis_url(settings: Settings) -> str:
    """Return REDIS_URL, or the address of the embedded Redis that a running `serve` wrote into MODEL_DIR.

    Raises:
        RedisUnavailableError: REDIS_URL is not set and no `serve` runs.
    """
    if settings.redis_url:
        return settings.redis_url
    address = settings.model_dir / "redis.url"
    if not address.exists():
        raise RedisUnavailableError(
            f"no Redis: REDIS_URL is not set and no `python -m backend serve` runs on MODEL_DIR={settings.model_dir}"
        )
    return address.read_text(encoding="utf-8").strip()


def open_redis(settings: Settings, *, is_patient: bool = False) -> Redis:
    """Open a connection pool to Redis. The first command connects.

    Args:
        settings: the settings, with the address.
        is_patient: repeat a command for a minute while Redis refuses, and for three while it is silent; else once.
    """
    return Redis.from_url(
        redis_url(settings),
        socket_connect_timeout=_SOCKET_TIMEOUT_S,
        socket_timeout=_SOCKET_TIMEOUT_S,
        retry=_PATIENT if is_patient else _HASTY,
    )


@contextmanager
def redis_errors() -> Iterator[None]:
    """Turn Redis's connection errors and timeouts into RedisUnavailableError."""
    try:
        yield
    except (RedisConnectionError, RedisTimeoutError) as error:
        raise RedisUnavailableError(
            f"Redis does not answer ({type(error).__name__}): start it, or unset REDIS_URL for the embedded one"
        ) from error


def redis_key(*parts: object) -> str:
    """Build one of our Redis keys, such as `shortlist:turn:3`."""
    return ":".join(map(str, (_PREFIX, *parts)))
