"""An encoder that a helper keeps on disk is damaged; the helper fetches it again instead of answering nonsense."""

import pytest
from redis import Redis

from backend.work.pool.weights import fetch_weights, offer_weights
from model.errors import VersionError
from model.files.names import discard
from tests.faults.test_state_files import DAMAGES


@pytest.fixture
def offered(module_redis: Redis, tmp_path) -> str:
    """The digest of an encoder of two files in Redis."""
    folder = tmp_path / "version"
    (folder / "encoder").mkdir(parents=True)
    (folder / "head.safetensors").write_bytes(b"head")
    (folder / "encoder" / "model.safetensors").write_bytes(b"weights" * 1000)
    return offer_weights(module_redis, folder)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_encoder_is_fetched_again(module_redis, offered, tmp_path, damage):
    kept = fetch_weights(module_redis, offered, tmp_path / "weights")
    DAMAGES[damage](kept / "encoder" / "model.safetensors")
    assert fetch_weights(module_redis, offered, tmp_path / "weights") == kept
    assert (kept / "encoder" / "model.safetensors").read_bytes() == b"weights" * 1000
    assert [path.name for path in (tmp_path / "weights").iterdir()] == [offered]


def test_a_damaged_encoder_that_redis_has_no_more_is_never_used(module_redis, offered, tmp_path):
    kept = fetch_weights(module_redis, offered, tmp_path / "weights")
    (kept / "head.safetensors").write_bytes(b"evil")
    module_redis.flushall()
    with pytest.raises(VersionError, match="does not have"):
        fetch_weights(module_redis, offered, tmp_path / "weights")
    assert not kept.exists()


def test_an_encoder_in_whose_place_is_a_file_is_fetched_again(module_redis, offered, tmp_path):
    kept = fetch_weights(module_redis, offered, tmp_path / "weights")
    discard(kept)
    kept.write_bytes(b"")
    assert (fetch_weights(module_redis, offered, tmp_path / "weights") / "head.safetensors").read_bytes() == b"head"
