import numpy as np
import pytest

from backend.errors import RedisUnavailableError
from backend.settings import Settings
from backend.store.project_folder import ProjectFolder
from backend.work.classifiers import Classifiers
from backend.work.parts import PartWorker, embed_in_parts
from backend.work.queue import RoundQueue
from backend.work.redis_access import open_redis
from backend.work.sources import Source
from model.encoder.bert import new_classifier
from model.encoder.inference import embed_texts
from model.errors import EncoderError, TrainingCancelledError, VersionError
from tests.fakes import SENTIMENT

FEW = ["good film", "the bad plot", ""]


@pytest.fixture
def folder(tmp_path):
    return ProjectFolder(tmp_path, 1)


@pytest.fixture
def without_redis(tmp_path):
    return RoundQueue(open_redis(Settings(model_dir=tmp_path, redis_url=f"unix://{tmp_path}/nobody.sock")))


def test_few_texts_are_embedded_without_anybody_else(without_redis, folder, encoder):
    heard = []
    embeddings_M_D = embed_in_parts(
        PartWorker(without_redis, folder, Classifiers(1)), Source(encoder), FEW, lambda *step: heard.append(step)
    )
    np.testing.assert_array_equal(embeddings_M_D, embed_texts(new_classifier(encoder, SENTIMENT), FEW))
    assert embeddings_M_D.dtype == np.float32
    assert heard[-1] == (3, 3)
    assert not folder.path.exists()


def test_no_texts_have_no_rows(without_redis, folder, encoder):
    assert embed_in_parts(PartWorker(without_redis, folder, Classifiers(1)), Source(encoder), []).shape == (0, 16)


def test_who_is_told_to_stop_stops(without_redis, folder, encoder):
    with pytest.raises(TrainingCancelledError):
        embed_in_parts(PartWorker(without_redis, folder, Classifiers(1), lambda: True), Source(encoder), FEW)


def test_many_texts_want_a_redis_and_say_so(without_redis, folder, encoder):
    with pytest.raises(RedisUnavailableError):
        embed_in_parts(PartWorker(without_redis, folder, Classifiers(1)), Source(encoder), ["good"] * 1001)


@pytest.mark.parametrize(
    ("source", "error"), [(Source("no-such-encoder"), EncoderError), (Source(version=7), VersionError)]
)
def test_what_cannot_be_loaded_is_said(without_redis, folder, source, error):
    with pytest.raises(error):
        embed_in_parts(PartWorker(without_redis, folder, Classifiers(1)), source, FEW)
