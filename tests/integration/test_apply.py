"""`apply` and `find` on a real Label Studio: what they write is there once, is nobody's, and can be taken back."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from lxml import html

from tests.annotators import Person, choices_config, until_published
from tests.fakes import BLAME, NEUTRAL, PRAISE
from tests.servers import BackendServer, eventually, run_backend

CONFIG = choices_config(["neg", "pos"])
PAIRS = [f"{a} {b} {c}" for a, b, c in itertools.permutations(NEUTRAL, 3)][:14]
GOLD = {f"{pair} {word}": "pos" if word in PRAISE else "neg" for pair in PAIRS for word in (*PRAISE, *BLAME)}


def _reasons(status: dict[str, Any]) -> list[str]:
    """Why the next tasks have their places."""
    return [task["reason"] for task in status["next"]]


class Page:
    """The project's page in a browser without scripts."""

    def __init__(self, http: httpx.Client, project_id: int) -> None:
        self._http = http
        self._path = f"/projects/{project_id}"

    def words(self) -> str:
        """What the page says now."""
        return " ".join(self._tree().text_content().split())

    def do(self, action: str, **fields: str) -> str:
        """Press a button, wait until a worker has done what it asks for, and return what the page says then."""
        (token, *_) = self._tree().xpath('//input[@name="form_token"]/@value')
        pressed = self._http.post(f"{self._path}/{action}", data={"form_token": token, **fields})
        assert pressed.status_code == 303, pressed.text
        return eventually(self._words_at_rest, f"{action} {fields} to be done")

    def _tree(self) -> Any:
        return html.fromstring(self._http.get(self._path, headers={"Accept": "text/html"}).text)

    def _words_at_rest(self) -> str:
        words = self.words()
        return "" if "Stop it" in words else words


@pytest.fixture
def browser(quick: BackendServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=quick.url, timeout=60.0) as http:
        yield http


def test_what_nobody_labelled_is_labelled_found_and_taken_back(
    owner: Person, quick: BackendServer, browser: httpx.Client, title: str, tmp_path: Path
) -> None:
    project_id = owner.create_project(title, CONFIG, list(GOLD))
    # One training, and one order after it.
    own = {"retrain_every": 40, "query_size": 50, "recipe": "head", "names": "off", "pool": "off"}
    owner.connect(project_id, quick.url, explore=0.5, **own)
    until_published(owner, quick, project_id)
    owner.label_next(project_id, GOLD, 40)
    until_published(owner, quick, project_id, model=1)
    asked = ("--project", str(project_id))

    found = quick.command("find", *asked, "lovely", "--count", "5", "--json")
    assert found.returncode == 0, found.stderr
    texts = [row["text"] for row in json.loads(found.stdout)["found"]]
    assert [text.split()[-1] for text in texts] == ["lovely"] * 5
    quick.until(project_id, lambda s: _reasons(s)[:1] == ["find: lovely"], "the found texts to come next")
    assert _reasons(quick.status(project_id))[:5] == ["find: lovely"] * 5

    page = Page(browser, project_id)
    assert "find: lovely" in page.words()
    page.do("find/end")
    quick.until(project_id, lambda s: "find: lovely" not in _reasons(s), "the search to be ended")
    assert "99% cannot be promised" in page.do("apply", do="check", precision="0.99")
    checked = page.do("apply", do="check", precision="0.8")

    order = quick.publication(project_id).task_ids
    written = run_backend(quick.environment, "apply", *asked, "--precision", "0.8", "--json", "--yes", timeout_s=600)
    assert written.returncode == 0, written.stderr
    told = json.loads(written.stdout)
    assert told["tasks"] > 0
    assert told["expected_precision"] >= 0.8
    assert 0.0 < told["interval"][0] <= told["expected_precision"] <= told["interval"][1] <= 1.0
    low, high = (f"{100 * bound:.1f} %" for bound in told["interval"])
    assert f"Would get a label{told['tasks']}" in checked
    assert f"between {low} and {high}" in checked
    applied = [raw for raw in owner.predictions(project_id) if ".apply-" in raw["model_version"]]
    assert len(applied) == len({raw["task"] for raw in applied}) == told["tasks"]
    name = applied[0]["model_version"]
    assert told["written"] == {"name": name, "form": "predictions", "tasks": told["tasks"]}
    assert owner.project(project_id)["model_version"] == quick.status(project_id)["model_version"]
    assert quick.publication(project_id).task_ids == order

    annotated = quick.command("apply", *asked, "--precision", "0.8", "--as-annotations", "--yes")
    assert annotated.returncode == 0, annotated.stderr
    quick.until(project_id, lambda s: s["applied"]["tasks"] == told["tasks"], "the annotations to be counted")
    exported = quick.command("export", *asked, "--out", str(tmp_path / "labels.jsonl"))
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

    assert f"{told['tasks']}annotations that teach nothing" in page.words()
    undone = page.do("apply", do="undo")
    # On a slow machine it makes way for rounds, and goes on.
    whole = f"Deleted {told['tasks']} predictions and {told['tasks']} annotations"
    assert whole in undone or "The rest of what was labelled is deleted, too" in undone
    assert "Delete what Shortlist labelled" not in undone
    assert [raw for raw in owner.predictions(project_id) if ".apply-" in raw["model_version"]] == []
    quick.until(project_id, lambda s: s["applied"]["tasks"] == 0, "the annotations to be gone")
    assert owner.project(project_id)["num_tasks_with_annotations"] == 40
