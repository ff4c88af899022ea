"""Access to Redis: its address, a connection, our error when Redis does not answer, and our key names."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoPermissionError, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from backend.errors import ConfigurationError, RedisUnavailableError
from backend.settings import Settings
from model.files.damage import read_or_set_aside

_SOCKET_TIMEOUT_S = 5.0
# The file in MODEL_DIR with the embedded Redis's address.
REDIS_ADDRESS = "redis.url"
_NO_ADDRESS = "REDIS_URL is no address of a Redis: write redis://HOST:PORT/0"
_UNIX = "unix://"
_PREFIX = "shortlist"
_SAID_CHARACTERS = 300
# Words of Redis's refusals, and what ends each.
_MENDS = {
    "MISCONF": "it cannot write to its disk; make room there",
    "OOM": "its memory is full; raise its maxmemory",
    "No space left": "its disk is full; make room there",
    "HELLO must be called": "it wants a password; set REDIS_PASSWORD",
    "NOAUTH": "it wants a password; set REDIS_PASSWORD",
    "AUTH": "correct REDIS_PASSWORD, or the password in REDIS_URL",
    "WRONGPASS": "correct REDIS_PASSWORD, or the password in REDIS_URL",
    "invalid username-password": "correct REDIS_PASSWORD, or the password in REDIS_URL",
    "NOPERM": "its user may not do this; give the user of REDIS_URL all commands",
    "READONLY": "it is a replica; set REDIS_URL to the primary",
    "LOADING": "it is still reading its file; wait a moment",
}
# A web request tells its caller within seconds that Redis is away. A worker waits for minutes: its round would be lost.
_HASTY = Retry(ExponentialBackoff(cap=0.2, base=0.1), 1)
_PATIENT = Retry(ExponentialBackoff(cap=2.0, base=0.1), 30)


def redis_url(settings: Settings) -> str:
    """Return REDIS_URL, or the address of the embedded Redis that a running `serve` wrote into MODEL_DIR.

    Raises:
        RedisUnavailableError: REDIS_URL is not set and no `serve` runs.
    """
    url = settings.redis_url or embedded_url(settings.model_dir)
    if not url:
        raise RedisUnavailableError(
            f"no Redis: REDIS_URL is not set and no `python -m backend serve` runs on MODEL_DIR={settings.model_dir}"
        )
    return url


def embedded_url(model_dir: Path) -> str:
    """Return the address of the embedded Redis; empty if no `serve` wrote one. A damaged file is set aside.

    Args:
        model_dir: MODEL_DIR.
    """
    written = read_or_set_aside(model_dir / REDIS_ADDRESS, _parsed_address)
    # Where the file is lost while `serve` runs, the socket is nearly always in its usual place.
    usual = f"{_UNIX}{(model_dir / 'redis' / 'redis.sock').resolve()}"
    # Half of an address may name a folder.
    return next((url for url in (written, usual) if url and Path(url.removeprefix(_UNIX)).is_socket()), written or "")


def _parsed_address(content: bytes) -> str:
    url = content.decode().strip()
    if not url.startswith(_UNIX):
        raise ValueError("no address of a Unix socket")
    return url


def open_redis(settings: Settings, *, is_patient: bool = False) -> Redis:
    """Open a connection pool to Redis. The first command connects.

    Args:
        settings: the settings, with the address.
        is_patient: repeat a command for a minute while Redis refuses, and for three while it is silent; else once.

    Raises:
        ConfigurationError: REDIS_URL is no address of a Redis.
        RedisUnavailableError: REDIS_URL is not set and no `serve` runs.
    """
    url = redis_url(settings)
    _check_address(url)
    try:
        return Redis.from_url(
            url,
            # A password in the address comes first.
            password=settings.redis_password.get_secret_value() if settings.redis_password else None,
            socket_connect_timeout=_SOCKET_TIMEOUT_S,
            socket_timeout=_SOCKET_TIMEOUT_S,
            retry=_PATIENT if is_patient else _HASTY,
        )
    except ValueError as error:
        # The address may hold a password.
        raise ConfigurationError(_NO_ADDRESS) from error


def _check_address(url: str) -> None:
    """Refuse an address that its password cuts in two: the rest would pass for host, path or query.

    Raises:
        ConfigurationError: it is no address, or the password has a character that an address cannot hold.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ConfigurationError(_NO_ADDRESS) from error
    if "@" in parts.path + parts.query or parts.fragment or parts.netloc.count("@") > 1:
        raise ConfigurationError("REDIS_URL: percent-encode / ? # @ in its password, as in %2F for /")


def server_version(redis: Redis) -> str:
    """Name and version of the server, such as `Valkey 9.1.2`; empty where it does not tell this user.

    Raises:
        RedisUnavailableError: Redis does not answer.
    """
    try:
        with redis_errors():
            told: Any = redis.info("server")
    except RedisUnavailableError as error:
        if isinstance(error.__cause__, NoPermissionError):
            return ""
        raise
    # Valkey tells Redis's version too, for programs that ask for nothing else.
    valkey = told.get("valkey_version")
    return f"Valkey {valkey}" if valkey else f"Redis {told.get('redis_version', '')}".strip()


@contextmanager
def redis_errors() -> Iterator[None]:
    """Turn Redis's errors into RedisUnavailableError: silence, and refusals with Redis's own words."""
    try:
        yield
    except RedisError as error:
        raise RedisUnavailableError(_sentence(error)) from error


def _sentence(error: RedisError) -> str:
    """What Redis said, and the mend."""
    said = " ".join(str(error).split())[:_SAID_CHARACTERS]
    if "CERTIFICATE_VERIFY_FAILED" in said:
        return "Redis's certificate cannot be checked: add ?ssl_ca_certs=FILE to REDIS_URL, with its authority's file"
    mend = next((mend for word, mend in _MENDS.items() if word in said), None)
    if mend is None and isinstance(error, RedisConnectionError | RedisTimeoutError):
        return f"Redis does not answer ({type(error).__name__}): start it, or unset REDIS_URL for the embedded one"
    return f"Redis refuses ({said}): {mend or 'see its log'}"


def redis_key(*parts: object) -> str:
    """Build one of our Redis keys, such as `shortlist:turn:3`."""
    return ":".join(map(str, (_PREFIX, *parts)))
