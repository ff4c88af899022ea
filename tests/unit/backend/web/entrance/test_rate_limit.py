from backend.web.entrance.rate_limit import MOST_CLIENTS, RateLimit


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_a_client_may_ask_at_once_as_often_as_the_bucket_is_deep_and_then_at_the_rate():
    clock = Clock()
    limit = RateLimit(2.0, 3.0, clock)
    assert [limit.take("a") for _ in range(4)] == [True, True, True, False]
    clock.now_s += 1.0
    assert [limit.take("a") for _ in range(3)] == [True, True, False]
    clock.now_s += 1000.0
    assert [limit.take("a") for _ in range(4)] == [True, True, True, False]


def test_clients_do_not_share_a_bucket():
    limit = RateLimit(1.0, 1.0, Clock())
    assert limit.take("a")
    assert limit.take("b")
    assert not limit.take("a")


def test_looking_spends_nothing():
    limit = RateLimit(1.0, 1.0, Clock())
    assert [limit.has_any("a") for _ in range(3)] == [True] * 3
    limit.take("a")
    assert not limit.has_any("a")


def test_a_million_clients_take_no_more_memory_than_a_few():
    limit = RateLimit(1.0, 1.0, Clock())
    for number in range(MOST_CLIENTS + 500):
        limit.take(str(number))
    assert len(limit._buckets) == MOST_CLIENTS
    assert limit.take("0"), "the one that asked least lately was forgotten"
    assert not limit.take(str(MOST_CLIENTS + 499))
