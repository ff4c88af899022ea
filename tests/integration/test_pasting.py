"""For people with a chat window and no API key: the prompt goes out by page or command, the answer comes back."""

import json
import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.annotators import Person, choices_config, reviews, until_published
from tests.integration.test_browser import CHROMIUM, PATIENCE_MS, SWITCHES
from tests.servers import BackendServer, run_backend

CONFIG = choices_config(["neg", "pos"])


def _connected(owner: Person, quick: BackendServer, title: str) -> int:
    project_id = owner.create_project(title, CONFIG, list(reviews(30)))
    owner.connect(project_id, quick.url, query_size=6, explore=0, retrain_every=100)
    until_published(owner, quick, project_id)
    return project_id


def _shown(question: str) -> dict[str, str]:
    """The texts of a question by their numbers."""
    return {number: json.loads(text) for number, text in re.findall(r'^(\d+): (".*")$', question, re.MULTILINE)}


def test_a_pasted_answer_is_asked_for_first(owner: Person, quick: BackendServer, title: str) -> None:
    project_id = _connected(owner, quick, title)
    before = quick.publication(project_id).number
    printed = quick.command("prompt", "--project", str(project_id))
    asked = quick.folder(project_id).paste_prompt.read()
    assert asked is not None
    numbers = ["13", "2", "16", "5", "11", "0"]
    wanted = [_shown(asked.text)[number] for number in numbers]

    answer = f"Let me think. These stand out:\n\n{', '.join(numbers)}\n"
    pasted = run_backend(quick.environment, "paste", "--project", str(project_id), stdin=answer)
    quick.until(project_id, lambda status: int(status["model_version"].split(".")[1]) > before, "the pasted picks")
    publication = until_published(owner, quick, project_id)
    served = [task["data"]["text"] for task in owner.label_next(project_id, reviews(30), len(wanted))]

    assert printed.returncode == pasted.returncode == 0, pasted.stderr
    assert printed.stdout.strip() == asked.text.strip()
    assert served == wanted
    assert publication.reasons[0] == "LLM: picked 1 of 1 asking"
    assert quick.status(project_id)["llm"]["source"] == "pasted"


def test_an_answer_without_a_choice_is_refused_with_the_reason_and_changes_nothing(
    owner: Person, quick: BackendServer, title: str
) -> None:
    project_id = _connected(owner, quick, title)
    address = f"/projects/{project_id}/prompt"

    (token,) = re.findall(r'name="form_token" value="(\w+)"', quick.http.get(address).text)

    def send(headers: dict[str, str] | None = None, **form: str) -> httpx.Response:
        return quick.http.post(address, data={"form_token": token, **form}, headers=headers)

    refused = send(answer="I like <b>all</b> of them.")
    foreign = send({"Origin": "http://elsewhere.example"}, answer="3, 8")
    bare = send(answer="3, 8", form_token="")
    late = send(answer="3, 8", made_at="1.5")

    assert (refused.status_code, foreign.status_code, bare.status_code, late.status_code) == (422, 403, 403, 422)
    assert "&lt;b&gt;all&lt;/b&gt;" in refused.text
    assert "the texts have changed" in late.text
    assert quick.folder(project_id).selection.read() is None


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=SWITCHES)
        yield running
        running.close()


@pytest.mark.skipif(CHROMIUM is None, reason="NO BROWSER: install Debian's chromium (apt-get install chromium)")
def test_the_page_gives_the_question_and_takes_the_answer(
    owner: Person, quick: BackendServer, title: str, browser: Browser
) -> None:
    project_id = _connected(owner, quick, title)
    page = browser.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(f"{quick.url}/projects/{project_id}/prompt")
    question = page.get_by_label("1. Copy the question").input_value()
    shown = _shown(question)
    chosen = list(shown)[4:16:4]

    page.get_by_label("2. Paste the answer").fill("Hm, hard to say.")
    page.get_by_role("button", name="Ask for these first").click()
    expect(page.get_by_role("alert")).to_contain_text("That cannot be used")
    page.get_by_label("2. Paste the answer").fill(", ".join(chosen[::-1]))
    page.get_by_role("button", name="Ask for these first").click()
    expect(page.get_by_role("status")).to_contain_text("3 texts are asked for first")

    quick.until(project_id, lambda status: status["next"][0]["reason"].startswith("LLM"), "the pasted picks")
    until_published(owner, quick, project_id)
    served = [task["data"]["text"] for task in owner.label_next(project_id, reviews(30), 3)]
    assert served == [shown[number] for number in chosen[::-1]]
    page.close()
