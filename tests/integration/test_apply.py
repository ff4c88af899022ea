"""`apply` and `find` on a real Label Studio: what they write is there once, is nobody's, and can be taken back."""

import itertools
import json
from pathlib import Path
from typing import Any

from tests.annotators import Person, choices_config, until_published
from tests.fakes import BLAME, NEUTRAL, PRAISE
from tests.servers import BackendServer

CONFIG = choices_config(["neg", "pos"])
PAIRS = [f"{a} {b} {c}" for a, b, c in itertools.permutations(NEUTRAL, 3)][:14]
GOLD = {f"{pair} {word}": "pos" if word in PRAISE else "neg" for pair in PAIRS for word in (*PRAISE, *BLAME)}


def _reasons(status: dict[str, Any]) -> list[str]:
    """Why the next tasks have their places."""
    return [task["reason"] for task in status["next"]]


def test_what_nobody_labelled_is_labelled_found_and_taken_back(
    owner: Person, quick: BackendServer, title: str, tmp_path: Path
) -> None:
    project_id = owner.create_project(title, CONFIG, list(GOLD))
    # One training, and one order after it.
    own = {"retrain_every": 40, "query_size": 50, "recipe": "head", "names": "off", "pool": "off"}
    owner.connect(project_id, quick.url, explore=0.5, **own)
    until_published(owner, quick, project_id)
    owner.label_next(project_id, GOLD, 40)
    until_published(owner, quick, project_id, model=1)
    asked = ("--project", str(project_id))

    found = quick.command("find", *asked, "lovely", "--count", "5", "--json", timeout_s=600)
    assert found.returncode == 0, found.stderr
    texts = [row["text"] for row in json.loads(found.stdout)["found"]]
    assert [text.split()[-1] for text in texts] == ["lovely"] * 5
    quick.until(project_id, lambda s: _reasons(s)[:1] == ["find: lovely"], "the found texts to come next")
    assert _reasons(quick.status(project_id))[:5] == ["find: lovely"] * 5

    refused = quick.command("apply", *asked, "--precision", "0.99", "--dry-run", "--json", timeout_s=600)
    assert refused.returncode == 1
    assert "cannot_promise" in refused.stderr
    assert json.loads(refused.stdout)["tasks"] == 0

    order = quick.publication(project_id).task_ids
    written = quick.command("apply", *asked, "--precision", "0.8", "--json", "--yes", timeout_s=600)
    assert written.returncode == 0, written.stderr
    told = json.loads(written.stdout)
    assert told["tasks"] > 0
    assert 0.8 <= told["interval"][0] <= told["interval"][1] <= 1.0
    applied = [raw for raw in owner.predictions(project_id) if ".apply-" in raw["model_version"]]
    assert len(applied) == len({raw["task"] for raw in applied}) == told["tasks"]
    assert owner.project(project_id)["model_version"] == quick.status(project_id)["model_version"]
    assert quick.publication(project_id).task_ids == order

    annotated = quick.command("apply", *asked, "--precision", "0.8", "--as-annotations", "--yes", timeout_s=600)
    assert annotated.returncode == 0, annotated.stderr
    quick.until(project_id, lambda s: s["applied"]["tasks"] == told["tasks"], "the annotations to be counted")
    exported = quick.command("export", *asked, "--out", str(tmp_path / "labels.jsonl"), timeout_s=600)
    assert exported.returncode == 0, exported.stderr
    assert len((tmp_path / "labels.jsonl").read_text().splitlines()) == 40, (
        "a label of the backend counts as a person's"
    )
    by_id = {task["id"]: task for task in owner.tasks(project_id)}
    right = [
        item["value"]["choices"] == [GOLD[by_id[raw["task"]]["data"]["text"]]]
        for raw in applied
        for item in raw["result"]
    ]
    assert sum(right) / len(right) >= told["interval"][0]

    undone = quick.command("apply", *asked, "--undo", "--yes", timeout_s=600)
    assert undone.returncode == 0, undone.stderr
    assert [raw for raw in owner.predictions(project_id) if ".apply-" in raw["model_version"]] == []
    quick.until(project_id, lambda s: s["applied"]["tasks"] == 0, "the annotations to be gone")
    assert owner.project(project_id)["num_tasks_with_annotations"] == 40
