import os

import pytest
from pydantic import SecretStr
from redis.exceptions import AuthenticationError, BusyLoadingError, ConnectionError, ResponseError, TimeoutError

from backend.commands.processes.embedded_redis import redis_command
from backend.commands.processes.redis_servers import redis_servers
from backend.errors import RedisUnavailableError
from backend.settings import Settings
from backend.work.queue import RoundQueue
from backend.work.redis_access import open_redis, redis_errors
from examples.servers import running
from tests.servers import eventually

MISCONF = "MISCONF Errors writing to the AOF file: No space left on device"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConnectionError("Error 111 connecting to localhost:6379. Connection refused."), "Redis does not answer"),
        (TimeoutError("Timeout reading from socket"), "Redis does not answer"),
        (ResponseError(MISCONF), f"Redis refuses ({MISCONF}): it cannot write to its disk; make room there"),
        (ResponseError("OOM command not allowed when used memory > 'maxmemory'."), "raise its maxmemory"),
        (ResponseError("NOAUTH Authentication required."), "set REDIS_PASSWORD"),
        (AuthenticationError("invalid username-password pair or user is disabled."), "correct REDIS_PASSWORD"),
        (AuthenticationError("WRONGPASS invalid username-password pair"), "correct REDIS_PASSWORD"),
        (ResponseError("NOPERM this user has no permissions"), "give the user of REDIS_URL all commands"),
        (ResponseError("READONLY You can't write against a read only replica."), "set REDIS_URL to the primary"),
        (BusyLoadingError("Redis is loading the dataset in memory"), "Redis"),
        (ResponseError("something new"), "Redis refuses (something new): see its log"),
    ],
)
def test_what_redis_says_is_said_with_the_mend(error, said):
    with pytest.raises(RedisUnavailableError) as raised, redis_errors():
        raise error
    assert said in str(raised.value)


def test_a_password_of_its_own_opens_redis_and_one_in_the_address_comes_first(tmp_path):
    command = redis_command(redis_servers()[0].program, tmp_path, tmp_path / "redis.sock")
    address = f"unix://{tmp_path}/redis.sock"
    with running([*command, "--requirepass", "right"], os.environ, tmp_path / "log"):
        eventually((tmp_path / "redis.sock").exists, "Redis's socket", 30.0)
        right, wrong = SecretStr("right"), SecretStr("wrong")
        assert RoundQueue(open_redis(Settings(redis_url=address, redis_password=right))).ping() is None
        with_user = address.replace("unix://", "unix://:right@")
        assert RoundQueue(open_redis(Settings(redis_url=with_user, redis_password=wrong))).ping() is None
        for password, mend in ((wrong, "correct REDIS_PASSWORD"), (None, "set REDIS_PASSWORD")):
            with pytest.raises(RedisUnavailableError, match=mend):
                RoundQueue(open_redis(Settings(redis_url=address, redis_password=password))).ping()
