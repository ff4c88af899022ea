"""Somebody who has labelled a while asks which query strategy would suit their texts."""

import json
import subprocess
import sys
from pathlib import Path

from examples.servers import ROOT
from tests.annotators import Person, choices_config, reviews
from tests.servers import BackendServer


def model_command(backend: BackendServer, *words: object) -> subprocess.CompletedProcess[str]:
    """`python -m model …` in the shell in which the backend was started."""
    return subprocess.run(
        [sys.executable, "-m", "model", *map(str, words)],
        cwd=ROOT,
        env={**backend.environment, "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


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


def test_a_project_that_is_not_there_is_named(quick: BackendServer) -> None:
    ended = model_command(quick, "simulate", "--project", 99_999)
    assert ended.returncode == 1
    assert "project 99999" in ended.stderr
    assert "Traceback" not in ended.stderr
