import json
import re
import shutil
from dataclasses import replace

import pytest

from examples.servers import ROOT
from model.encoder.inference import score_texts
from model.encoder.runtimes import RUNTIMES
from model.encoder.torch_runtime.onnx_graph import check_graph
from model.errors import EncoderError
from model.export.answers import AnswerForm, plain_answers
from model.export.onnx_folder import LABELS_FILE, write_labels, write_onnx_folder
from model.types import LabelSet
from tests.counting_runtime import COUNTING, NAME
from tests.exports import TEXTS, a_classifier, assert_same, run_script, script_of
from tests.unit.model.encoder.test_encoders import ARCHITECTURES, make
from tests.unit.model.export.conftest import an_export

LABELS = ('say "hi"', "naïve/猫", "A / B", "<script>")
SEVERAL = LabelSet(("plot", "cast", "score"), is_multilabel=True)
# An export takes seconds; `make soak` tries the others.
USUAL = ("mpnet", "modernbert")


@pytest.fixture(scope="module")
def taken(tmp_path_factory, encoder):
    """A version with four labels."""
    return an_export(tmp_path_factory.mktemp("taken"), encoder, LabelSet(LABELS))


@pytest.fixture(scope="module")
def written(tmp_path_factory, taken):
    """Its exported folder."""
    folder = tmp_path_factory.mktemp("written")
    write_onnx_folder(taken, folder)
    return folder


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def own_answers(taken, texts=TEXTS) -> list:
    """Shortlist's own answers."""
    read = [text.strip() for text in texts]
    proba_N_C = score_texts(taken.classifier, read).proba_N_C
    return list(plain_answers(read, proba_N_C, taken.version.label_set.labels, taken.form))


def answers_of(folder, texts=TEXTS) -> list:
    return list(script_of(folder)(list(texts)))


def test_the_script_gives_one_choice_as_shortlist_does(taken, written):
    answers = answers_of(written)
    assert_same(answers, own_answers(taken), within=1e-5)
    assert len({answer["label"] for answer in answers}) > 2, "texts that all get one answer compare nothing"


def test_the_script_gives_stars_as_shortlist_does(taken, written, out):
    stars = replace(taken, form=AnswerForm.MEDIAN)
    shutil.copytree(written, out, dirs_exist_ok=True)
    write_labels(stars, out / LABELS_FILE)
    assert_same(answers_of(out), own_answers(stars), within=1e-5)
    assert answers_of(out) != answers_of(written)


def test_the_script_gives_several_labels_as_shortlist_does(exported, out):
    several = exported(SEVERAL)
    write_onnx_folder(several, out)
    assert_same(answers_of(out), own_answers(several), within=1e-5)
    assert len({len(answer["labels"]) for answer in answers_of(out)}) > 1


def test_a_long_text_is_read_in_pieces_from_its_beginning_to_its_end(taken, written):
    texts = [f"{'good film ' * 100}{'bad plot ' * 100}", "good film " * 100]
    answers = answers_of(written, texts)
    assert_same(answers, own_answers(taken, texts), within=1e-5)
    assert abs(answers[0]["probability"] - answers[1]["probability"]) > 1e-3


@pytest.mark.parametrize(
    "architecture",
    [pytest.param(one, id=one.name, marks=() if one.name in USUAL else pytest.mark.soak) for one in ARCHITECTURES],
)
def test_every_encoder_of_the_transformers_library_is_exported(exported, out, tmp_path, architecture):
    other = exported(source=make(tmp_path / architecture.name, architecture.config))
    write_onnx_folder(other, out)
    assert_same(answers_of(out), own_answers(other), within=1e-5)


def test_the_command_of_the_card_prints_a_json_line_for_each_line(written):
    texts = ["\ufeffgood film", "bad plot\r", "", "\u00fc\u732b", "a" * 1_000_000, *["the cast"] * 40]
    answers = run_script(written, texts)
    assert [answer["label"] is None for answer in answers] == [not text.strip() for text in texts]
    assert answers[:2] == run_script(written, ["good film", "bad plot"]), "neither mark nor line end is of the text"
    assert run_script(written, []) == []


def test_the_script_has_thirty_lines_and_the_packages_are_those_that_tests_run(written):
    script = (written / "classify.py").read_text()
    assert len([line for line in script.splitlines() if line.strip()]) <= 30
    assert set(re.findall(r"^(?:import|from) (\w+)", script, re.MULTILINE)) == {
        *("json", "itertools", "pathlib", "numpy", "onnxruntime", "tokenizers")
    }
    pinned = (written / "requirements.txt").read_text().splitlines()
    assert [line.split("==")[0] for line in pinned] == ["onnxruntime", "tokenizers", "numpy"]
    assert {*pinned} <= {*(ROOT / "requirements.txt").read_text().splitlines()}


def test_labels_stand_as_they_are_with_the_temperature(written):
    said = json.loads((written / "labels.json").read_text(encoding="utf-8"))
    assert (tuple(said["labels"]), said["temperature"], said["answer"]) == (LABELS, 1.7, "likeliest")


def test_a_graph_that_says_something_else_than_the_encoder_is_never_handed_out(taken, written, encoder):
    body = taken.classifier.encoder.body
    check_graph(body, taken.classifier.tail(), written)
    other = a_classifier(encoder, LabelSet(LABELS), seed=1)
    with pytest.raises(EncoderError, match=r"differ by .*sentence-transformers"):
        check_graph(body, other.tail(), written)


def test_an_encoder_of_a_runtime_without_onnx_is_refused_with_another_way(exported, out, monkeypatch):
    monkeypatch.setitem(RUNTIMES, NAME, COUNTING)
    with pytest.raises(EncoderError, match="sentence-transformers"):
        write_onnx_folder(exported(source=f"{NAME}:words"), out)


def test_a_tokenizer_without_a_file_of_its_own_is_named(taken, out, monkeypatch):
    monkeypatch.setattr(type(taken.classifier.encoder.body.tokenizer), "is_fast", False)
    with pytest.raises(EncoderError, match=r"tokenizer\.json.*BERT_MODEL"):
        write_onnx_folder(taken, out)
