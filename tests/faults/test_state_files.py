"""Every file of a project is damaged in every way; the project goes on, says so, and no other project notices.

Tests run as root, whom no permission stops: a folder in the file's place stands for a file that cannot be read.
"""

import copy
import re
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from flask.testing import FlaskClient

from backend.applying.errands import KeptPlan, kept_plan
from backend.applying.planning import NOTHING_LEFT, ApplyPlan
from backend.commands.doctor.project_folder import look_at_files
from backend.rounds.round import Round
from backend.settings import Settings
from backend.store.applied import Checked, Errand, ErrandKind, ErrandReport, Form, Given, Run, Sample, Wish
from backend.store.connection import Connection, Setup
from backend.store.figures import Pause
from backend.store.project_folder import ProjectFolder
from backend.store.selections import Draft, LLMLabel, PastePrompt, Picked, Selection
from backend.studio.config.kinds import KINDS
from backend.web.app import create_app
from backend.web.classifying import WebClassifier
from backend.web.service import Service
from backend.web.status import project_status
from backend.work.classifiers import Classifiers
from model.llm.chat import Reply
from model.llm.memory import Ledger
from tests.counts import COUNT, count_config, counted
from tests.fake_tasks import WholeLabelStudio
from tests.fakes import PRAISE, FakeRounds, FakeTurn, a_context
from tests.unit.backend.films import FILMS

