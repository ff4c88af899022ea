"""Requests of events and people for a project's next round. Redis keeps them until a round has ended well.

One Redis hash holds the requests of a project. Each field counts how often something was asked. A round reads the
counts when it begins, and takes exactly these counts away when it ends. A request that comes meanwhile stays, and so
does everything that a killed or failed round had read.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from redis import Redis

from backend.store.sync_record import MOST_NAMED
from backend.work.redis_access import redis_key

_ASKED, _CHANGES, _TRAIN, _UNNAMED, _TASK = "asked", "changes", "train", "unnamed", "task:"
_NAME, _COUNT = re.compile(rb"asked|changes|train|unnamed|task:\d{1,19}"), re.compile(rb"-?\d{1,19}")
_TAKE_AWAY = """
for i = 1, #ARGV, 2 do
  if redis.call('HINCRBY', KEYS[1], ARGV[i], -ARGV[i + 1]) <= 0 then redis.call('HDEL', KEYS[1], ARGV[i]) end
end
"""


@dataclass(frozen=True)
class Requested:
    """The requests for a project's next round.

    Attributes:
        changes: number of annotations or tasks that changed, as counted by events.
        train: a person pressed Start Training.
        changed_tasks: ids of changed tasks.
        are_all_named: `changed_tasks` holds every changed task, as far as events told.
        counts: the counts behind it, by field of the Redis hash.
    """

    changes: int = 0
    train: bool = False
    changed_tasks: frozenset[int] = frozenset()
    are_all_named: bool = True
    counts: Mapping[str, int] = field(default_factory=dict, compare=False)


class Requests:
    """The requests of one project."""

    def __init__(self, redis: Redis, project_id: int) -> None:
        self._redis = redis
        self._key = redis_key("requests", project_id)

    def add(self, requested: Requested) -> None:
        """Add requests to the earlier ones.

        Args:
            requested: what is asked; `counts` is not read.
        """
        counts = _counts_of(requested)
        with self._redis.pipeline() as pipe:
            for name, count in counts.items():
                pipe.hincrby(self._key, name, count)
            pipe.hlen(self._key)
            if int(pipe.execute()[-1]) > MOST_NAMED:
                self._forget_names()

    def read(self) -> Requested:
        """Read everything that was asked. It stays until `take_away`. Fields that `add` did not write are left out."""
        raw: Any = self._redis.hgetall(self._key)
        counts = {
            name.decode(): int(count)
            for name, count in raw.items()
            if _NAME.fullmatch(name) and _COUNT.fullmatch(count)
        }
        return Requested(
            changes=counts.get(_CHANGES, 0),
            train=_TRAIN in counts,
            changed_tasks=frozenset(int(name[len(_TASK) :]) for name in counts if name.startswith(_TASK)),
            are_all_named=_UNNAMED not in counts,
            counts=counts,
        )

    def is_empty(self) -> bool:
        """Whether a round has honoured everything that was asked."""
        return not self._redis.exists(self._key)

    def take_away(self, requested: Requested) -> None:
        """Remove what a round has honoured.

        Args:
            requested: what `read` returned to the round.
        """
        if requested.counts:
            arguments = [part for name, count in requested.counts.items() for part in (name, count)]
            self._redis.register_script(_TAKE_AWAY)(keys=[self._key], args=arguments)

    def forget(self) -> None:
        """Remove everything that was asked."""
        self._redis.delete(self._key)

    def _forget_names(self) -> None:
        """Replace too many task ids by the mark that tasks changed."""
        names: Any = self._redis.hkeys(self._key)
        tasks = [name for name in names if name.startswith(_TASK.encode())]
        with self._redis.pipeline() as pipe:
            pipe.hincrby(self._key, _UNNAMED, 1)
            if tasks:
                pipe.hdel(self._key, *tasks)
            pipe.execute()


def _counts_of(requested: Requested) -> dict[str, int]:
    named: Collection[int] = requested.changed_tasks if len(requested.changed_tasks) <= MOST_NAMED else ()
    are_all_named = requested.are_all_named and len(named) == len(requested.changed_tasks)
    counts = {_ASKED: 1, _CHANGES: requested.changes, _TRAIN: int(requested.train), _UNNAMED: int(not are_all_named)}
    return {name: count for name, count in counts.items() if count} | {f"{_TASK}{id_}": 1 for id_ in named}
