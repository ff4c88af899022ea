"""What people see and click: Label Studio in a real browser."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect, sync_playwright

from examples.servers import Server
from tests.annotators import Person, choices_config, reviews, until_published
from tests.servers import BackendServer

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None,
    reason="NO BROWSER: nothing that people click was tested; install Debian's chromium (apt-get install chromium)",
)

LABELS = ["neg", "pos"]
TEXTS = reviews(24)
# A page may take this long on a busy machine.
PATIENCE_MS = 40_000.0
SWITCHES = [
    f"--{switch}"
    for switch in (
        "no-sandbox",
        "disable-gpu",
        "disable-quic",
        "no-first-run",
        "disable-background-networking",
        "disable-component-update",
        "disable-sync",
    )
]


@pytest.fixture(scope="module")
def page(studio: Server, owner: Person) -> Iterator[Page]:
    """A browser window in which the owner is signed in."""
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=SWITCHES)
        window = browser.new_page(base_url=studio.url, viewport={"width": 1400, "height": 900})
        window.set_default_timeout(PATIENCE_MS)
        window.goto("/user/login/")
        window.fill("input[name=email]", owner.email)
        window.fill("input[name=password]", owner.password)
        window.click("button[type=submit]")
        expect(window.get_by_text("Invite Members")).to_be_visible()
        yield window
        browser.close()


def _choice(page: Page, label: str) -> Locator:
    return page.locator(f"input[type=radio][name={label}]")


def _submit(page: Page) -> None:
    with page.expect_response(lambda answer: "/annotations" in answer.url and answer.request.method == "POST") as sent:
        page.get_by_test_id("bottombar-submit-button").click()
    assert sent.value.status == 201


def test_a_project_is_connected_labelled_and_trained_by_clicking(
    page: Page, owner: Person, quick: BackendServer, title: str, tmp_path: Path
) -> None:
    project_id = owner.create_project(title, choices_config(LABELS), list(TEXTS))
    text_of = {task["id"]: task["data"]["text"] for task in owner.tasks(project_id)}
    extra_params = {"retrain_every": 6, "query_size": 8, "explore": 0}

    # Settings → Model → Connect Model.
    page.goto(f"/projects/{project_id}/settings/ml")
    page.get_by_text("Connect Model", exact=True).click()
    page.fill("input[name=title]", "Shortlist")
    page.fill("input[name=url]", quick.url)
    page.fill("textarea[name=extra_params]", json.dumps(extra_params))
    page.get_by_text("Validate and Save").click()
    expect(page.get_by_text("Connected", exact=True)).to_be_visible()
    expect(page.get_by_text(quick.url)).to_be_visible()
    page.screenshot(path=tmp_path / "connected.png")

    # Label All Tasks: the texts come in the published order, and nothing is preselected before there is a model.
    published = until_published(owner, quick, project_id).task_ids
    assert published != sorted(published)
    page.goto(f"/projects/{project_id}/data")
    page.get_by_text("Label All Tasks").click()
    shown = page.locator(".lsf-htx-richtext")
    asked = published[: len(LABELS) + 4]
    for task_id in asked:
        expect(shown).to_have_text(text_of[task_id])
        for label in LABELS:
            expect(_choice(page, label)).not_to_be_checked()
        _choice(page, TEXTS[text_of[task_id]]).check()
        _submit(page)
    expect(shown).to_have_text(text_of[published[len(asked)]])
    page.screenshot(path=tmp_path / "labelled.png")

    # That trained a model: after the text that is on the screen already, its answers are preselected.
    order = until_published(owner, quick, project_id, model=1)
    on_screen = published[len(asked)]
    _choice(page, TEXTS[text_of[on_screen]]).check()
    _submit(page)
    task_id = next(task_id for task_id in order.task_ids if task_id != on_screen)
    expect(shown).to_have_text(text_of[task_id])
    prediction = next(
        p for p in owner.predictions(project_id) if (p["task"], p["model_version"]) == (task_id, order.name)
    )
    [answer] = prediction["result"][0]["value"]["choices"]
    expect(_choice(page, answer)).to_be_checked()
    page.screenshot(path=tmp_path / "preselected.png")

    # Start Training in the menu of the model's card, and again in the dialog that asks whether one means it.
    before = quick.status(project_id)["model"]
    page.goto(f"/projects/{project_id}/settings/ml")
    page.get_by_label("Machine learning model options").click()
    page.get_by_text("Start Training", exact=True).click()
    page.get_by_role("button", name="Start Training").click()
    expect(page.get_by_text("Request Sent!")).to_be_visible()
    page.screenshot(path=tmp_path / "training.png")
    until_published(owner, quick, project_id, model=before + 1)


def test_the_dialog_says_why_a_project_without_choices_cannot_be_connected(
    page: Page, owner: Person, quick: BackendServer, title: str, tmp_path: Path
) -> None:
    config = '<View><Text name="text" value="$text"/><Labels name="l" toName="text"><Label value="x"/></Labels></View>'
    project_id = owner.create_project(title, config, ["a text"])

    page.goto(f"/projects/{project_id}/settings/ml")
    page.get_by_text("Connect Model", exact=True).click()
    page.fill("input[name=title]", "Shortlist")
    page.fill("input[name=url]", quick.url)
    page.get_by_text("Validate and Save").click()

    # The dialog shows a refusal as HTML: tags written out in the fix would vanish.
    refusal = page.get_by_text("no Choices, Rating or Taxonomy over a text").first
    expect(refusal).to_be_visible()
    expect(refusal).to_contain_text("HyperText", timeout=5_000)
    page.screenshot(path=tmp_path / "refused.png")
