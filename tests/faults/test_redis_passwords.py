"""A Redis that wants a password, a user or TLS: every process gets in, and the password is never shown."""

import re
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
import trustme
from redis import Redis

from backend.commands.processes.embedded_redis import redis_command
from backend.commands.processes.redis_servers import redis_servers
from backend.errors import ConfigurationError, RedisUnavailableError
from backend.settings import Settings
from backend.work.queue import RoundQueue
from backend.work.redis_access import open_redis, server_version
from examples.servers import clean_environment, free_port, running
from tests.servers import eventually

# Characters that an address must spell in another way.
PASSWORD = "pass/w#rd?@:%41 geheim"
SPELT = quote(PASSWORD, safe="")
NOBODY = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def port(tmp_path_factory) -> Iterator[int]:
    """A Redis on loopback with a password, the user ann who may do everything, and bob who may not ask for INFO."""
    folder = tmp_path_factory.mktemp("redis")
    port = free_port()
    command = redis_command(redis_servers()[0].program, folder, folder / "redis.sock")
    command[command.index("--port") + 1] = str(port)
    acl = folder / "users.acl"
    users = {"default": "", "ann": "", "bob": " -info"}
    acl.write_text("".join(f"user {user} on >{SPELT} ~* &* +@all{rest}\n" for user, rest in users.items()))
    with running([*command, "--bind", "127.0.0.1", "--aclfile", str(acl)], {}, folder / "log"):
        url = f"redis://:{quote(SPELT)}@127.0.0.1:{port}/0"
        eventually(lambda: _pings(url), "Redis", 20.0)
        with Redis.from_url(url) as redis:
            # The file of users knows no blanks in passwords.
            for user in users:
                redis.execute_command("ACL", "SETUSER", user, f">{PASSWORD}")
        yield port


def _pings(url: str) -> bool:
    with suppress(Exception), Redis.from_url(url) as redis:
        return bool(redis.ping())
    return False


def _url(port: int, user: str = "", password: str = SPELT) -> str:
    return f"redis://{user}:{password}@127.0.0.1:{port}/0"


def _is_hidden(*said: str) -> bool:
    return not any(word in text for text in said for word in (PASSWORD, SPELT, "geheim"))


def test_web_server_worker_helper_and_commands_get_in_and_show_no_password(port, tmp_path, environment, run_command):
    url, web = _url(port, "ann"), free_port()
    own = {"REDIS_URL": url, "LABEL_STUDIO_URL": NOBODY, "LABEL_STUDIO_API_KEY": "k" * 40, "LOG_LEVEL": "DEBUG"}
    environment(**own)
    processes = clean_environment({**own, "MODEL_DIR": str(tmp_path / "data"), "PORT": str(web)})
    program = [sys.executable, "-m", "backend"]
    logs = [tmp_path / name for name in ("serve.log", "worker.log", "helper.log")]
    queue = RoundQueue(open_redis(Settings(redis_url=url)))
    with (
        running([*program, "serve"], processes, logs[0]),
        running([*program, "worker"], processes, logs[1]),
        running([*program, "worker", "--helper"], processes, logs[2]),
    ):
        eventually(lambda: len(queue.workers.others()) == 2, "both workers", 90.0)
        eventually(lambda: "redis_unavailable" not in _asked(web), "the web server", 60.0)
        queue.request(7)
        eventually(lambda: queue.state(7).last_error, "the round", 60.0)
        commands = [run_command(word) for word in ("status", "doctor")]
    assert queue.state(7).last_error_code == "label_studio_unreachable"
    assert re.search(r"Redis: answers \((Redis|Valkey) [\d.]+\)\n", commands[1].stdout)
    assert "event=redis server=" in logs[0].read_text()
    shown = [*(log.read_text() for log in logs), *(done.stdout + done.stderr for done in commands)]
    assert _is_hidden(*shown, queue.state(7).last_error)
    assert "Traceback" not in "".join(shown)


