import pytest

from backend.errors import RedisUnavailableError
from backend.settings import Settings
from backend.work.queue import RoundQueue
from backend.work.redis_access import open_redis, redis_url
from backend.work.states import Pace


def test_redis_url_is_the_address_of_redis(tmp_path):
    (tmp_path / "redis.url").write_text("unix:///embedded.sock")
    assert redis_url(Settings(model_dir=tmp_path, redis_url="redis://elsewhere:1")) == "redis://elsewhere:1"


def test_without_redis_url_the_address_is_that_of_the_embedded_redis(tmp_path):
    (tmp_path / "redis.url").write_text("unix:///embedded.sock\n")
    assert redis_url(Settings(model_dir=tmp_path)) == "unix:///embedded.sock"


def test_without_redis_url_and_serve_the_error_names_both(tmp_path):
    with pytest.raises(RedisUnavailableError, match=r"REDIS_URL.*serve"):
        redis_url(Settings(model_dir=tmp_path))


@pytest.mark.parametrize(
    "ask",
    [
        lambda rounds: rounds.ping(),
        lambda rounds: rounds.request(1),
        lambda rounds: rounds.request(1, changes=3, train=True),
        lambda rounds: rounds.request(1, task_ids=[7, 8]),
        lambda rounds: rounds.request_later(1, 5.0),
        lambda rounds: rounds.state(1),
        lambda rounds: rounds.length(),
        lambda rounds: rounds.anybody_runs(),
        lambda rounds: rounds.look_after([1]),
        lambda rounds: rounds.request_errand(1),
        lambda rounds: rounds.drop_errand(1),
    ],
    ids=[
        "ping",
        "request",
        "request with changes",
        "request with tasks",
        "request_later",
        "state",
        "length",
        "anybody_runs",
        "look_after",
        "request_errand",
        "drop_errand",
    ],
)
def test_every_method_names_a_redis_that_does_not_answer(tmp_path, ask):
    rounds = RoundQueue(open_redis(Settings(model_dir=tmp_path, redis_url=f"unix://{tmp_path}/nobody.sock")))
    with pytest.raises(RedisUnavailableError, match="Redis does not answer"):
        ask(rounds)


def test_seconds_left_follow_from_the_mean_pace():
    pace = Pace().after(1, 61, now_s=100.0)
    assert pace.seconds_left == 0.0
    assert pace.after(21, 61, now_s=110.0).seconds_left == 20.0
    assert pace.after(21, 61, now_s=110.0).after(61, 61, now_s=130.0).seconds_left == 0.0


@pytest.mark.parametrize(("done", "total"), [(3, 61), (30, 500)], ids=["less than before", "of something else"])
def test_a_smaller_count_or_another_total_starts_a_new_pace(done, total):
    slow = Pace().after(1, 61, now_s=0.0).after(11, 61, now_s=1000.0)
    assert slow.after(done, total, now_s=1000.0).after(done + 10, total, now_s=1001.0).seconds_left == pytest.approx(
        (total - done - 10) / 10
    )
