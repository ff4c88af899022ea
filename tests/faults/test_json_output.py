"""`--json`: stdout is one JSON document and nothing else, whatever else a command says."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.store.connection import Connection
from backend.store.judging import Decision
from backend.store.project_folder import ProjectFolder
from backend.store.selections import PastePrompt
from backend.work.turn import record_key
from examples.servers import free_port
from model.learner.recipes import TrainingConfig
from model.learner.training import Trained
from model.types import Targets
from tests.exports import a_classifier, write_version
from tests.fakes import SENTIMENT, labeling_config
from tests.studio_servers import LEGACY_KEY, labels, studio_server

PROJECT = ("--project", "1")


@pytest.fixture
def folder(environment, module_redis, small_encoder, tmp_path) -> ProjectFolder:
    """A project with two model versions and a question for a chat window, beside a Redis without a worker."""
    module_redis.flushall()
    url = f"unix://{module_redis.connection_pool.connection_kwargs['path']}"
    environment(REDIS_URL=url, BERT_MODEL=small_encoder)
    found = ProjectFolder(tmp_path / "data", 1)
    found.connection.write(Connection("http://localhost:9090"))
    found.label_config.write(labeling_config())
    found.paste_prompt.write(PastePrompt("Which two?\n0: good film\n1: bad film", (7, 9), 2, ("neg", "pos"), 1.0))
    for seed in (1, 2):
        write_version(found.registry, a_classifier(small_encoder, seed=seed), "sentiment")
    return found


@pytest.fixture
def told(run_command, folder):
    """Run a command with --json; its document."""

    def run(*words: str, stdin: str = "", code: int = 0) -> dict[str, Any]:
        done = run_command(*words, "--json", stdin=stdin)
        assert done.exit_code == code, done.stderr
        (line,) = done.stdout.splitlines()
        return json.loads(line)

    return run


def test_the_state_of_projects_is_that_of_their_pages(told):
    document = told("status")
    (project,) = document["projects"]
    assert (project["project"], project["model"], project["state"], project["labels"]) == (1, 2, "idle", 0)


def test_versions_are_named_by_their_numbers(told, folder, small_encoder):
    targets = Targets((4, 9), ("good film", "bad film"), np.float32([[0, 1], [1, 0]]), SENTIMENT)
    third = folder.registry.write(Trained(a_classifier(small_encoder)), targets, TrainingConfig(encoder=small_encoder))
    folder.gate.write(Decision(third.number, third.fingerprint, 2, True, "it loses 27.5 points"))
    assert told("promote", *PROJECT) == {"project": 1, "models": [3]}
    assert told("rollback", *PROJECT) == {"project": 1, "question": "sentiment", "model": 2}
    assert told("rollback", *PROJECT, "--to", "1") == {"project": 1, "question": "sentiment", "model": 1}


def test_a_question_keeps_its_lines_and_an_answer_names_the_tasks_that_it_picks(told):
    assert told("prompt", *PROJECT) == {
        "project": 1,
        "prompt": "Which two?\n0: good film\n1: bad film",
        "select": 2,
    }
    answer = '{"picks": [{"number": 1, "label": "neg"}, {"number": 0, "label": "pos"}]}'
    picked = told("paste", *PROJECT, stdin=answer)
    assert (picked["project"], sorted(picked["picks"])) == (1, [7, 9])


def test_a_model_and_its_answers_are_told_with_their_place(told, tmp_path):
    (tmp_path / "in.csv").write_text("text\ngood film\nbad film\n")
    out = str(tmp_path / "out.csv")
    assert told("classify", *PROJECT, "--in", str(tmp_path / "in.csv"), "--out", out) == {
        "project": 1,
        "file": out,
        "texts": 2,
        "models": {"sentiment": 2},
        "left_out": [],
    }
    exported = told("export-model", *PROJECT, "--out", str(tmp_path / "model"), "--format", "sentence-transformers")
    size_bytes = sum(path.stat().st_size for path in (tmp_path / "model").rglob("*") if path.is_file())
    assert exported == {
        "project": 1,
        "question": "sentiment",
        "model": 2,
        "folder": str(tmp_path / "model"),
        "bytes": size_bytes,
    }


def test_a_backup_is_told_and_what_came_of_it(told, environment, tmp_path):
    file = tmp_path / "backup.zip"
    packed = told("backup", "--out", str(file))
    assert (packed["file"], packed["bytes"], packed["left_out"]) == (str(file), file.stat().st_size, [])
    (project,) = packed["projects"]
    assert (project["project"], project["versions"]) == (1, 2)
    environment(MODEL_DIR=str(tmp_path / "new"))
    unpacked = told("restore", str(file))
    assert (unpacked["model_dir"], unpacked["before"]) == (str(tmp_path / "new"), None)
    assert (unpacked["projects"], unpacked["files"]) == (packed["projects"], packed["files"])


def test_what_is_forgotten_is_told(told, folder):
    document = told("forget", *PROJECT, "--offline", "--yes")
    assert document == {"project": 1, "is_disconnected": False, "predictions_deleted": 0}
    assert not folder.path.exists()


def test_a_check_that_finds_something_is_told_with_exit_code_1(told):
    assert told("check-worker", code=1) == {"living": []}
    document = told("doctor", "--url", f"http://127.0.0.1:{free_port()}", code=1)
    by_name = {finding["name"]: finding for finding in document["findings"]}
    assert (document["is_well"], by_name["Redis"]["is_well"], by_name["backend"]["is_well"]) == (False, True, False)
    assert "python -m backend serve" in by_name["backend"]["fix"]


def test_what_label_studio_did_is_told(told, environment, tmp_path):
    with studio_server(labels()) as server:
        environment(LABEL_STUDIO_URL=server.url, LABEL_STUDIO_API_KEY=LEGACY_KEY)
        connected = told("connect", *PROJECT, "--url", "http://backend:9090")
        exported = told("export", *PROJECT, "--out", str(tmp_path / "gold.jsonl"))
    assert (connected["project"], connected["url"]) == (1, "http://backend:9090")
    assert connected["said"].startswith("Project 1 is connected")
    assert exported == {
        "project": 1,
        "file": str(tmp_path / "gold.jsonl"),
        "texts": 0,
        "answers": {"sentiment": 0},
        "left_out": [],
    }


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("rollback", "--project", "1", "--to", "9"), "model_version"),
        (("promote", "--project", "1"), "not_waiting"),
        (("restore", "no.zip"), "backup"),
        (("forget", "--project", "8", "--offline", "--yes"), "unknown_project"),
        (("classify", *PROJECT, "--in", "no.csv", "--out", "answers.csv"), "table"),
    ],
)
def test_a_failure_leaves_stdout_empty_and_has_its_code_on_stderr(folder, run_command, words, code):
    done = run_command(*words, "--json")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith(f"{code}: ")


def test_a_title_that_is_no_line_stays_in_its_line(told, folder, module_redis):
    module_redis.hset(record_key(1), mapping={"error": 'two\nlines "\x1b[2J"', "code": "training_failed"})
    (project,) = told("status")["projects"]
    assert project["last_error"] == 'two\nlines "\x1b[2J"'


def test_nothing_is_connected_is_an_answer_too(environment, run_command, module_redis, tmp_path: Path):
    url = f"unix://{module_redis.connection_pool.connection_kwargs['path']}"
    environment(MODEL_DIR=str(tmp_path / "empty"), REDIS_URL=url)
    done = run_command("status", "--json")
    assert (done.exit_code, json.loads(done.stdout)["projects"]) == (0, [])
