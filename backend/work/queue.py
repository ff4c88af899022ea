"""RQ on Redis: ask for a round, coalesce, take turns.

At most one round waits and one runs a project. A request while one waits changes nothing; a request while one runs
leaves one waiting. Jobs carry a project's id and nothing else, and may run twice: a round reads the truth itself.
"""

import time
import uuid
from collections.abc import Collection, Sequence
from threading import Event, Thread
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from rq import Queue
from rq.job import Job

from backend.work.claims import LEASE_S, RENEW_S
from backend.work.cores import Workers
from backend.work.redis_access import redis_errors, redis_key
from backend.work.states import RoundProgress, RoundState

QUEUE = "shortlist"
PARTS_QUEUE = "shortlist-parts"
ROUND_TIMEOUT_S = 6 * 3600
PART_TIMEOUT_S = 600
RETRY_DELAYS_S = (5, 15, 60, 300)
# More changed tasks of a project are not remembered one by one: whoever reads them finds them by their times.
MOST_NAMED = 5000
_UNNAMED = "unnamed"


class RoundQueue:
    """Rounds that wait and run, over one Redis.

    Attributes:
        queue: rounds that wait for a worker.
        parts: parts of rounds that run, for workers that have no round.
        workers: those that live.
    """

    def __init__(
        self,
        redis: Redis,
        function: str = "backend.rounds.performing.perform_round",
        part_function: str = "backend.rounds.performing.perform_part",
    ) -> None:
        self.redis = redis
        self.queue = Queue(QUEUE, connection=redis, default_timeout=ROUND_TIMEOUT_S)
        self.parts = Queue(PARTS_QUEUE, connection=redis, default_timeout=PART_TIMEOUT_S)
        self.workers = Workers(redis)
        self._function = function
        self._part_function = part_function

    def ping(self) -> None:
        """Raise RedisUnavailableError unless Redis answers."""
        with redis_errors():
            self.redis.ping()

    def request(
        self,
        project_id: int,
        *,
        changes: int = 0,
        train: bool = False,
        task_ids: Collection[int] = (),
        are_all_named: bool = True,
    ) -> str:
        """Ask for a round.

        Args:
            project_id: whose.
            changes: how many annotations or tasks changed, as far as the event says.
            train: train even if no training is due.
            task_ids: the tasks that changed.
            are_all_named: whether no others did.

        Returns:
            The id of the job that waits, an earlier one if one waits already.

        Raises:
            RedisUnavailableError: Redis does not answer.
        """
        with redis_errors():
            if changes:
                self.redis.hincrby(redis_key("changes"), str(project_id), changes)
            if train:
                self.redis.sadd(redis_key("train"), project_id)
            self._note_changed(project_id, task_ids, are_all_named)
            return self._enqueue(project_id)

    def _note_changed(self, project_id: int, task_ids: Collection[int], are_all_named: bool) -> None:
        """Remember which tasks changed, until a round has read them."""
        members: list[int | str] = list(task_ids) if len(task_ids) <= MOST_NAMED else []
        if not are_all_named or len(members) < len(task_ids):
            members.append(_UNNAMED)
        key = redis_key("changed", project_id)
        if members and self.redis.sadd(key, *members) and int(self.redis.scard(key)) > MOST_NAMED:
            self._forget_names(key)

    def _forget_names(self, key: str) -> None:
        """Keep of too many tasks only that some changed."""
        with self.redis.pipeline() as both:
            both.delete(key)
            both.sadd(key, _UNNAMED)
            both.execute()

    def _changed(self, project_id: int) -> frozenset[str]:
        """What changed since a round last read the tasks that had; kept until it has, whatever becomes of it."""
        noted, taken = redis_key("changed", project_id), redis_key("taken", project_id)
        with self.redis.pipeline() as both:
            both.sunionstore(taken, [taken, noted])
            both.delete(noted)
            both.execute()
        if int(self.redis.scard(taken)) > MOST_NAMED:
            self._forget_names(taken)
        members: Any = self.redis.smembers(taken)
        return frozenset(member.decode() for member in members)

    def _enqueue(self, project_id: int) -> str:
        """Queue a job and remember it as the waiting one, in one transaction."""
        waiting = redis_key("waiting", project_id)
        job = Job.create(
            self._function,
            args=(project_id,),
            id=f"round-{project_id}-{uuid.uuid4().hex[:12]}",
            connection=self.redis,
            timeout=ROUND_TIMEOUT_S,
            result_ttl=0,
            failure_ttl=3600,
        )

        def queue_once(pipe: Any) -> str:
            known: bytes | None = pipe.get(waiting)
            pipe.multi()
            if known is not None:
                return known.decode()
            pipe.set(waiting, job.id)
            self.queue.enqueue_job(job, pipeline=pipe)
            return job.id

        transaction: Any = self.redis.transaction
        return str(transaction(queue_once, waiting, value_from_callable=True))

    def invite(self, project_id: int, parts: Sequence[str]) -> list[str]:
        """Have workers that are free take parts of a round; the round needs none of them. Returns the jobs' ids."""
        jobs = [
            Queue.prepare_data(
                self._part_function,
                args=(project_id, part),
                timeout=PART_TIMEOUT_S,
                result_ttl=0,
                failure_ttl=3600,
                job_id=f"part-{project_id}-{uuid.uuid4().hex[:12]}",
            )
            for part in parts
        ]
        return [job.id for job in self.parts.enqueue_many(jobs)]

    def withdraw(self, job_ids: Sequence[str]) -> None:
        """Take back what of an invitation nobody has taken up."""
        pipe = self.redis.pipeline()
        for job_id in job_ids:
            self.parts.remove(job_id, pipeline=pipe)
        for job_id, was_waiting in zip(job_ids, pipe.execute(), strict=True):
            if was_waiting:
                pipe.delete(Job.key_for(job_id))
        pipe.execute()

    def begin(self, project_id: int) -> "Turn | None":
        """Take the turn to run a project's round.

        Returns:
            None if another worker has it; the round is then asked for again later.
        """
        owner = uuid.uuid4().hex
        is_ours = self.redis.set(redis_key("running", project_id), owner, nx=True, ex=LEASE_S)
        self.redis.delete(redis_key("waiting", project_id))
        if not is_ours:
            self.request_later(project_id, 1.0)
            return None
        changes = self.redis.hget(redis_key("changes"), str(project_id))
        self.redis.hdel(redis_key("changes"), str(project_id))
        # The wish stays noted until the round ends: a worker that is killed must not take it along.
        self.redis.smove(redis_key("train"), redis_key("training"), str(project_id))
        asked_to_train = bool(self.redis.sismember(redis_key("training"), str(project_id)))
        begun: Any = self.redis.hincrby(redis_key("begun"), str(project_id), 1)
        changed = self._changed(project_id)
        return Turn(self, project_id, owner, int(changes or 0), asked_to_train, int(begun) - 1, changed)

    def request_later(self, project_id: int, delay_s: float) -> None:
        """Ask for a round after a while."""
        with redis_errors():
            self.redis.zadd(redis_key("later"), {str(project_id): time.time() + delay_s}, lt=True)

    def retry_later(self, project_id: int) -> float:
        """Ask for a round again, later each time in a row; returns after how many seconds."""
        tries = int(self.redis.hincrby(redis_key("tries"), str(project_id), 1))
        delay_s = RETRY_DELAYS_S[min(tries, len(RETRY_DELAYS_S)) - 1]
        self.request_later(project_id, delay_s)
        return delay_s

    def request_due(self) -> None:
        """Queue the rounds whose time has come; every worker looks once a second."""
        with redis_errors():
            due: Any = self.redis.zrangebyscore(redis_key("later"), 0, time.time())
            for project_id in map(int, due):
                is_free = not self.redis.exists(redis_key("running", project_id))
                if is_free and self.redis.zrem(redis_key("later"), project_id):
                    self.request(project_id)

    def recover(self, project_ids: list[int]) -> None:
        """What a starting worker does: forget jobs that a killed one took along, and look at every project."""
        queued = set(self.queue.job_ids)
        for project_id in project_ids:
            waiting: Any = self.redis.get(redis_key("waiting", project_id))
            if waiting is not None and waiting.decode() not in queued:
                self.redis.delete(redis_key("waiting", project_id))
            # Nobody may have been there to hear of what changed meanwhile.
            self.request(project_id, are_all_named=False)

    def forget(self, project_id: int) -> None:
        """Drop all that is remembered of a project that is gone."""
        self.redis.zrem(redis_key("later"), project_id)
        self.redis.hdel(redis_key("tries"), str(project_id))
        self.redis.hdel(redis_key("changes"), str(project_id))
        self.redis.delete(redis_key("changed", project_id), redis_key("taken", project_id))

    def state(self, project_id: int) -> RoundState:
        """Where the project's round stands.

        Raises:
            RedisUnavailableError: Redis does not answer.
        """
        with redis_errors():
            runs = bool(self.redis.exists(redis_key("running", project_id)))
            waits = bool(self.redis.exists(redis_key("waiting", project_id)))
        return RoundProgress(self.redis, project_id).read(runs=runs, waits=waits)

    def anybody_waits(self) -> bool:
        """Whether some round waits for a worker."""
        return self.length() > 0

    def anybody_runs(self) -> bool:
        """Whether some round runs."""
        with redis_errors():
            begun: Any = self.redis.hkeys(redis_key("begun"))
            # One that was killed is never ended, but it no longer holds its turn.
            return bool(begun and self.redis.exists(*(redis_key("running", int(project_id)) for project_id in begun)))

    def length(self) -> int:
        """Jobs that wait."""
        with redis_errors():
            return len(self.queue)


