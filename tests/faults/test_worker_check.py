"""The health check of a worker's container: it fails where the worker or its Redis is gone or stands still."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis import Redis

from backend.commands.processes.embedded_redis import redis_command
from backend.commands.processes.redis_servers import redis_servers
from backend.work.living import living_here
from backend.work.workers import LEASE_S, RENEW_S
from examples.servers import clean_environment, running
from tests.servers import eventually


@dataclass
class OwnRedis:
    """A Redis in a process of its own, which a test may stop."""

    pid: int
    url: str


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[OwnRedis]:
    """A Redis of one test's own."""
    socket = tmp_path / "redis.sock"
    with running(
        redis_command(redis_servers()[0].program, tmp_path, socket), os.environ, tmp_path / "redis.log"
    ) as redis:
        eventually(socket.exists, "Redis's socket", 30.0)
        yield OwnRedis(redis.pid, f"unix://{socket}")


@pytest.fixture
def worker_pid(own_redis: OwnRedis, tmp_path: Path) -> Iterator[int]:
    """The process id of a worker that has told Redis that it lives."""
    environment = clean_environment({"REDIS_URL": own_redis.url, "MODEL_DIR": str(tmp_path)})
    command = [sys.executable, "-m", "backend", "worker"]
    with running(command, environment, tmp_path / "worker.log") as worker, Redis.from_url(own_redis.url) as redis:
        eventually(lambda: living_here(redis), "the worker", 90.0)
        yield worker.pid


def test_the_check_passes_while_the_worker_lives_and_fails_once_it_stands_still_or_is_killed(
    own_redis: OwnRedis, worker_pid: int, environment, run_command
) -> None:
    environment(REDIS_URL=own_redis.url)
    _add_workers_of_other_containers(own_redis)
    done = run_command("check-worker")
    assert (done.exit_code, done.stdout.count("shortlist-"), f"-{worker_pid}\n" in done.stdout) == (0, 1, True)

    os.kill(worker_pid, signal.SIGSTOP)
    stopped_s = time.monotonic()
    eventually(lambda: run_command("check-worker").exit_code == 1, "the worker to be missed", LEASE_S + 5)
    assert time.monotonic() - stopped_s >= LEASE_S - 2 * RENEW_S

    os.kill(worker_pid, signal.SIGCONT)
    eventually(lambda: run_command("check-worker").exit_code == 0, "the worker to be found again", 2 * RENEW_S + 5)

    os.kill(worker_pid, signal.SIGKILL)
    os.waitpid(worker_pid, 0)
    done = run_command("check-worker")
    assert (done.exit_code, "no worker of this machine" in done.stdout) == (1, True)


def _add_workers_of_other_containers(own_redis: OwnRedis) -> None:
    with Redis.from_url(own_redis.url) as redis:
        for number in range(3):
            key = f"rq:worker:shortlist-abc-container{number}-1"
            redis.sadd("rq:workers", key)
            redis.hset(key, "birth", "now")


def test_the_check_fails_with_a_sentence_where_redis_stands_still_or_is_gone(
    own_redis: OwnRedis, environment, run_command
) -> None:
    environment(REDIS_URL=own_redis.url)
    os.kill(own_redis.pid, signal.SIGSTOP)
    began_s = time.monotonic()
    done = run_command("check-worker")
    assert (done.exit_code, "Redis does not answer" in done.stderr) == (1, True)
    assert time.monotonic() - began_s < 30, "docker-compose.yml gives the check 30 s"

    os.kill(own_redis.pid, signal.SIGKILL)
    done = run_command("check-worker")
    assert (done.exit_code, "Redis does not answer" in done.stderr) == (1, True)
