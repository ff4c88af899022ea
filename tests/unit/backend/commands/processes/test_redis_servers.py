"""`serve` takes a Redis server of this machine, or the Valkey of a package, and says what it found where none runs."""

import pytest

from backend.commands.processes.redis_servers import OLDEST, redis_servers
from backend.errors import RedisUnavailableError

REDIS = "echo 'Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=53ab1dcc7c6e6b5b'"
VALKEY = "echo 'Valkey server v=8.1.3 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=53ab1dcc7c6e6b5b'"
NO_PACKAGE = "no_such_package"
# A program, and what is said of it.
UNUSABLE = {
    "too old": ("echo 'Redis server v=6.2.14 sha=00000000:0'", "version 6.2.14 is too old"),
    "no Redis": ("echo 'nginx/1.22'", "it does not say that it is a Redis"),
    "a library is missing": (
        "echo 'error while loading shared libraries: libssl.so.3' >&2; exit 127",
        "it ends with 127 (error while loading shared libraries: libssl.so.3)",
    ),
}


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put a program into a folder that is all of PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def install(name: str, script: str = "", content: bytes = b""):
        program = tmp_path / name
        program.write_bytes(content or f"#!/bin/sh\n{script}\n".encode())
        program.chmod(0o700)
        return program

    return install


def test_a_server_of_this_machine_comes_before_that_of_the_package(install):
    redis, valkey = install("redis-server", REDIS), install("valkey-server", VALKEY)
    first, second, *others = redis_servers()
    assert (first.program, first.name, first.version) == (redis, "Redis", "7.0.15")
    assert (second.program, second.name, second.version) == (valkey, "Valkey", "8.1.3")
    assert [other.name for other in others] == ["Valkey"]


def test_an_old_server_in_front_hides_none_behind_it(install, tmp_path, monkeypatch):
    install("redis-server", UNUSABLE["too old"][0])
    behind = tmp_path / "behind"
    behind.mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path}:{behind}")
    program = install("behind/redis-server", REDIS)
    assert redis_servers(NO_PACKAGE)[0].program == program


def test_without_a_server_of_this_machine_the_package_has_one(install):
    [server] = redis_servers()
    assert server.name == "Valkey"
    assert int(server.version.split(".")[0]) >= OLDEST[0]


@pytest.mark.parametrize(("script", "said"), UNUSABLE.values(), ids=UNUSABLE)
def test_a_server_that_cannot_be_used_is_passed_over(install, script, said):
    install("redis-server", script)
    assert [server.name for server in redis_servers()] == ["Valkey"]
    valkey = install("valkey-server", VALKEY)
    assert [server.program for server in redis_servers(NO_PACKAGE)] == [valkey]


@pytest.mark.parametrize(("script", "said"), UNUSABLE.values(), ids=UNUSABLE)
def test_without_any_a_sentence_says_why_and_what_to_do(install, script, said):
    program = install("redis-server", script)
    with pytest.raises(RedisUnavailableError) as raised:
        redis_servers(NO_PACKAGE)
    assert f"no Redis server runs here ({program}: {said}): install redis-server 7.0 or newer" in str(raised.value)
    assert "set REDIS_URL" in str(raised.value)


def test_a_server_for_another_processor_is_named(install):
    program = install("redis-server", content=b"\x7fELF\x02\x01\x01" + b"\0" * 100)
    with pytest.raises(RedisUnavailableError) as raised:
        redis_servers(NO_PACKAGE)
    assert f"{program}: Exec format error" in str(raised.value)


def test_without_anything_the_sentence_says_so(install):
    with pytest.raises(RedisUnavailableError, match="no redis-server on PATH, and the package no_such_package is not"):
        redis_servers(NO_PACKAGE)