class Turn:
    """The right to run one project's round, kept up by a thread until it is given back.

    Attributes:
        changes: annotations that came or changed since the last turn, as far as events said.
        asked_to_train: somebody pressed Start Training.
        deaths: how many turns before this one were begun and never given back.
        queue: where the workers are.
        changed_tasks: those that events named since a round last read what had changed.
        are_all_named: whether no other task changed, as far as events said.
    """

    def __init__(
        self,
        queue: RoundQueue,
        project_id: int,
        owner: str,
        changes: int,
        asked_to_train: bool,
        deaths: int,
        changed: Collection[str] = (),
    ) -> None:
        self.project_id = project_id
        self.changes = changes
        self.asked_to_train = asked_to_train
        self.deaths = deaths
        self.changed_tasks = frozenset(int(member) for member in changed if member != _UNNAMED)
        self.are_all_named = _UNNAMED not in changed
        self.queue = queue
        self._redis = queue.redis
        self._owner = owner
        self._progress = RoundProgress(queue.redis, project_id)
        self._over = Event()
        self._keeper = Thread(target=self._keep, daemon=True, name=f"turn-{project_id}")
        self._keeper.start()

    def may_linger(self) -> bool:
        """Whether work that can wait may go on: no other round wants the worker."""
        return not self.queue.anybody_waits()

    def come_back(self, delay_s: float) -> None:
        """Have the project looked at again after a while."""
        self.queue.request_later(self.project_id, delay_s)

    def has_read_changes(self) -> None:
        """What had changed is read and stored; until this is said, every further turn is told of it again."""
        self._redis.delete(redis_key("taken", self.project_id))

    def step(self, name: str) -> None:
        """Say which step the round is in."""
        self._progress.step(name)

    def progress(self, done: int, total: int, loss: float | None = None) -> None:
        """Say how far the step is, and in a training what the loss is."""
        self._progress.progress(done, total, loss)

    def end(self, error: str = "", code: str = "") -> None:
        """Give the turn back and say how it went."""
        self._over.set()
        self._keeper.join()
        self._progress.end(error, code)
        self._redis.hdel(redis_key("begun"), str(self.project_id))
        self._redis.srem(redis_key("training"), str(self.project_id))
        if not error:
            self._redis.hdel(redis_key("tries"), str(self.project_id))
        if self._redis.get(redis_key("running", self.project_id)) == self._owner.encode():
            self._redis.delete(redis_key("running", self.project_id))

    def _keep(self) -> None:
        while not self._over.wait(RENEW_S):
            try:
                self._redis.expire(redis_key("running", self.project_id), LEASE_S)
            except RedisError:
                # Redis is away; the round goes on, and the lease runs out if it stays away.
                continue
