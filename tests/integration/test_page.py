"""The pages in a real browser: readable by everybody in every state, and their buttons on a real Label Studio."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright
from werkzeug.serving import make_server

from backend.settings import Settings
from backend.store.project_folder import ProjectFolder
from backend.web.app import create_app
from backend.web.classifying import WebClassifier
from backend.web.service import Service
from backend.work.states import TRAINING, RoundState
from tests import page_figures, shown_projects
from tests.annotators import Person, choices_config, reviews, until_published
from tests.fakes import FakeRounds
from tests.integration.test_browser import CHROMIUM, PATIENCE_MS, SWITCHES
from tests.servers import BackendServer

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="NO BROWSER: install Debian's chromium (apt-get install chromium)"
)

DESK, PHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 740}
LABELLED = 24
BUSY = RoundState(TRAINING, {"done": 20, "total": 60, "seconds_left": 8.1}, "", "")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=SWITCHES)
        yield running
        running.close()


@contextmanager
def _served(settings: Settings, state: RoundState | None = None) -> Iterator[str]:
    """The web application on a free port of loopback; its address."""
    rounds = FakeRounds()
    rounds.current = state or rounds.current
    server = make_server("127.0.0.1", 0, create_app(Service(settings, rounds, WebClassifier())), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def _window(browser: Browser, **context: object) -> Iterator[Page]:
    opened = browser.new_context(**context)  # type: ignore[arg-type]
    page = opened.new_page()
    page.set_default_timeout(PATIENCE_MS)
    yield page
    opened.close()


def _faults(page: Page) -> list[str]:
    """Faults of any severity that axe finds in a page, in words."""
    found = Axe().run(page).response["violations"]
    return [f"{each['id']}: {each['help']} ({node['html'][:120]})" for each in found for node in each["nodes"]]


def _is_as_wide_as_its_window(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


PROJECTS: dict[str, Callable[[ProjectFolder], ProjectFolder]] = {
    "empty": shown_projects.connected,
    "failed": shown_projects.failed,
    "three annotators": shown_projects.grown,
    "77 classes": lambda folder: shown_projects.grown(folder, classes=77, texts=900),
}


@pytest.mark.parametrize(("viewport", "scheme"), [(DESK, "light"), (PHONE, "dark")], ids=["desk light", "phone dark"])
@pytest.mark.parametrize("project", PROJECTS)
def test_a_page_has_no_fault_in_any_state_light_or_dark_on_a_desk_or_a_phone(
    browser: Browser, tmp_path: Path, project: str, viewport: dict[str, int], scheme: str
) -> None:
    PROJECTS[project](ProjectFolder(tmp_path, 1))
    with (
        _served(Settings(model_dir=tmp_path)) as url,
        _window(browser, viewport=viewport, color_scheme=scheme) as page,
    ):
        for path in ("/projects/1", "/"):
            page.goto(f"{url}{path}")
            page.screenshot(path=tmp_path / f"{project}{path.replace('/', '-')}.png", full_page=True)
            assert _faults(page) == []
            assert _is_as_wide_as_its_window(page)


def test_everything_is_readable_and_pressable_without_scripts(browser: Browser, tmp_path: Path) -> None:
    folder = shown_projects.grown(ProjectFolder(tmp_path, 1))
    with _served(Settings(model_dir=tmp_path)) as url, _window(browser, java_script_enabled=False) as page:
        page.goto(f"{url}/projects/1")
        expect(page.get_by_role("heading", name="Labels that look wrong")).to_be_visible()
        page.get_by_role("button", name="Pause").click()
        expect(page.get_by_role("status")).to_contain_text("The project is paused")
        assert folder.pause.read() is not None
        page.get_by_role("button", name="Resume").click()
        assert folder.pause.read() is None


def test_a_keyboard_reaches_the_content_and_every_button(browser: Browser, tmp_path: Path) -> None:
    folder = shown_projects.grown(ProjectFolder(tmp_path, 1))
    with _served(Settings(model_dir=tmp_path)) as url, _window(browser) as page:
        page.goto(f"{url}/projects/1")
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="To the content")).to_be_focused()
        page.keyboard.press("Enter")
        for _ in range(20):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.textContent") == "Pause":
                break
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_contain_text("The project is paused")
        assert folder.pause.read() is not None


def test_a_page_of_a_running_round_looks_again_by_itself(browser: Browser, tmp_path: Path) -> None:
    shown_projects.grown(ProjectFolder(tmp_path, 1))
    with _served(Settings(model_dir=tmp_path), BUSY) as url, _window(browser) as page:
        page.clock.install()
        page.goto(f"{url}/projects/1?done=train")
        expect(page.get_by_text("20 of 60, about 8.1 s left")).to_be_visible()
        with page.expect_navigation(url=f"{url}/projects/1"):
            page.clock.run_for(11_000)


USES: dict[str, Callable[[Page], None]] = {
    "moves by keyboard": lambda page: page.keyboard.press("Tab"),
    "opened a table": lambda page: page.locator("details:not([open]) > summary").first.dispatch_event("click"),
    "wrote into a field": lambda page: page.locator("input[name=sought]").evaluate("field => field.value = 'refund'"),
    "selected words": lambda page: page.locator("h1").select_text(),
}


@pytest.mark.parametrize("use", USES)
def test_a_page_stays_while_somebody_uses_it(browser: Browser, tmp_path: Path, use: str) -> None:
    shown_projects.grown(ProjectFolder(tmp_path, 1))
    with _served(Settings(model_dir=tmp_path), BUSY) as url, _window(browser) as page:
        page.clock.install()
        page.goto(f"{url}/projects/1")
        page.evaluate("window.isTheSame = true")
        USES[use](page)
        page.clock.run_for(31_000)
        assert page.evaluate("window.isTheSame")


def test_a_real_projects_page_has_its_figures_and_its_buttons_work(
    browser: Browser, owner: Person, colleague: Person, quick: BackendServer, title: str, tmp_path: Path
) -> None:
    texts = reviews(60)
    project_id = owner.create_project(title, choices_config(["neg", "pos"]), list(texts), maximum_annotations=2)
    owner.connect(project_id, quick.url, retrain_every=8, query_size=8, explore=0.5)
    until_published(owner, quick, project_id)
    for count in range(LABELLED):
        for person in (owner, colleague):
            task = person.next_task(project_id)
            assert task is not None
            label = texts[task["data"]["text"]]
            # The colleague slips each fourth time.
            person.annotate(
                task["id"], {"pos": "neg", "neg": "pos"}[label] if person is colleague and count % 4 == 0 else label
            )
    folder = quick.folder(project_id)

    def has_figures(_: dict[str, Any]) -> bool:
        figures = folder.figures.read()
        return figures is not None and figures.version > 0 and figures.labels == LABELLED

    quick.until(project_id, has_figures, "the figures of all labels")

    # Without scripts: the page of a busy project looks again by itself.
    with _window(browser, viewport=DESK, java_script_enabled=False) as page:
        page.goto(f"{quick.url}/projects/{project_id}")
        page.screenshot(path=tmp_path / "real.png", full_page=True)
        # The figures are those of the data folder, where the first thing that is wrong would be a text that is missing.
        for row in page.locator("table[data-table=classes] tbody tr").all():
            name = row.locator("th").inner_text()
            given, _, right = page_figures.classes(folder.path)[name]
            expect(row).to_contain_text(f"{right} of {given}")
        said = page_figures.answers(folder.path, "intent")
        assert any(len(by_person) > 1 for by_person in said.values())
        expect(page.get_by_text(f"Krippendorff's alpha is {page_figures.alpha(said):.3f}")).to_be_visible()

        # A text leads into Label Studio.
        link = page.get_by_role("region", name="The next texts").get_by_role("link").first
        assert re.search(rf"/projects/{project_id}/data\?task=\d+$", link.get_attribute("href") or "")

        before = quick.status(project_id)["model"]
        page.get_by_role("button", name="Train now").click()
        expect(page.get_by_role("status")).to_contain_text("A training was asked for")
        quick.until(project_id, lambda status: status["model"] == before + 1, "the training")
        page.goto(f"{quick.url}/projects/{project_id}")
        page.get_by_role("button", name=f"Roll back to {before}").click()
        expect(page.get_by_role("status")).to_contain_text("Another model version is in use")
    order = quick.until(
        project_id, lambda status: status["model_version"].startswith(f"{before}."), "the older version's order"
    )
    assert order["model"] == before
