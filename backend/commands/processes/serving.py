"""The processes of `serve`: the web server and, where no Redis is given, a private Redis and a supervised worker."""

import ipaddress
import logging
import os
import signal
import socket
import sys
from contextlib import ExitStack
from threading import Event

from redis import Redis

from backend.commands.processes.child import Child
from backend.commands.processes.embedded_redis import watched_redis
from backend.errors import ConfigurationError, RedisUnavailableError
from backend.settings import Settings
from backend.work.redis_access import open_redis, server_version

_WATCH_S = 0.5

log = logging.getLogger(__name__)


def run_server(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT; what dies meanwhile is started again.

    Raises:
        ConfigurationError: HOST opens the backend to others without a password, or cannot be listened on; REDIS_URL is
            no address; or another `serve` uses this MODEL_DIR.
        RedisUnavailableError: the embedded Redis does not start.
    """
    check_closed(settings)
    _check_port(settings)
    if settings.redis_url is not None:
        # An address that is none ends `serve` here, and not each web process again and again.
        _say_version(open_redis(settings))
    over = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    with ExitStack() as stack:
        environment = dict(os.environ)
        children = []
        if settings.redis_url is None:
            url, redis = stack.enter_context(watched_redis(settings.model_dir))
            environment["REDIS_URL"] = url
            children.append(redis)
            children.append(Child("worker", [sys.executable, "-m", "backend", "worker"], environment))
        children.append(Child("web", web_command(settings), environment))
        for child in children:
            if not child.is_alive():
                stack.callback(child.stop)
                child.start()
        log.info("event=serving host=%s port=%d model_dir=%s", settings.host, settings.port, settings.model_dir)
        while not over.wait(_WATCH_S):
            for child in children:
                child.restart_if_dead()
        log.info("event=stopping")


def _say_version(redis: Redis) -> None:
    try:
        log.info("event=redis server=%s", server_version(redis))
    except RedisUnavailableError as error:
        log.warning("event=redis_unavailable reason=%s", error)


def check_closed(settings: Settings) -> None:
    """Refuse to listen on anything but loopback without a password, unless somebody plainly asked for it.

    Raises:
        ConfigurationError: HOST is reachable from other machines, and nothing guards it.
    """
    if settings.is_locked or settings.allow_anonymous or _is_loopback(settings.host):
        return
    raise ConfigurationError(
        f"HOST={settings.host} lets other machines in without a password: set BASIC_AUTH_USER and BASIC_AUTH_PASS, or "
        "ALLOW_ANONYMOUS=1 if only machines that you trust reach this address"
    )


def _is_loopback(host: str) -> bool:
    """Whether only this machine reaches a host: every address that its name stands for is a loopback address."""
    addresses = [ipaddress.ip_address(address) for _, address in _addresses(host)]
    mapped = [getattr(address, "ipv4_mapped", None) or address for address in addresses]
    return all(address.is_loopback for address in mapped)


def _addresses(host: str) -> list[tuple[int, str]]:
    """The address family and the address of everything that a host stands for."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ConfigurationError(f"HOST={host} is no address of this machine ({error.strerror})") from error
    return [(family, str(address[0]).partition("%")[0]) for family, *_, address in found]


def _check_port(settings: Settings) -> None:
    """A taken port is the commonest way for a start to fail; gunicorn alone would try for ever."""
    family, address = _addresses(settings.host)[0]
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, settings.port))
        except OSError as error:
            raise ConfigurationError(
                f"PORT={settings.port} cannot be used on HOST={settings.host} ({error.strerror}): choose another PORT"
            ) from error


def web_command(settings: Settings) -> list[str]:
    """gunicorn's processes with threads: handlers only parse, ask and answer."""
    return [
        *(sys.executable, "-m", "gunicorn", "backend.web.app:create_app()"),
        *("--bind", f"{settings.host_in_url}:{settings.port}"),
        *("--workers", str(settings.workers), "--threads", str(settings.threads)),
        *("--worker-class", "backend.web.waitress_worker.WaitressWorker"),
        *("--timeout", "120", "--graceful-timeout", "5", "--log-level", "warning"),
        # gunicorn would let its control socket be used by every process of this user, and writes it into HOME.
        "--no-control-socket",
    ]
