"""A trained model leaves: everywhere it gives the same answers, on real texts and with the bundled encoder."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.settings import Settings
from backend.store.connection import Connection
from backend.store.project_folder import ProjectFolder
from backend.web.app import create_app
from backend.web.classifying import WebClassifier
from backend.web.service import Service
from examples.servers import clean_environment
from model.encoder.inference import score_texts
from model.export.answers import form_of, plain_answers
from model.learner.recipes import TrainingConfig
from model.learner.training import train
from model.links import link_of
from model.types import LabelSet, Recipe, Targets, TrainingData
from tests.annotators import Person, choices_config, reviews, until_published
from tests.banking import questions
from tests.exports import assert_same, fresh_venv, held, run_script
from tests.fakes import FakeRounds
from tests.servers import BackendServer, run_backend, run_here

LABELLED, CLASSIFIED = 64, 200
# What several intents are about.
SUBJECTS = ("card", "cash", "charged", "payment", "transfer")
FORBIDDEN = ("torch", "transformers", "safetensors", "backend", "model", "sklearn")


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has onnxruntime and tokenizers, and not Shortlist, torch or transformers."""
    found = fresh_venv(tmp_path_factory.mktemp("stranger") / "venv")
    probe = f"import importlib.util as u; print([n for n in {FORBIDDEN!r} if u.find_spec(n)])"
    ended = subprocess.run([str(found), "-c", probe], cwd="/", capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"
    return found


def single(gold: Sequence[tuple[str, str]]) -> tuple[LabelSet, list[list[str]]]:
    """The intent of each text."""
    return LabelSet(tuple(sorted({intent for _, intent in questions("pool")}))), [[intent] for _, intent in gold]


def several(gold: Sequence[tuple[str, str]]) -> tuple[LabelSet, list[list[str]]]:
    """What each text is about, none, one or several."""
    return LabelSet(SUBJECTS, True), [[subject for subject in SUBJECTS if subject in intent] for _, intent in gold]


@pytest.fixture(params=[single, several], ids=["one choice", "several"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> ProjectFolder:
    """A project that was trained on 64 texts."""
    gold = questions("pool")[:LABELLED]
    label_set, given = request.param(gold)
    rows = np.array([[label in labels for label in label_set.labels] for labels in given], dtype=np.float32)
    targets = Targets(tuple(range(LABELLED)), tuple(text for text, _ in gold), rows, label_set)
    config = TrainingConfig(Recipe.HEAD)
    found = ProjectFolder(tmp_path / "data", 1)
    found.connection.write(Connection("http://localhost:9090"))
    found.label_config.write(
        choices_config(label_set.labels, choice="multiple" if label_set.is_multilabel else "single")
    )
    found.registry.write(train(TrainingData(targets), config), targets, config, question="intent")
    found.registry.point(1)
    return found


def command(model_dir: Path, *words: object) -> None:
    """`python -m backend …` within this process, which must succeed."""
    ended = run_here(clean_environment({"MODEL_DIR": str(model_dir)}), *map(str, words))
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_script_in_a_fresh_venv_the_endpoint_and_the_command_agree_with_the_registry(
    folder: ProjectFolder, python: Path, tmp_path: Path
) -> None:
    texts = [text for text, _ in questions("pool")[-CLASSIFIED:]]
    version = folder.registry.find(1)
    proba_N_C = score_texts(version.load(), texts).proba_N_C
    form = form_of(version.label_set, is_ordered=False)
    own = list(plain_answers(texts, proba_N_C, version.label_set.labels, form))
    # A label on the edge of a decision may fall on either side.
    surely = np.flatnonzero(link_of(version.label_set).near_tie(proba_N_C) > 1e-3)
    assert len(surely) > CLASSIFIED * 0.95

    command(tmp_path / "data", "export-model", "--project", 1, "--out", tmp_path / "out")
    (tmp_path / "in.jsonl").write_text("".join(f"{json.dumps({'text': text})}\n" for text in texts))
    command(tmp_path / "data", "classify", "--project", 1, "--in", tmp_path / "in.jsonl", "--out", tmp_path / "o.jsonl")
    service = Service(Settings(model_dir=tmp_path / "data"), FakeRounds(), WebClassifier())
    ways: dict[str, list[dict[str, Any]]] = {
        "script": run_script(tmp_path / "out", [" ".join(text.split()) for text in texts], python),
        "command": [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()],
        "endpoint": create_app(service)
        .test_client()
        .post("/projects/1/classify", json={"texts": texts})
        .json["results"],
    }

    for answers in ways.values():
        assert len(answers) == CLASSIFIED
        assert_same([answers[row] for row in surely], [own[row] for row in surely])
    given = {label for answer in own for label in held(answer)}
    assert len(given) > 2, "a model that says one thing compares nothing"


def test_a_connected_project_is_classified_over_http_and_taken_away(
    owner: Person, quick: BackendServer, title: str, python: Path, tmp_path: Path
) -> None:
    gold = reviews(24)
    project_id = owner.create_project(title, choices_config(["neg", "pos"]), list(gold))
    owner.connect(project_id, quick.url, retrain_every=8)
    until_published(owner, quick, project_id)
    early = quick.http.post(f"/projects/{project_id}/classify", json={"texts": ["good film"]})
    assert (early.status_code, early.json()["error"]["code"]) == (409, "no_model")
    owner.label_both(project_id, gold, 16)
    until_published(owner, quick, project_id, model=1)

    texts = list(gold)
    answer = quick.http.post(f"/projects/{project_id}/classify", json={"texts": texts})
    out = tmp_path / "out"
    exported = run_backend(quick.environment, "export-model", "--project", str(project_id), "--out", str(out))
    (tmp_path / "in.csv").write_text("text\n" + "".join(f"{text}\n" for text in texts))
    classified = run_backend(
        quick.environment,
        *("classify", "--project", str(project_id), "--in", str(tmp_path / "in.csv"), "--out", str(tmp_path / "o.csv")),
    )

    assert answer.status_code == 200
    assert answer.json()["models"] == {"intent": quick.status(project_id)["model"]}
    assert exported.returncode == 0, exported.stderr
    assert classified.returncode == 0, classified.stderr
    assert_same(run_script(out, texts, python), answer.json()["results"])
    rows = (tmp_path / "o.csv").read_text().splitlines()[1:]
    assert [row.split(",")[1] for row in rows] == [one["label"] for one in answer.json()["results"]]
    assert (
        quick.folder(project_id).label_config.read()
        == owner.call("GET", f"/api/projects/{project_id}/")["label_config"]
    )
