"""What people see and click: Label Studio in a real browser."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect, sync_playwright

from examples.servers import Server
from model.llm.chat import Message
from tests.annotators import Person, choices_config, reviews, until_published
from tests.fake_chats import drafting
from tests.llm_servers import KEY, MODEL, llm_server
from tests.servers import BackendServer, backend

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
    refusal = page.get_by_text("no Choices, Rating, Taxonomy or TextArea over a text").first
    expect(refusal).to_be_visible()
    expect(refusal).to_contain_text("HyperText", timeout=5_000)
    page.screenshot(path=tmp_path / "refused.png")


THREE_QUESTIONS = (
    '<View><Text name="text" value="$text"/>'
    '<Choices name="mood" toName="text" choice="single-radio"><Choice value="neg"/><Choice value="pos"/></Choices>'
    '<Rating name="stars" toName="text" maxRating="5"/>'
    '<Taxonomy name="shelf" toName="text" leafsOnly="true"><Choice value="keep"><Choice value="at once"/>'
    '<Choice value="some day"/></Choice><Choice value="leave"/></Taxonomy></View>'
)
SAID = {"pos": (5, ["keep", "at once"]), "neg": (1, ["leave"])}


def _three_answers(label: str) -> list[dict[str, Any]]:
    """What a person says of a text: a choice, stars and a path."""
    stars, path = SAID[label]
    values = (("mood", "choices", [label]), ("stars", "rating", stars), ("shelf", "taxonomy", [path]))
    return [
        {"from_name": name, "to_name": "text", "type": kind, "value": {kind: value}, "id": name}
        for name, kind, value in values
    ]


def _said(result: list[dict[str, Any]]) -> dict[str, Any]:
    return {item["from_name"]: item["value"][item["type"]] for item in result}


def test_choices_stars_and_a_taxonomy_over_one_text_are_learned_and_preselected(
    page: Page, owner: Person, quick: BackendServer, title: str, tmp_path: Path
) -> None:
    texts = reviews(70)
    project_id = owner.create_project(title, THREE_QUESTIONS, list(texts))
    backend_id = owner.connect(project_id, quick.url, retrain_every=16, query_size=16, explore=0)
    until_published(owner, quick, project_id)
    for _ in range(48):
        task = owner.next_task(project_id)
        assert task is not None
        body = {"result": _three_answers(texts[task["data"]["text"]]), "lead_time": 1.0}
        owner.call("POST", f"/api/tasks/{task['id']}/annotations/", body)
    order = until_published(owner, quick, project_id, model=1)
    asked = quick.status(project_id)["questions"]
    assert [question["name"] for question in asked] == ["mood", "stars", "shelf"]
    assert all(question["model"] and question["labels"] == 48 for question in asked)

    # All three are preselected on the next text, and one click submits them.
    page.goto(f"/projects/{project_id}/data")
    page.get_by_text("Label All Tasks").click()
    text_of = {task["id"]: task["data"]["text"] for task in owner.tasks(project_id)}
    task_id = order.task_ids[0]
    expect(page.locator(".lsf-htx-richtext")).to_have_text(text_of[task_id])
    label = texts[text_of[task_id]]
    expect(_choice(page, label)).to_be_checked()
    stars, path = SAID[label]
    expect(page.locator(".ant-rate-star-full")).to_have_count(stars)
    expect(page.get_by_text(path[-1], exact=True).first).to_be_visible()
    page.screenshot(path=tmp_path / "three.png")
    _submit(page)
    [given] = owner.call("GET", f"/api/tasks/{task_id}/annotations/")
    assert _said(given["result"]) == {"mood": [label], "stars": stars, "shelf": [path]}

    # Start Training makes a new version of each, and every answer of the new order names its question.
    owner.call("POST", f"/api/ml/{backend_id}/train", {})
    served = until_published(owner, quick, project_id, model=asked[0]["model"] + 1)
    assert all(question["trained_on"] == 49 for question in quick.status(project_id)["questions"])
    answers = [each for each in owner.predictions(project_id) if each["model_version"] == served.name]
    assert answers
    for answer in answers:
        label = texts[text_of[answer["task"]]]
        assert _said(answer["result"]) == {"mood": [label], "stars": SAID[label][0], "shelf": [SAID[label][1]]}
        assert all(0 < item["score"] <= 1 for item in answer["result"])


FREE_TEXT = (
    '<View><Text name="text" value="$text"/><Header value="Write it in capitals"/>'
    '<TextArea name="capitals" toName="text" maxSubmissions="1" editable="true"/></View>'
)


def _in_capitals(body: dict[str, Any]) -> str:
    """Draft every text in capitals, in two lines."""
    messages = tuple(Message(message["role"], message["content"]) for message in body["messages"])
    return drafting(lambda text: f"{text.upper()}\nTHE END")(messages)  # type: ignore[return-value]


def test_an_llms_draft_stands_in_the_field_and_one_click_submits_it(
    page: Page, owner: Person, studio: Server, small_encoder: str, title: str, tmp_path: Path
) -> None:
    project_id = owner.create_project(title, FREE_TEXT, list(TEXTS))
    with llm_server("openai", _in_capitals) as server:
        settings = {"LLM_PROVIDER": "openai", "LLM_MODEL": MODEL, "LLM_BASE_URL": server.url, "OPENAI_API_KEY": KEY}
        own = {**settings, "BERT_MODEL": small_encoder, "COLD_START": "maxherding"}
        with backend(tmp_path, studio.url, owner.personal_access_token(), **own) as drafter:
            owner.connect(project_id, drafter.url, query_size=8, explore=0)
            order = until_published(owner, drafter, project_id)
    drafted = next(place for place, result in enumerate(order.results) if result)
    for task_id in order.task_ids[:drafted]:
        owner.call("POST", f"/api/tasks/{task_id}/annotations/", {"result": [], "lead_time": 1.0})
    task_id = order.task_ids[drafted]
    text = next(task["data"]["text"] for task in owner.tasks(project_id) if task["id"] == task_id)

    page.goto(f"/projects/{project_id}/data")
    page.get_by_text("Label All Tasks").click()
    expect(page.locator(".lsf-htx-richtext")).to_have_text(text)
    expect(page.get_by_text(text.upper()).first).to_be_visible()
    page.screenshot(path=tmp_path / "draft.png")
    _submit(page)

    [given] = owner.call("GET", f"/api/tasks/{task_id}/annotations/")
    assert [item["value"]["text"] for item in given["result"]] == [[f"{text.upper()}\nTHE END"]]
