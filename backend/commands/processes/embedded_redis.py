"""The private Redis of `serve`: on a Unix socket, with an append-only file in MODEL_DIR."""

import logging
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from backend.commands.processes.child import Child
from backend.commands.processes.redis_servers import MEND, RedisServer, redis_servers
from backend.errors import ConfigurationError, RedisUnavailableError
from backend.work.redis_access import REDIS_ADDRESS, embedded_url
from model.files.damage import set_aside
from model.files.names import discard
from model.files.writing import write_whole

START_TIMEOUT_S = 20.0
# Linux refuses longer paths for Unix sockets.
_SOCKET_PATH_BYTES = 100
_UNIX = "unix://"

log = logging.getLogger(__name__)


@contextmanager
def embedded_redis(model_dir: Path) -> Iterator[str]:
    """Run a Redis on a Unix socket that nobody starts again; see `watched_redis`."""
    with watched_redis(model_dir) as (url, _):
        yield url


@contextmanager
def watched_redis(model_dir: Path) -> Iterator[tuple[str, Child]]:
    """Run the best Redis server that starts, on a Unix socket.

    Where none starts on its files, they are set aside: it holds requests alone, and a starting worker looks at what
    every project needs.

    Yields:
        Its URL, which stands in MODEL_DIR/redis.url as long as it runs, for `status`, `doctor` and `rollback`; and the
        process, to start it again when it dies. Redis writes a command to its file before it answers, so a Redis that
        was killed comes back with everything that it had answered.

    Raises:
        ConfigurationError: another one runs on this MODEL_DIR.
        RedisUnavailableError: none is installed, or none starts.
    """
    servers = redis_servers()
    folder = _own_folder(model_dir)
    if _answers(embedded_url(model_dir)):
        raise ConfigurationError(
            f"another `python -m backend serve` runs on MODEL_DIR={model_dir}: stop it or choose another folder"
        )
    with ExitStack() as stack:
        path = folder / "redis.sock"
        if len(str(path)) > _SOCKET_PATH_BYTES:
            path = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="shortlist-"))) / "redis.sock"
        child = _start_best(servers, model_dir, path)
        if child is None and any(folder.rglob("*.aof*")):
            set_aside(folder, "no Redis server starts on its files")
            child = _start_best(servers, model_dir, path)
        if child is None:
            tried = ", ".join(f"{server.name} {server.version} at {server.program}" for server in servers)
            raise RedisUnavailableError(f"no Redis server starts (tried {tried}): see above; {MEND}")
        stack.callback(child.stop)
        url = f"{_UNIX}{path}"
        address = model_dir / REDIS_ADDRESS
        write_whole(address, url.encode())
        stack.callback(discard, address)
        yield url, child


class _PrivateRedis(Child):
    """The process of the private Redis; replaced where somebody deletes or moves its folder: nobody reaches it then."""

    def __init__(self, program: Path, model_dir: Path, path: Path) -> None:
        """Describe the process.

        Args:
            program: the program that runs it.
            model_dir: MODEL_DIR.
            path: of its socket.
        """
        super().__init__("redis", redis_command(program, _own_folder(model_dir), path), os.environ)
        self._model_dir = model_dir
        self._path = path
        self._socket: tuple[int, int] | None = None

    def restart_if_dead(self) -> None:
        """Start it again if it ended, or if its socket was deleted or replaced, in a new folder if that was deleted."""
        socket = self._found()
        if self._socket is not None and socket != self._socket and self.is_alive():
            log.error("event=deleted file=%s", self._path)
            self.stop()
        if not self.is_alive():
            socket = None
            # A full or missing disk ends no `serve`: the next look tries again.
            with suppress(OSError):
                _own_folder(self._model_dir)
                # An old socket would pass for the new one until Redis replaces it.
                discard(self._path)
                write_whole(self._model_dir / REDIS_ADDRESS, f"{_UNIX}{self._path}".encode())
        super().restart_if_dead()
        self._socket = socket

    def _found(self) -> tuple[int, int] | None:
        """Device and number of the socket's file; None if there is no file.

        Where this user may not look, or the disk refuses, the file passes for unchanged.
        """
        try:
            found = self._path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError:
            return self._socket
        return found.st_dev, found.st_ino


def _own_folder(model_dir: Path) -> Path:
    """The folder of the Redis's files, for this user alone."""
    folder = (model_dir / "redis").resolve()
    if folder.exists() and not folder.is_dir():
        set_aside(folder, "not a folder")
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder


def _start_best(servers: list[RedisServer], model_dir: Path, path: Path) -> Child | None:
    """Start the first server that answers. One may be older than the files that another wrote.

    Raises:
        RedisUnavailableError: one runs and does not answer; its files may be well.
    """
    for server in servers:
        child = _PrivateRedis(server.program, model_dir, path)
        child.start()
        if _comes_up(child, path):
            log.info("event=redis server=%s program=%s", f"{server.name} {server.version}", server.program)
            return child
        if child.is_alive():
            child.stop()
            raise RedisUnavailableError(
                f"{server.name} {server.version} started and did not answer in {START_TIMEOUT_S:.0f} s: is the machine "
                "busy, or the disk slow? Start again, or set REDIS_URL to a Redis of yours"
            )
        log.warning("event=redis_not_started server=%s", f"{server.name} {server.version}")
    return None


def _comes_up(child: Child, path: Path) -> bool:
    """Wait until it answers, ends, or takes too long."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while child.is_alive() and time.monotonic() < deadline:
        if _answers(f"{_UNIX}{path}"):
            return True
        time.sleep(0.05)
    return False


def redis_command(program: Path, folder: Path, path: Path) -> list[str]:
    """A Redis that only this user's processes can reach, and that forgets nothing when it is killed.

    Its file holds commands alone, without the binary preamble that each kind and version of server writes in its own
    form, so that another server can take over.
    """
    return [
        *(str(program), "--port", "0"),
        *("--unixsocket", str(path), "--unixsocketperm", "700"),
        *("--dir", str(folder), "--appendonly", "yes", "--aof-use-rdb-preamble", "no", "--save", ""),
        *("--daemonize", "no", "--loglevel", "warning"),
    ]


def _answers(url: str) -> bool:
    try:
        with Redis.from_url(url, socket_timeout=1.0) as redis:
            return bool(redis.ping())
    except (RedisError, ValueError, OSError):
        return False