OWN = {"names": "off", "cold_start": "random", "strategy": "margin", "explore": 0.0}
CONFIG = count_config("stars", "pace")
HARMED, UNHARMED = 1, 2
LABELLED = 20


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def change_a_byte(file: Path) -> None:
    """Change a letter of a text or a number, so that the file still parses; in the middle of a file without either."""
    # An empty file gets a byte.
    content, is_table = file.read_bytes() or b"\0", file.suffix == ".sqlite"
    found = [match.start() for match in re.finditer(rb"(?<=film )[a-z]|(?<=[:\[ ])[1-9](?=[,}\]])", content)]
    before = rows_of(file) if is_table else []
    for place in found or [len(content) // 2]:
        file.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        # A database holds texts of rows that were replaced, too.
        if not is_table or rows_of(file) != before:
            return
    raise AssertionError(f"no byte of {file.name} is read")


def rows_of(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as table:
        return list(table.iterdump())


def make_unreadable(file: Path) -> None:
    file.unlink()
    file.mkdir()
    (file / "inside").touch()


DAMAGES: dict[str, Callable[[Path], Any]] = {
    "emptied": lambda file: file.write_bytes(b""),
    "truncated": cut,
    "zeros": lambda file: file.write_bytes(bytes(file.stat().st_size)),
    "removed": Path.unlink,
    "unreadable": make_unreadable,
    "one byte changed": change_a_byte,
}
# A file of the project, as a pattern, and the name under which its damage is told.
DOCUMENTS = (
    *("connection.json", "identity.json", "published.json", "publications.json", "synced.json"),
    *("setup.json", "webhook.json", "selection.json", "llm_labels.json", "figures.json"),
    "labeling.json",
    *("history.json", "stop_answers.json", "gate.json"),
    *("applied.json", "sample.json", "wish.json", "next_up.json"),
    *("errand.json", "errand_report.json", "checked.json", "plan.json"),
)
FILES = {
    **{name: name for name in DOCUMENTS},
    "rounds.jsonl": "rounds.jsonl",
    "trainings.jsonl": "trainings.jsonl",
    "tasks.sqlite": "tasks.sqlite",
    "order-*.sqlite": "published.json",
    "llm/ledger.json": "llm/ledger.json",
    "versions/current": "versions/current",
    "versions/counter": "versions/counter",
    "versions/2/manifest.json": "versions/2",
    "versions/2/classifier.json": "versions/2",
    "versions/2/head.safetensors": "versions/2",
    "versions/2/held_out.npz": "versions/2",
    "versions/2/encoder/config.json": "versions/2",
    "versions/2/encoder/model.safetensors": "versions/2",
    "versions/2/encoder/tokenizer.json": "versions/2",
    "versions/2/encoder/tokenizer_config.json": "versions/2",
    "embeddings/version-2-*.digests.npz": "embeddings/version-2-*",
    "embeddings/version-2-*.f16": "embeddings/version-2-*",
    "questions/1/versions/2/encoder/model.safetensors": "questions/1/versions/2",
}
# Files of a pause, of a chat window, of an LLM that drafts or fails, and of the second in which a round proves itself.
SELDOM: dict[str, Callable[[ProjectFolder], None]] = {
    "pause.json": lambda folder: folder.pause.write(Pause(5.0)),
    "paste.json": lambda folder: folder.paste_prompt.write(PastePrompt("Which?", (40,), 1, ("pos",), 5.0)),
    "drafts.json": lambda folder: folder.drafts.write({40: Draft("fine", "", False, 1, "mistral x", "stars")}),
    "llm_failure.json": lambda folder: folder.llm_failure.write(Selection("activellm", "mistral x", 5.0, failures=1)),
    "proof.json": lambda folder: folder.proof.write("shortlist-0123456789"),
}
# An empty journal and an empty database are whole: what they lack is read from Label Studio, or lost history.
WHOLE_WHEN_EMPTY = {"rounds.jsonl", "trainings.jsonl", "tasks.sqlite"}
# Half a journal has whole lines.
WHOLE_WHEN_CUT = {"rounds.jsonl", "trainings.jsonl"}
# A damaged line of a journal is skipped like half a line of a killed round. Tasks that changed lately are read again
# before they are used, all of them here; `test_tasks.py` damages one that is not.
WHOLE_WHEN_CHANGED = {"rounds.jsonl", "trainings.jsonl", "tasks.sqlite"}
# A file that is not there cannot be set aside. A model version or an order can, that misses one of its files.
TOLD_WHEN_REMOVED = {name for name, told in FILES.items() if told.endswith("versions/2") or name == "order-*.sqlite"}
# Only the next training reads the first two (`test_registry.py` and `test_remembering.py` damage them), and only an
# errand that goes on the third.
READ_LATER = {"versions/counter", "stop_answers.json", "plan.json"}


@dataclass
class Project:
    """A project of a fake Label Studio, its files, and the web door of the backend that has them."""

    settings: Settings
    studio: WholeLabelStudio
    browser: FlaskClient

    @property
    def folder(self) -> ProjectFolder:
        return ProjectFolder(self.settings.model_dir, HARMED)

    def file(self, pattern: str) -> Path:
        (found,) = self.folder.path.glob(pattern)
        return found

    def status(self, project_id: int = HARMED) -> dict[str, Any]:
        answer = self.browser.get(f"/projects/{project_id}/status")
        assert answer.status_code == 200
        return answer.json

    def predict(self) -> list[dict[str, Any]]:
        """Predict for a text of the pool, and for one that nobody has seen."""
        tasks = [{"id": 40, "data": {"text": FILMS[39]}}, {"id": 99, "data": {"text": "a lovely lovely film"}}]
        asked = {"project": f"{HARMED}.1", "label_config": CONFIG, "tasks": tasks}
        answer = self.browser.post("/predict", json=asked)
        assert answer.status_code == 200
        assert len(answer.json["results"]) == len(tasks)
        return answer.json["results"]

    def page(self) -> str:
        answer = self.browser.get(f"/projects/{HARMED}", headers={"Accept": "text/html"})
        assert answer.status_code == 200
        return answer.text

    def metrics(self) -> str:
        answer = self.browser.get("/metrics")
        assert answer.status_code == 200
        return answer.text

    def label(self, *task_ids: int, trains: bool = False) -> None:
        """Annotate tasks, perhaps press Start Training, and run the round that hears of it."""
        for task_id in task_ids:
            given = 3 if any(word in FILMS[task_id - 1] for word in PRAISE) else 1
            self.studio.answer(task_id, (counted("stars", given), counted("pace", given)))
        Round(a_context(self.settings, self.studio, FakeTurn(HARMED, len(task_ids), trains), Classifiers(1))).run()


def a_project(model_dir: Path, encoder: str, studio: WholeLabelStudio) -> Project:
    settings = Settings(
        model_dir=model_dir, bert_model=encoder, retrain_every=8, query_size=5, queue_size=20, recipe="lp-ft"
    )
    return Project(settings, studio, create_app(Service(settings, FakeRounds(), WebClassifier())).test_client())


@pytest.fixture(scope="module", autouse=True)
def two_questions_on_one_core() -> Iterator[None]:
    torch.set_num_threads(1)
    KINDS.append(COUNT)
    yield
    KINDS.remove(COUNT)


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory, small_encoder: str) -> Project:
    """A project of two questions with two model versions each, an order, and every file that there is."""
    project = a_project(tmp_path_factory.mktemp("grown"), small_encoder, WholeLabelStudio(FILMS, label_config=CONFIG))
    project.studio.extra_params = OWN
    folder = project.folder
    folder.setup.write(Setup(time.time()))
    project.label(*range(1, LABELLED))
    project.label(LABELLED, trains=True)
    folder.selection.write(Selection("activellm", "mistral x", 5.0, (Picked(40, "", 1, 1),)))
    folder.llm_labels.write({40: LLMLabel(("pos",), True, False, 1, "mistral x")})
    folder.applied.write([Run("2.apply-1", Form.PREDICTIONS, "digest", 1, 0.9, 5.0)])
    # Of tasks that people labelled, so that they change no order.
    folder.sample.write(Sample(5.0, 2, "stars", 0.9, 0.8, 1, 1, {1: Given(("2 or more",), 0.9)}, (1,)))
    folder.wish.write(Wish(5.0, "find: film", (1,)))
    folder.errand.write(Errand(ErrandKind.CHECK, 5.0))
    folder.errand_report.write(ErrandReport(5.0, ended_at=6.0, said=("What can be promised was checked.",)))
    folder.checked.write(Checked(5.0, 0.9, "stars", 2, True, share=0.5, expected=0.95, interval=(0.91, 0.99)))
    given = {1: Given(("2 or more",), 0.9)}
    kept_plan(folder).write(KeptPlan(5.0, ApplyPlan("stars", 2, 1, 0.9, given, {}, NOTHING_LEFT)))
    Ledger(folder.llm_folder / "ledger.json").add(Reply("1", prompt_tokens=10, completion_tokens=2))
    project.label()
    shutil.copytree(folder.path, folder.path.with_name(str(UNHARMED)))
    return project


@pytest.fixture
def project(grown: Project, tmp_path: Path, small_encoder: str) -> Project:
    """A copy of the grown project, to harm, beside an unharmed one."""
    shutil.copytree(grown.settings.model_dir, tmp_path / "data")
    return a_project(tmp_path / "data", small_encoder, copy.deepcopy(grown.studio))


def is_told(project: Project, pattern: str) -> bool:
    told = [Path(damage["file"]) for damage in project.status()["set_aside"]]
    return any(path.match(pattern) for path in told)


def must_be_told(file: str, damage: str) -> bool:
    if damage == "removed" or file in READ_LATER:
        return file in TOLD_WHEN_REMOVED
    if damage == "emptied":
        return file not in WHOLE_WHEN_EMPTY
    if damage == "one byte changed":
        return file not in WHOLE_WHEN_CHANGED
    return damage != "truncated" or file not in WHOLE_WHEN_CUT


def test_the_matrix_has_every_file_of_a_project(grown):
    files = [path for path in grown.folder.path.rglob("*") if path.is_file() and path.suffix != ".lock"]
    known = [path for pattern in FILES for path in grown.folder.path.glob(pattern)]
    # Version 1 and the second question have the same files.
    others = [path for path in files if "versions/1/" in path.as_posix() or "questions/1/" in path.as_posix()]
    others += [path for path in files if path.parent.name == "embeddings"]
    assert sorted(set(files) - set(known) - set(others)) == []


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("file", FILES)
def test_a_damaged_file_costs_no_label_and_no_other_project_and_is_told(project, file, damage):
    before, unharmed = project.status(), project.status(UNHARMED)
    DAMAGES[damage](project.file(file))

    assert project.status()["project"] == HARMED
    assert "What comes next" in project.page()
    project.predict()
    assert f'shortlist_labels{{project="{UNHARMED}"}} {LABELLED}.0' in project.metrics()
    assert project.status(UNHARMED) == unharmed

    project.label(LABELLED + 1)
    after = project.status()
    assert after["labels"] == LABELLED + 1
    assert after["model_version"] == project.studio.current.model_version != before["model_version"]
    assert after["unlabelled"] == len(FILMS) - LABELLED - 1
    assert after["model"] == (1 if FILES[file] == "versions/2" else 2)
    assert project.predict()[0]["result"]
    assert project.predict()[1]["result"]
    assert project.folder.connection.read() == Connection("http://backend:9090", OWN, 5)
    assert is_told(project, FILES[file]) == must_be_told(file, damage)
    assert project.status(UNHARMED) == unharmed


@pytest.mark.parametrize("file", SELDOM)
def test_a_damaged_file_that_projects_seldom_have_is_as_good_as_none_and_is_told(project, file):
    for damage in DAMAGES.values():
        SELDOM[file](project.folder)
        damage(project.folder.path / file)
        project.status()
        assert "What comes next" in project.page()
        project.predict()
        project.label()
        assert project.folder.pause.read() is project.folder.paste_prompt.read() is None
        assert project.folder.proof.read() == ""
        assert project.folder.drafts.read() == {}
        assert project.folder.llm_failure.read() is None
        assert not (project.folder.path / file).exists()
    assert is_told(project, file)


def test_without_a_whole_version_there_is_none_until_the_next_round_trains(project):
    for number in (1, 2):
        cut(project.file(f"versions/{number}/head.safetensors"))
    assert {item["from_name"] for item in project.predict()[1]["result"]} == {"pace"}
    status = project.status()
    assert status["model"] == 0
    assert {damage["file"] for damage in status["set_aside"]} == {"versions/1", "versions/2"}
    project.label(LABELLED + 1)
    assert project.status()["model"] == 3
    assert project.predict()[1]["result"]


def test_a_version_that_somebody_deleted_is_told_while_the_one_before_it_serves(project):
    shutil.rmtree(project.file("versions/2"))
    status = project.status()
    assert status["model"] == 1
    assert status["set_aside"] == [{"file": "versions/2", "problem": "missing", "at": None}]
    assert project.predict()[1]["result"]


def test_all_files_at_once_cost_no_label(project):
    shutil.rmtree(project.folder.path)
    project.label(LABELLED + 1)
    status = project.status()
    assert (status["labels"], status["model"], status["unlabelled"]) == (LABELLED + 1, 1, len(FILMS) - LABELLED - 1)
    assert project.folder.connection.read() == Connection("http://backend:9090", OWN, 5)


def test_embeddings_of_a_lost_version_do_not_serve_another_with_its_number(project):
    shutil.rmtree(project.folder.path / "versions")
    before = project.file("embeddings/version-2-*.f16").name
    project.label(LABELLED + 1)
    project.label(LABELLED + 2, trains=True)
    assert project.status()["model"] == 2
    assert project.file("embeddings/version-2-*.f16").name != before


def test_a_project_whose_status_cannot_be_read_is_left_out_of_the_metrics(project, monkeypatch):
    def fail_for_one(service: Service, project_id: int) -> dict[str, Any]:
        if project_id == HARMED:
            raise RuntimeError("a fault that nobody thought of")
        return project_status(service, project_id)

    monkeypatch.setattr("backend.web.status.project_status", fail_for_one)
    text = project.metrics()
    assert f'shortlist_labels{{project="{UNHARMED}"}} {LABELLED}.0' in text
    assert f'shortlist_labels{{project="{HARMED}"}}' not in text
    assert "shortlist_unreadable 1.0" in text


def test_doctor_names_damage_that_nobody_has_run_into_yet(project):
    assert list(look_at_files("Films", project.folder)) == []
    file = project.file("questions/1/versions/2/head.safetensors")
    file.write_bytes(bytes(file.stat().st_size))
    (finding,) = look_at_files("Films", project.folder)
    assert finding.found == "damaged or missing on disk: questions/1/versions/2"
    assert not finding.is_well
