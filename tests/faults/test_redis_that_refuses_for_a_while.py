"""Redis refuses for a while: a worker outlives it, and does what is asked afterwards."""

import sys

import pytest
from redis import Redis

from backend.work.queue import RoundQueue
from examples.servers import clean_environment, free_port, running, tail
from tests.faults.test_redis_at_the_end_of_a_round import PROJECT, WAYS
from tests.servers import LEGACY_TOKEN, eventually

SOUND_AGAIN_S = 60.0


@pytest.mark.parametrize("way", ["it is a replica", "its memory is full"])
def test_a_worker_goes_on_once_a_redis_that_refused_is_well_again(module_redis: Redis, tmp_path, way):
    refuse, mend = WAYS[way]
    environment = clean_environment(
        {
            "REDIS_URL": f"unix://{module_redis.connection_pool.connection_kwargs['path']}",
            "MODEL_DIR": str(tmp_path / "data"),
            "LABEL_STUDIO_URL": f"http://127.0.0.1:{free_port()}",
            "LABEL_STUDIO_API_KEY": LEGACY_TOKEN,
        }
    )
    module_redis.flushall()
    queue, log = RoundQueue(module_redis), tmp_path / "worker.log"
    with running([sys.executable, "-m", "backend", "worker"], environment, log) as worker:
        eventually(queue.workers.others, "the worker", 120.0)
        refuse(module_redis)
        try:
            eventually(lambda: "quitting" in log.read_text(), "the worker to meet the refusal", 120.0)
        finally:
            mend(module_redis)
        queue.request(PROJECT)
        eventually(lambda: queue.state(PROJECT).last_error, f"a round; {tail(log)}", SOUND_AGAIN_S)
        assert worker.poll() is None
    assert queue.state(PROJECT).last_error_code == "label_studio_unreachable"
