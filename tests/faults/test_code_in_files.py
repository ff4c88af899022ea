"""Files that other machines may write hold pickles and Python modules; no process of ours runs them."""

import json
import os
import pickle
import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from redis import Redis
from safetensors import SafetensorError

from backend.store.embeddings import EmbeddingCache
from backend.work.pool.weights import fetch_weights, offer_weights
from model.encoder.classifier import load_classifier, new_classifier, save_classifier
from model.errors import EncoderError
from tests.fakes import SENTIMENT

READING = (OSError, ValueError, KeyError, RuntimeError, SafetensorError)


class Bomb:
    """Whoever unpickles it makes a folder."""

    def __init__(self, crater: Path) -> None:
        self.crater = crater

    def __reduce__(self):
        return os.makedirs, (str(self.crater),)


@pytest.fixture
def crater(tmp_path):
    """What a bomb leaves; the test fails if one went off."""
    yield tmp_path / "crater"
    assert not (tmp_path / "crater").exists(), "somebody's code ran"


def _with_pickled_weights(encoder: Path, crater: Path) -> None:
    (encoder / "model.safetensors").unlink()
    torch.save({"embeddings.word_embeddings.weight": Bomb(crater)}, encoder / "pytorch_model.bin")


def _with_a_pickle_for_weights(encoder: Path, crater: Path) -> None:
    (encoder / "model.safetensors").write_bytes(pickle.dumps(Bomb(crater)))


def _with_a_model_of_its_own(encoder: Path, crater: Path) -> None:
    _with_a_module(encoder, crater, "config.json", {"AutoConfig": "evil.Config", "AutoModel": "evil.Model"})


def _with_a_tokenizer_of_its_own(encoder: Path, crater: Path) -> None:
    _with_a_module(encoder, crater, "tokenizer_config.json", {"AutoTokenizer": ["evil.Slow", "evil.Fast"]})


def _with_a_module(encoder: Path, crater: Path, name: str, classes: dict[str, object]) -> None:
    (encoder / "evil.py").write_text(f"import os\nos.makedirs({str(crater)!r})\n")
    stated = json.loads((encoder / name).read_text())
    (encoder / name).write_text(json.dumps({**stated, "model_type": "evil", "auto_map": classes}))


WAYS = {
    "pickled weights": _with_pickled_weights,
    "a pickle in the place of weights": _with_a_pickle_for_weights,
    "a model of its own": _with_a_model_of_its_own,
    "a tokenizer of its own": _with_a_tokenizer_of_its_own,
}


@pytest.fixture
def saved(tmp_path, small_encoder) -> Path:
    folder = tmp_path / "saved"
    folder.mkdir()
    save_classifier(new_classifier(small_encoder, SENTIMENT), folder)
    return folder


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_code_in_an_encoder_that_came_through_redis_does_not_run(module_redis: Redis, saved, tmp_path, crater, way):
    way(saved / "encoder", crater)
    digest = offer_weights(module_redis, saved)
    with suppress(READING):
        load_classifier(fetch_weights(module_redis, digest, tmp_path / "weights"))


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_code_in_an_encoder_that_somebody_named_does_not_run(small_encoder, tmp_path, crater, way):
    folder = tmp_path / "named"
    shutil.copytree(small_encoder, folder)
    way(folder, crater)
    with suppress(EncoderError):
        new_classifier(str(folder), SENTIMENT)


def test_a_pickle_in_the_index_of_embeddings_is_set_aside_unread(tmp_path, crater):
    def embed(texts):
        yield np.arange(len(texts)), np.ones((len(texts), 2), np.float32)

    folder = tmp_path / "embeddings"
    EmbeddingCache(folder, "mini").embed(["a"], embed)
    [index] = folder.glob("*.digests.npz")
    pickled = np.array([Bomb(crater)], dtype=object)
    with index.open("wb") as file:
        np.savez(file, rows=pickled, dimensions=pickled, digests_M=pickled, sums_M=pickled)

    assert EmbeddingCache(folder, "mini").embed(["a"], embed).tolist() == [[1.0, 1.0]]
    assert index.with_name(f"{index.name}.broken").exists()
