"""The disk is full, or a project's folder is another user's: each request says so, and other projects go on."""

import errno
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from backend.settings import Settings
from backend.store import documents
from backend.store.connection import Connection
from backend.store.project_folder import ProjectFolder, known_projects
from backend.web.app import create_app
from backend.web.classifying import WebClassifier
from backend.web.service import Service
from tests.fakes import FakeRounds, a_sync_record, labeling_config
from tests.faults.test_commands import as_nobody
from tests.unit.backend.web.pages.test_project_pages import HTML, Page

MINE, ANOTHERS = 1, 2
SETUP = {"project": f"{MINE}.1", "schema": labeling_config()}
# What the page's buttons send, by the end of their address.
BUTTONS = {"pause": {}, "apply": {"do": "check"}, "find": {"sought": "words"}}


def a_browser(model_dir: Path) -> FlaskClient:
    for project_id in (MINE, ANOTHERS):
        folder = ProjectFolder(model_dir, project_id)
        folder.connection.write(Connection("http://localhost:9090", {}, 5))
        folder.sync_record.write(a_sync_record(questions=("sentiment",)))
    return create_app(Service(Settings(model_dir=model_dir), FakeRounds(), WebClassifier())).test_client()


@pytest.fixture
def press(tmp_path, monkeypatch) -> Callable:
    """Load a page, let the disk fill up, and press a button of the page."""
    browser = a_browser(tmp_path)
    token = Page(browser.get(f"/projects/{MINE}", headers=HTML)).token()

    def refuse(file: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(file))

    monkeypatch.setattr(documents, "write_whole", refuse)

    def press(action: str, **fields: str):
        return browser.post(f"/projects/{MINE}/{action}", data={"form_token": token, **fields}, headers=HTML)

    press.browser = browser
    return press


@pytest.mark.parametrize("button", BUTTONS)
def test_a_button_on_a_full_disk_says_that_the_disk_refuses_and_names_no_file(press, tmp_path, button):
    answer = press(button, **BUTTONS[button])
    assert answer.status_code == 503
    assert "the disk or the system refused (No space left on device): is MODEL_DIR full" in Page(answer).words
    assert str(tmp_path) not in answer.text


def test_a_setup_on_a_full_disk_tells_label_studio_why(press):
    answer = press.browser.post("/setup", json=SETUP)
    assert (answer.status_code, answer.json["error"]["code"]) == (503, "system")
    assert "No space left on device" in answer.status


@pytest.fixture
def model_dir() -> Iterator[Path]:
    """A MODEL_DIR that everybody may enter."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def browser(model_dir):
    """A browser of a backend that may not enter the folder of one of its projects."""
    browser = a_browser(model_dir)
    for folder in (model_dir, model_dir / "projects", *(model_dir / "projects").glob("*")):
        folder.chmod(0o755)
    for file in (model_dir / "projects" / str(MINE)).iterdir():
        file.chmod(0o644)
    (model_dir / "projects").chmod(0o777)
    (model_dir / "projects" / str(ANOTHERS)).chmod(0o700)
    with as_nobody():
        yield browser


def test_the_folder_of_another_user_hides_no_other_project(browser, model_dir):
    assert known_projects(model_dir) == [MINE, ANOTHERS]
    assert browser.get(f"/projects/{MINE}/status").json["labels"] > 0
    metrics = browser.get("/metrics")
    assert metrics.status_code == 200
    assert f'shortlist_labels{{project="{MINE}"}}' in metrics.text
    assert "shortlist_unreadable 1.0" in metrics.text
    assert browser.get("/", headers=HTML).status_code == 200


@pytest.mark.parametrize("path", ["", "/status"])
def test_a_project_in_the_folder_of_another_user_says_so_and_passes_for_no_new_one(browser, path):
    answer = browser.get(f"/projects/{ANOTHERS}{path}")
    assert answer.status_code == 503
    assert "(Permission denied): is MODEL_DIR full, or does it belong to another user?" in answer.text


def test_a_setup_of_another_project_goes_on_beside_the_folder_of_another_user(browser):
    assert browser.post("/setup", json={**SETUP, "project": "3.1"}).status_code == 200
