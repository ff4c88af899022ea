"""The files of the embedded Redis are damaged while it is down; the next `serve` starts it all the same."""

import pytest
from redis import Redis

from backend.commands.serving import embedded_redis
from backend.errors import RedisUnavailableError
from backend.settings import Settings
from backend.work.redis_access import redis_url
from tests.faults.test_state_files import DAMAGES


@pytest.mark.parametrize("damage", DAMAGES)
def test_redis_starts_on_a_damaged_log_of_requests(tmp_path, damage):
    with embedded_redis(tmp_path) as url:
        for number in range(100):
            Redis.from_url(url).set(f"key {number}", "x" * 100)
    DAMAGES[damage](tmp_path / "redis" / "appendonly.aof")
    with embedded_redis(tmp_path) as url:
        assert Redis.from_url(url).ping()
    is_set_aside = (tmp_path / "redis.broken").exists()
    assert is_set_aside == (damage in ("zeros", "unreadable"))


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
