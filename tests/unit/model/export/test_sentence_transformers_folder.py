import json

import numpy as np
import pytest
from safetensors.numpy import load_file

from model.encoder.inference import score_texts
from model.encoder.torch_runtime.torch_encoder import load_torch_encoder
from model.export.sentence_transformers_folder import write_sentence_transformers_folder
from model.types import LabelSet
from tests.unit.model.encoder.test_encoders import ARCHITECTURES, make

SHORT = ["good film", "bad plot", "the cast"]


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def read(file) -> dict:
    return json.loads(file.read_text(encoding="utf-8"))


def test_the_folder_has_the_modules_that_sentence_transformers_reads(exported, out):
    write_sentence_transformers_folder(exported(), out)
    modules = read(out / "modules.json")
    assert [(module["path"], module["type"].rsplit(".", 1)[1]) for module in modules] == [
        ("", "Transformer"),
        ("1_Pooling", "Pooling"),
    ]
    pooling = read(out / "1_Pooling" / "config.json")
    assert (pooling["word_embedding_dimension"], pooling["pooling_mode_mean_tokens"]) == (16, True)
    assert read(out / "sentence_bert_config.json")["max_seq_length"] == 32
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {path.name for path in out.iterdir()}


def test_an_encoder_that_pools_by_its_first_token_says_so(exported, out, tmp_path):
    source = make(tmp_path / "modernbert", ARCHITECTURES[3].config)
    write_sentence_transformers_folder(exported(source=source), out)
    pooling = read(out / "1_Pooling" / "config.json")
    assert (pooling["pooling_mode_cls_token"], pooling["pooling_mode_mean_tokens"]) == (True, False)


@pytest.mark.parametrize("is_multilabel", [False, True])
def test_encoder_head_and_temperature_give_shortlists_probabilities_as_the_card_says(exported, out, is_multilabel):
    taken = exported(LabelSet(("a", "b", "c"), is_multilabel))
    write_sentence_transformers_folder(taken, out)
    config, head = read(out / "labels.json"), load_file(out / "head.safetensors")
    # The encoder that was written, by the reader of such folders that is at hand here.
    embeddings = load_torch_encoder(str(out)).embed(SHORT)
    logits = (embeddings @ head["weight"].T + head["bias"]) / config["temperature"]
    snippet = (out / "README.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    last = [line for line in snippet.splitlines() if line.startswith(("shares", "probabilities"))]
    names = {"np": np, "logits": logits}
    exec("\n".join(last), names)
    np.testing.assert_allclose(names["probabilities"], score_texts(taken.classifier, SHORT).proba_N_C, atol=1e-5)
