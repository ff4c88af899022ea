import pytest
from redis.exceptions import AuthenticationError, BusyLoadingError, ConnectionError, ResponseError, TimeoutError

from backend.errors import RedisUnavailableError
from backend.work.redis_access import redis_errors

MISCONF = "MISCONF Errors writing to the AOF file: No space left on device"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConnectionError("Error 111 connecting to localhost:6379. Connection refused."), "Redis does not answer"),
        (TimeoutError("Timeout reading from socket"), "Redis does not answer"),
        (ResponseError(MISCONF), f"Redis refuses ({MISCONF}): it cannot write to its disk; make room there"),
        (ResponseError("OOM command not allowed when used memory > 'maxmemory'."), "raise its maxmemory"),
        (ResponseError("NOAUTH Authentication required."), "put it into REDIS_URL"),
        (AuthenticationError("invalid username-password pair or user is disabled."), "correct the password"),
        (AuthenticationError("WRONGPASS invalid username-password pair"), "correct the password"),
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