def _asked(web: int) -> str:
    """The web server's answer to an event; it queues a job for that."""
    body = {"action": "ANNOTATION_CREATED", "project": {"id": 7}, "annotation": {"id": 1}}
    with suppress(httpx.HTTPError):
        return httpx.post(f"http://127.0.0.1:{web}/webhook", json=body).text
    return "redis_unavailable"


@pytest.mark.parametrize("user", ["", "ann", "bob"])
def test_password_and_user_open_redis(port, user):
    with open_redis(Settings(redis_url=_url(port, user))) as redis:
        RoundQueue(redis).ping()
        # Bob's rights leave out INFO, and nothing but the version is missing for it.
        assert bool(server_version(redis)) == (user != "bob")


@pytest.mark.parametrize("user", ["", "ann", "nobody"])
def test_a_wrong_password_is_refused_with_the_mend_and_not_shown(port, user, caplog):
    queue = RoundQueue(open_redis(Settings(redis_url=_url(port, user, f"{SPELT}x"))))
    with pytest.raises(RedisUnavailableError, match="the password in REDIS_URL") as raised:
        queue.ping()
    queue.redis.close()
    assert _is_hidden(str(raised.value), str(raised.value.__cause__), caplog.text)


def test_doctor_refuses_a_wrong_password_without_showing_it(port, environment, run_command):
    environment(REDIS_URL=_url(port, "ann", f"{SPELT}x"), LABEL_STUDIO_URL=NOBODY)
    done = run_command("doctor")
    assert "the password in REDIS_URL" in done.stdout
    assert _is_hidden(done.stdout, done.stderr)


@pytest.mark.parametrize("password", ["geheim/x", "geheim#x", "geheim?x", "12#geheim", "geheim@x"])
def test_a_password_that_an_address_cannot_hold_is_named_and_not_shown(tmp_path, password):
    with pytest.raises(ConfigurationError, match="percent-encode") as raised:
        open_redis(Settings(model_dir=tmp_path, redis_url=f"redis://:{password}@127.0.0.1:1/0"))
    assert _is_hidden(str(raised.value))


def test_the_settings_do_not_show_the_address_of_redis():
    assert _is_hidden(repr(Settings(redis_url=_url(6379))))


@contextmanager
def _with_tls(port: int, context: ssl.SSLContext) -> Iterator[int]:
    """A port with TLS that leads to a port without."""
    over = threading.Event()

    def copy(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)

    def serve_one(caller: socket.socket) -> None:
        with (
            suppress(OSError),
            context.wrap_socket(caller, server_side=True) as safe,
            socket.create_connection(("127.0.0.1", port)) as answerer,
        ):
            threading.Thread(target=copy, args=(answerer, safe), daemon=True).start()
            copy(safe, answerer)

    def serve() -> None:
        while not over.is_set():
            with suppress(TimeoutError):
                caller, _ = door.accept()
                caller.settimeout(None)
                threading.Thread(target=serve_one, args=(caller,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as door:
        door.settimeout(0.1)
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield int(door.getsockname()[1])
        over.set()
        thread.join()


@pytest.fixture
def tls(port, tmp_path) -> Iterator[tuple[int, Path]]:
    """The port of a Redis with TLS, and the file with its authority."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    with _with_tls(port, context) as safe_port:
        yield safe_port, tmp_path / "authority.pem"


def test_a_redis_with_tls_is_reached_by_its_authority(tls):
    safe_port, authority = tls
    url = f"rediss://ann:{SPELT}@localhost:{safe_port}/0?ssl_ca_certs={authority}"
    redis = open_redis(Settings(redis_url=url))
    RoundQueue(redis).ping()
    assert server_version(redis)
    redis.close()


def test_a_redis_whose_authority_is_unknown_is_refused_with_the_mend(tls):
    redis = open_redis(Settings(redis_url=f"rediss://ann:{SPELT}@localhost:{tls[0]}/0"))
    with pytest.raises(RedisUnavailableError, match="ssl_ca_certs") as raised:
        RoundQueue(redis).ping()
    assert _is_hidden(str(raised.value))
    redis.close()
