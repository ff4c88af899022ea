"""`make screenshots`: the pictures of docs/quickstart.md, taken of a real Label Studio and the backend."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer
from playwright.sync_api import Browser, Page, expect, sync_playwright
from playwright.sync_api import Error as PlaywrightError
from rich.console import Console
from rich.markup import escape

from backend.rounds.order import RANDOM_SAMPLE
from backend.store.project_folder import ProjectFolder
from examples.annotator import ROUND_TIMEOUT_S, Annotator, DemoError
from examples.demo import create_project
from examples.demo_servers import FOLDER, DemoServers, start_servers
from examples.learner import read_gold
from examples.story import LABELS_A_ROUND
from model.errors import ShortlistError
from model.types import LabelSet

PICTURES = Path("docs") / "pictures"
ROUNDS = 3
WIDTH, HEIGHT, PAGE_HEIGHT = 1280, 800, 1180
MOST_BYTES = 200_000
_PATIENCE_MS = 60_000.0
_POLL_S = 0.5


def main(label_studio: Annotated[Path, typer.Option("--label-studio", help="The label-studio program.")]) -> None:
    """Label as an annotator would, and take pictures of what people see."""
    try:
        take_pictures(Console(), label_studio, PICTURES)
    except ShortlistError as error:
        Console(stderr=True).print(f"[bold red]{error.code}[/]: {escape(str(error))}", soft_wrap=True)
        raise SystemExit(1) from None


def take_pictures(console: Console, label_studio: Path, folder: Path) -> None:
    """Start the servers, label, and write a picture of each screen.

    Args:
        console: where to say what is being done.
        label_studio: the label-studio program.
        folder: for the pictures; those of the same names are replaced.

    Raises:
        DemoError: there is no browser, a round does not end, or a picture is too large for a page of docs.
        ServerError: a server does not start.
    """
    program = shutil.which("chromium")
    if program is None:
        raise DemoError(
            "there is no browser to take pictures with: install Debian's chromium (apt-get install chromium)"
        )
    folder.mkdir(parents=True, exist_ok=True)
    pool = read_gold("pool")
    with start_servers(console, label_studio, FOLDER) as servers:
        label_set = LabelSet(tuple(sorted(set(pool.labels))))
        project_id = create_project(console, servers, pool, label_set)
        annotator = Annotator(servers, project_id, dict(zip(pool.texts, pool.labels, strict=True)))
        _label(console, annotator)
        with _browser(program) as browser:
            _take_label_studio(browser, servers, project_id, folder)
            _take_pages(browser, servers, project_id, folder)
    for picture in sorted(folder.glob("*.png")):
        size_bytes = picture.stat().st_size
        console.print(f"{picture}: {size_bytes / 1000:.0f} kB")
        if size_bytes > MOST_BYTES:
            raise DemoError(f"{picture} is larger than {MOST_BYTES / 1000:.0f} kB")


@contextmanager
def _browser(program: str) -> Iterator[Browser]:
    """Run a browser.

    Raises:
        DemoError: it does not start, or a page does not show what is waited for.
    """
    expect.set_options(timeout=_PATIENCE_MS)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=program, args=["--hide-scrollbars"])
            yield browser
            browser.close()
    except (PlaywrightError, AssertionError) as error:
        raise DemoError(f"the browser did not come to a picture: {error}") from error


def _label(console: Console, annotator: Annotator) -> None:
    """Label until some model versions are trained and measured, and the next text comes with the model's answer."""
    with console.status("Labelling") as status:
        say: Callable[[str], None] = lambda how_far: status.update(f"Labelling and training: {how_far}")  # noqa: E731
        annotator.await_model(0, say)
        for number in range(1, ROUNDS + 1):
            for _ in range(LABELS_A_ROUND):
                annotator.label_one()
            annotator.await_model(number, say)
        _await_figures(annotator)
        while annotator.next_and_why()[1] == RANDOM_SAMPLE:
            # Texts of the random sample come without an answer.
            annotator.label_one()
    console.print(f"{len(annotator.labelled)} texts labelled, {ROUNDS} model versions trained")


def _await_figures(annotator: Annotator) -> None:
    """Wait for the figures of the newest model version: a round computes them after its order is published.

    Raises:
        DemoError: they do not come.
    """
    deadline = time.monotonic() + ROUND_TIMEOUT_S
    while (figures := annotator.folder.figures.read()) is None or figures.version < ROUNDS:
        if time.monotonic() > deadline:
            raise DemoError("the figures of the newest model version do not come: the logs are in demo-data/")
        time.sleep(_POLL_S)


def _take_label_studio(browser: Browser, servers: DemoServers, project_id: int, folder: Path) -> None:
    """Take what an annotator sees in Label Studio."""
    with _window(browser, servers.label_studio.url) as page:
        page.goto("/user/login/")
        page.fill("input[name=email]", servers.account.email)
        page.fill("input[name=password]", servers.account.password)
        page.click("button[type=submit]")
        expect(page.get_by_text("Invite Members")).to_be_visible()

        page.goto(f"/projects/{project_id}/settings/ml")
        expect(page.get_by_text("Connected", exact=True)).to_be_visible()
        page.screenshot(path=folder / "connected.png")

        page.goto(f"/projects/{project_id}/data?tab={_next_up(servers, project_id)}")
        expect(page.locator(".lsf-table-row").first).to_be_visible()
        page.wait_for_load_state("networkidle")
        page.screenshot(path=folder / "data-manager.png")

        page.goto(f"/projects/{project_id}/data")
        page.get_by_text("Label All Tasks").click()
        expect(page.locator("input[type=checkbox]:checked")).to_have_count(1)
        page.wait_for_load_state("networkidle")
        page.screenshot(path=folder / "labeling.png")


def _next_up(servers: DemoServers, project_id: int) -> int:
    """Return the id of the Data Manager's tab that the backend made.

    Raises:
        DemoError: it made none.
    """
    tab = ProjectFolder(servers.settings.model_dir, project_id).next_up.read()
    if tab is None or tab.problem:
        raise DemoError(f"the Data Manager has no tab of the backend: {tab.problem if tab else 'none was asked for'}")
    return tab.view_id


def _take_pages(browser: Browser, servers: DemoServers, project_id: int, folder: Path) -> None:
    """Take the project's page, light and dark."""
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for scheme in schemes:
        with _window(browser, servers.backend.url, PAGE_HEIGHT, scheme) as page:
            page.goto(f"/projects/{project_id}")
            page.screenshot(path=folder / f"page-{scheme}.png")


@contextmanager
def _window(
    browser: Browser, url: str, height: int = HEIGHT, scheme: Literal["light", "dark"] = "light"
) -> Iterator[Page]:
    context = browser.new_context(base_url=url, viewport={"width": WIDTH, "height": height}, color_scheme=scheme)
    page = context.new_page()
    page.set_default_timeout(_PATIENCE_MS)
    yield page
    context.close()


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    app()
