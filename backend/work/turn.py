"""The right to run one project's round. At most one worker has it; a worker that lost it changes nothing any more."""

import logging
import uuid
from threading import Event, Thread
from threading import Lock as ThreadLock
from typing import Any

from redis import Redis
from redis.exceptions import LockError, LockNotOwnedError, RedisError
from redis.lock import Lock
from rq.job import Job

from backend.errors import TurnLostError
from backend.work.redis_access import redis_errors, redis_key
from backend.work.requests import Requested, Requests
from backend.work.states import RoundProgress
from backend.work.workers import LEASE_S, RENEW_S

RETRY_DELAYS_S = (5, 15, 60, 300)
# Whoever sets another order by hand waits as long for ours to come back.
SWITCH_EVERY_S = 20

log = logging.getLogger(__name__)


class Turn:
    """The right to run one project's round, until `end`. A thread renews the right meanwhile.

    The right is a lock in Redis that expires if nobody renews it. After a pause of Redis, or of this process, the lock
    may be gone. If no other turn of the project began meanwhile, the turn takes the lock again and goes on. Otherwise
    the turn is lost for good.

    Attributes:
        project_id: the project.
        deaths: number of workers that died over this round.
        requested: the requests for the round.
        again_in_s: seconds after which the project wants another round; None if it wants none by itself.
    """

    def __init__(self, redis: Redis, project_id: int, job: Job, deaths: int) -> None:
        """Describe the turn; `take` takes it.

        Args:
            redis: the Redis that all workers share.
            project_id: the project.
            job: RQ's job that runs the round.
            deaths: number of workers that died over this job.
        """
        self.project_id = project_id
        self.deaths = deaths
        self.requested = Requested()
        self.again_in_s: float | None = None
        self._redis = redis
        self._token = f"{job.id}:{uuid.uuid4().hex}"
        self._lock = Lock(redis, turn_key(project_id), timeout=LEASE_S, blocking=False, thread_local=False)
        self._requests = Requests(redis, project_id)
        self._record = record_key(project_id)
        self._number = 0
        self._lost = Event()
        self._over = Event()
        self._holding = ThreadLock()
        self._progress = RoundProgress(job, lambda: not self.is_lost())
        self._renewer = Thread(target=self._renew, daemon=True, name=f"turn-{project_id}")

    def take(self) -> bool:
        """Take the turn; return False if another worker has it."""
        if not self._acquire():
            return False
        self._number = int(self._redis.hincrby(self._record, "turns", 1))
        self.requested = self._requests.read()
        self._renewer.start()
        return True

    def is_lost(self) -> bool:
        """Whether another turn of the project began, as far as this process knows."""
        return self._lost.is_set()

    def check(self) -> None:
        """Ask Redis whether this turn still holds. Call this before every step that others see.

        Raises:
            TurnLostError: another turn of the project began.
            RedisUnavailableError: Redis does not answer.
        """
        with redis_errors():
            self._hold()
        if self.is_lost():
            raise TurnLostError(f"another worker runs a round of project {self.project_id} now")

    def may_switch(self) -> bool:
        """Whether the round may switch annotators back to the project's order; once in SWITCH_EVERY_S seconds.

        Two backends of one project would otherwise switch for ever, each because of the other's switch. If the round
        may not, the project has another round in that time.

        Raises:
            RedisUnavailableError: Redis does not answer.
        """
        with redis_errors():
            # Redis's own clock: those of different machines may differ.
            now: Any = self._redis.time()
            last_s: Any = self._redis.hget(self._record, "switched_s")
            if 0 <= now[0] - int(last_s or 0) < SWITCH_EVERY_S:
                self.come_back(SWITCH_EVERY_S)
                return False
            self._redis.hset(self._record, "switched_s", now[0])
        return True

    def come_back(self, delay_s: float) -> None:
        """Request another round of the project after a delay; the shortest delay counts.

        Args:
            delay_s: seconds from the end of this round.
        """
        self.again_in_s = delay_s if self.again_in_s is None else min(self.again_in_s, delay_s)

    def step(self, name: str) -> None:
        """Record that the round begins a step.

        Args:
            name: one of `states.STATES`.
        """
        self._progress.step(name)

    def progress(self, done: int, total: int, loss: float | None = None) -> None:
        """Record the progress of the step.

        Args:
            done: items done.
            total: items to do.
            loss: loss of the last batch of a training; None outside a training.
        """
        self._progress.progress(done, total, loss)

    def next_delay_s(self) -> int:
        """Return the seconds until the round should be tried again; they grow with each failure in a row.

        A round that somebody asked for before that time says nothing new: it waits for the rest of the time. Ten labels
        in a second would otherwise make the longest wait of a fault that takes seconds. Where Redis does not count,
        the seconds are those after a first failure.
        """
        try:
            # Redis's own clock: those of different machines may differ.
            now: Any = self._redis.time()
            again_s: Any = self._redis.hget(self._record, "again_s")
            left_s = int(again_s or 0) - int(now[0])
            if 0 < left_s <= RETRY_DELAYS_S[-1]:
                return left_s
            tries = int(self._redis.hincrby(self._record, "tries", 1))
            delay_s = RETRY_DELAYS_S[min(tries, len(RETRY_DELAYS_S)) - 1]
            self._redis.hset(self._record, "again_s", now[0] + delay_s)
        except RedisError as error:
            log.warning("event=tries_not_counted project=%d reason=%s", self.project_id, error)
            return RETRY_DELAYS_S[0]
        return delay_s

    def end(self, error: str = "", code: str = "", *, is_honoured: bool | None = None) -> None:
        """End the turn and record the result of the round. A lost turn records nothing.

        Where Redis refuses or is silent, nothing is recorded either: what was asked stays, the lock lapses by itself,
        and a living worker queues the round anew.

        Args:
            error: error message; empty if the round succeeded.
            code: error code; empty if the round succeeded.
            is_honoured: forget the requests for the round; by default if it succeeded.
        """
        self._over.set()
        self._renewer.join()
        try:
            self._end(error, code, is_honoured=not error if is_honoured is None else is_honoured)
        except RedisError as refusal:
            log.warning("event=turn_not_ended project=%d reason=%s", self.project_id, refusal)

    def _end(self, error: str, code: str, *, is_honoured: bool) -> None:
        self._hold()
        if self.is_lost():
            log.warning("event=turn_lost project=%d", self.project_id)
            return
        if is_honoured:
            self._requests.take_away(self.requested)
        self._redis.hset(self._record, mapping={"error": error, "code": code})
        if not error:
            self._redis.hdel(self._record, "tries", "again_s")
        try:
            self._lock.release()
        except LockError:
            log.warning("event=turn_lapsed project=%d", self.project_id)

    def _acquire(self) -> bool:
        # Redis may have taken a command whose answer was lost; the repeated command then finds our own token.
        return self._lock.acquire(token=self._token) or self._redis.get(self._lock.name) == self._token.encode()

    def _renew(self) -> None:
        while not self._over.wait(RENEW_S) and not self.is_lost():
            try:
                self._hold()
            except RedisError as error:
                # Redis does not answer. The round goes on; `check` stops it before it changes anything.
                log.warning("event=turn_not_renewed project=%d reason=%s", self.project_id, error)

    def _hold(self) -> None:
        """Renew the lock, or take it again if it expired and no other turn began."""
        with self._holding:
            if self.is_lost():
                return
            try:
                self._lock.reacquire()
            except LockNotOwnedError:
                if not self._acquire():
                    self._lost.set()
                elif self._has_another_begun():
                    self._lost.set()
                    self._lock.release()

    def _has_another_begun(self) -> bool:
        number: Any = self._redis.hget(self._record, "turns")
        return int(number or 0) != self._number


def turn_key(project_id: int) -> str:
    """Return the Redis key of a project's turn. While a round runs, the key holds the job's id and a random token."""
    return redis_key("turn", project_id)


def record_key(project_id: int) -> str:
    """Return the Redis key of a project's record: turns, the last round's error, failures in a row, the last switch."""
    return redis_key("round", project_id)
