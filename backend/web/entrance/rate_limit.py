"""A limit on requests for each client: a token bucket, in the memory of one process and of bounded size."""

import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

# Most clients that are remembered; the client whose last request is oldest is forgotten first.
MOST_CLIENTS = 10_000


class RateLimit:
    """Tokens that every client spends and gets back with time."""

    def __init__(self, rate_per_s: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Give every client a full bucket.

        Args:
            rate_per_s: tokens that a client gets back in a second.
            burst: tokens in a full bucket.
            clock: seconds from any start.
        """
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = Lock()

    def take(self, client: str) -> bool:
        """Spend a token; return False if the client has none.

        Args:
            client: any name of the client.
        """
        with self._lock:
            now_s, tokens = self._refilled(client)
            is_given = tokens >= 1.0
            self._buckets[client] = (now_s, tokens - is_given)
            self._buckets.move_to_end(client)
            if len(self._buckets) > MOST_CLIENTS:
                self._buckets.popitem(last=False)
            return is_given

    def has_any(self, client: str) -> bool:
        """Whether the client has a token; none is spent.

        Args:
            client: any name of the client.
        """
        with self._lock:
            return self._refilled(client)[1] >= 1.0

    def _refilled(self, client: str) -> tuple[float, float]:
        now_s = self._clock()
        since_s, tokens = self._buckets.get(client, (now_s, self._burst))
        return now_s, min(self._burst, tokens + (now_s - since_s) * self._rate_per_s)
