"""A worker that kills itself at its n-th message to Redis, in a process of its own.

Every change of a turn's life is a message to Redis, so killing a worker before each of them tries every moment between
two changes.
"""

import os
import signal
from multiprocessing import get_context

from redis import Redis
from redis.connection import UnixDomainSocketConnection
from rq import get_current_job

from backend.work.forms import ARGUMENTS, PERFORM_ROUND
from backend.work.jobs import JsonWorker
from backend.work.queue import RoundQueue
from backend.work.workers import Workers

# Redis lists: the processes that began a round, and those that ended one.
BEGUN, ENDED = "test:begun", "test:ended"
_FUNCTION = f"{__name__}.perform_round"
ARGUMENTS[_FUNCTION] = ARGUMENTS[PERFORM_ROUND]
_queues: list[RoundQueue] = []


def open_queue(
    socket: str, connection_class: type[UnixDomainSocketConnection] = UnixDomainSocketConnection
) -> RoundQueue:
    """Open the queue of rounds whose rounds only note that they began and ended."""
    redis = Redis.from_url(f"unix://{socket}")
    redis.connection_pool.connection_class = connection_class
    queue = RoundQueue(redis, _FUNCTION)
    _queues[:] = [queue]
    return queue


def perform_round(project_id: int) -> None:
    """Note that this process begins a round, and that it ends it; do nothing between."""
    queue, job = _queues[0], get_current_job()
    assert job is not None
    turn = queue.begin(job)
    assert turn is not None, "another worker has the turn"
    queue.redis.rpush(BEGUN, os.getpid())
    turn.step("training")
    turn.check()
    queue.redis.rpush(ENDED, os.getpid())
    turn.end()


def work_off(queue: RoundQueue) -> None:
    """Run all waiting rounds in this process, by a worker that can be told from every other."""
    queue.workers.join()
    JsonWorker([queue.queue, queue.parts], connection=queue.redis, name=queue.workers.name).work(
        burst=True, logging_level="ERROR"
    )


def die_at(socket: str, message: int) -> bool:
    """Work in another process that is killed before a message; return whether it died (else it was done before).

    Args:
        socket: path of Redis's socket.
        message: number of the message, from 1.
    """
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=_work_and_die, args=(socket, message))
    process.start()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL), "the worker ended in another way"
    return process.exitcode == -signal.SIGKILL


def _work_and_die(socket: str, message: int) -> None:
    left = message

    class Deadly(UnixDomainSocketConnection):
        def send_packed_command(self, command: object, check_health: bool = True) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            super().send_packed_command(command, check_health)

    queue = open_queue(socket, Deadly)
    queue.workers = Workers(queue.redis)
    work_off(queue)
