import numpy as np
import pytest

from backend.errors import RedisUnavailableError
from backend.settings import Settings
from backend.store.project_folder import ProjectFolder
from backend.work.classifiers import Classifiers
from backend.work.pool.parts import PartWorker, embed_in_parts
from backend.work.queue import RoundQueue
from backend.work.redis_access import open_redis
from backend.work.sources import Source
from model.encoder.classifier import new_classifier
from model.errors import EncoderError, TrainingCancelledError, VersionError
from tests.fakes import SENTIMENT

FEW = ["good film", "the bad plot", ""]


@pytest.fixture
def folder(tmp_path):
    return ProjectFolder(tmp_path, 1)


@pytest.fixture
def without_redis(tmp_path):
    return RoundQueue(open_redis(Settings(model_dir=tmp_path, redis_url=f"unix://{tmp_path}/nobody.sock")))


def test_few_texts_are_embedded_without_redis(without_redis, folder, encoder):
    heard = []
    [(rows_K, embeddings_K_D)] = embed_in_parts(
        PartWorker(without_redis, folder, Classifiers(1)), Source(encoder), FEW, lambda *step: heard.append(step)
    )
    embeddings_M_D = embeddings_K_D[np.argsort(rows_K)]
    np.testing.assert_array_equal(embeddings_M_D, new_classifier(encoder, SENTIMENT).encoder.embed(FEW))
    assert embeddings_M_D.dtype == np.float32
    assert heard[-1] == (3, 3)
    assert not folder.path.exists()


def test_no_texts_give_no_rows(without_redis, folder, encoder):
    [(rows_K, embeddings_K_D)] = embed_in_parts(PartWorker(without_redis, folder, Classifiers(1)), Source(encoder), [])
    assert (len(rows_K), embeddings_K_D.shape) == (0, (0, 16))


def test_embedding_ends_when_should_stop_returns_true(without_redis, folder, encoder):
    with pytest.raises(TrainingCancelledError):
        list(embed_in_parts(PartWorker(without_redis, folder, Classifiers(1), lambda: True), Source(encoder), FEW))


def test_many_texts_need_redis(without_redis, folder, encoder):
    with pytest.raises(RedisUnavailableError):
        list(embed_in_parts(PartWorker(without_redis, folder, Classifiers(1)), Source(encoder), ["good"] * 1001))


@pytest.mark.parametrize(
    ("source", "error"), [(Source("no-such-encoder"), EncoderError), (Source(version=7), VersionError)]
)
def test_a_missing_encoder_or_version_is_an_error(without_redis, folder, source, error):
    with pytest.raises(error):
        list(embed_in_parts(PartWorker(without_redis, folder, Classifiers(1)), source, FEW))
