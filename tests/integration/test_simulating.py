"""Somebody who has labelled a while asks which query strategy would suit their texts."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from examples.servers import ROOT
from model.commands.command_line import app
from tests.annotators import Person, choices_config, reviews
from tests.servers import BackendServer, invoke_here


def model_command(backend: BackendServer, *words: object) -> subprocess.CompletedProcess[str]:
    """`python -m model …` in the shell in which the backend was started."""
    return subprocess.run(
        [sys.executable, "-m", "model", *map(str, words)],
        cwd=ROOT,
        env={**backend.environment, "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def model_command_here(backend: BackendServer, *words: object) -> subprocess.CompletedProcess[str]:
    """The same within this process, where torch is imported already."""
    return invoke_here(app, {**backend.environment, "COLUMNS": "200", "NO_COLOR": "1"}, *map(str, words))


def test_a_projects_own_annotations_say_which_strategy_suits_its_texts(
    owner: Person, quick: BackendServer, title: str, tmp_path: Path
) -> None:
    gold = reviews(60)
    project_id = owner.create_project(title, choices_config(["neg", "pos"]), list(gold))
    owner.label_next(project_id, gold, 40)
    report = tmp_path / "report.html"

    few = ("--strategy", "random", "--strategy", "hybrid", "--budget", "8,16", "--seeds", "0,1", "--recipe", "head")
    ended = model_command(quick, "simulate", "--project", project_id, *few, "--report", report)

    assert ended.returncode == 0, ended.stderr
    points = [json.loads(line) for line in ended.stdout.splitlines()]
    # A fifth of the 40 labelled texts is held out.
    assert [point["labels"] for point in points if point["strategy"] == "full_pool"] == [32]
    assert len(points) == 2 * 2 * 2 + 1
    assert f"Label Studio project {project_id}" in report.read_text(encoding="utf-8")


THREE_KINDS = """<View><Text name="text" value="$text"/>
<Choices name="mood" toName="text"><Choice value="neg"/><Choice value="pos"/></Choices>
<Rating name="stars" toName="text" maxRating="4"/>
<Taxonomy name="shelf" toName="text" leafsOnly="true"><Choice value="buy"><Choice value="at once"/>
<Choice value="later"/></Choice><Choice value="leave"/></Taxonomy></View>"""
SAID = {"pos": (4, ["buy", "at once"]), "neg": (1, ["leave"])}


def item(control: str, kind: str, value: Any) -> dict[str, Any]:
    return {"from_name": control, "to_name": "text", "type": kind, "value": {kind: value}}


def answers(label: str) -> list[dict[str, Any]]:
    """What a person says of a text with three controls."""
    stars, path = SAID[label]
    return [item("mood", "choices", [label]), item("stars", "rating", stars), item("shelf", "taxonomy", [path])]


def test_three_kinds_of_questions_go_from_real_annotations_through_an_export_into_a_simulation(
    owner: Person, quick: BackendServer, title: str, tmp_path: Path
) -> None:
    gold = reviews(60)
    project_id = owner.create_project(title, THREE_KINDS, list(gold))
    tasks = {task["data"]["text"]: task["id"] for task in owner.tasks(project_id)}
    labelled = list(gold)[:40]
    for place, text in enumerate(labelled):
        # Every fourth text has no stars.
        result = [each for each in answers(gold[text]) if place % 4 or each["from_name"] != "stars"]
        owner.call("POST", f"/api/tasks/{tasks[text]}/annotations/", {"result": result, "lead_time": 1.0})
    odd = {
        tasks[list(gold)[40]]: [item("stars", "rating", 9)],
        tasks[list(gold)[41]]: [item("shelf", "taxonomy", [["buy", "never"]])],
        tasks[list(gold)[42]]: [item("mood", "rating", 3)],
    }
    for task_id, result in odd.items():
        owner.http.post(f"/api/tasks/{task_id}/annotations/", json={"result": result, "lead_time": 1.0})

    file, report = tmp_path / "gold.jsonl", tmp_path / "report.html"
    exported = quick.command("export", "--project", str(project_id), "--out", str(file))

    assert exported.returncode == 0, exported.stderr
    assert "Wrote 40 labelled texts" in exported.stdout
    assert "mood 40, stars 30, shelf 40" in exported.stdout
    for task_id in odd:
        assert f"task {task_id} has an answer that is not learned from" in exported.stdout
    rows = {row["text"]: row["answers"] for row in map(json.loads, file.read_text(encoding="utf-8").splitlines())}
    assert list(rows) == labelled
    for place, text in enumerate(labelled):
        stars, path = SAID[gold[text]]
        said = {"mood": gold[text], **({"stars": stars} if place % 4 else {}), "shelf": " / ".join(path)}
        assert rows[text] == said

    few = ("--strategy", "random", "--strategy", "hybrid", "--budget", "8,16", "--seeds", "0", "--recipe", "head")
    from_file = model_command_here(quick, "simulate", "--data", file, *few)
    from_project = model_command_here(quick, "simulate", "--project", project_id, *few, "--report", report)

    assert from_file.returncode == from_project.returncode == 0, from_file.stderr + from_project.stderr
    by_file, by_project = (
        [
            {key: value for key, value in json.loads(line).items() if key not in ("fit_s", "query_s")}
            for line in ended.stdout.splitlines()
        ]
        for ended in (from_file, from_project)
    )
    assert [point for point in by_project if point["strategy"] != "full_pool"] == by_file
    # Questions stand in the order in which the file names them, and its first text has no stars.
    assert [point["question"] for point in by_file] == ["mood", "shelf", "stars"] * 4
    assert all(("mae" in point) == (point["question"] == "stars") for point in by_file)
    assert 'id="question-3">stars</h2>' in report.read_text(encoding="utf-8")


def test_a_project_that_is_not_there_is_named(quick: BackendServer) -> None:
    ended = model_command_here(quick, "simulate", "--project", 99_999)
    assert ended.returncode == 1
    assert "project 99999" in ended.stderr
    assert "Traceback" not in ended.stderr
