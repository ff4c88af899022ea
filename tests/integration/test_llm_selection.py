"""An LLM chooses what is labelled first: real Label Studio, and servers that speak the providers' protocols."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from examples.servers import Server
from tests.annotators import Person, choices_config, reviews, until_published
from tests.fake_chats import labelling, picking, shown_texts
from tests.llm_servers import KEY, MODEL, Item, LLMServer, Silence, llm_server, refusal
from tests.servers import BackendServer, backend

CONFIG = choices_config(["neg", "pos"])
RECORDED = Path(__file__).resolve().parents[3] / "shared" / "activellm"
# Three askings, by hand: 8 of the 24 texts shown, three for each that is asked for.
LISTS = (
    "I would look for contrast first.\n\n**3, 8, 5, 22, 1, 14, 12, 17**",
    "3, 9, 15, 20, 11, 0, 2, 18",
    "Text 3 stands out.\n```\n3, 8, 7, 22, 10, 14, 21, 16\n```",
)


class Provider:
    """What a server says, project by project: each is known by its title, which every question has."""

    def __init__(self) -> None:
        self.scripts: dict[str, list[Item] | Callable[[list[Any]], Item]] = {}
        self.asked: dict[str, list[list[Any]]] = {}

    def __call__(self, body: dict[str, Any]) -> Item:
        messages = [_Message(message["role"], message["content"]) for message in body["messages"]]
        said = "\n".join(message.content for message in messages)
        title = next(title for title in self.scripts if title in said)
        if '"sure"' in said:
            return labelling(lambda text: "neg")(messages)
        self.asked.setdefault(title, []).append(messages)
        script = self.scripts[title]
        return script(messages) if callable(script) else script[min(len(self.asked[title]), len(script)) - 1]


class _Message:
    def __init__(self, role: str, content: str) -> None:
        self.role = role
        self.content = content


@pytest.fixture(scope="module")
def provider() -> Provider:
    return Provider()


# What the protocol has a part in is tested with each, the rest with one.
each = pytest.mark.parametrize("server", ["mistral", "openai"], indirect=True, scope="module")
one = pytest.mark.parametrize("server", ["openai"], indirect=True, scope="module")


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest, provider: Provider) -> Iterator[LLMServer]:
    """Every protocol: tests/integration/test_llm_clients.py has what each does in trouble."""
    with llm_server(request.param, provider) as running:
        yield running


@pytest.fixture(scope="module")
def asking(
    server: LLMServer,
    studio: Server,
    owner: Person,
    small_encoder: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[BackendServer]:
    """The backend with an LLM and the tiny encoder; a project may spend 14,000 tokens."""
    settings = {
        "LLM_PROVIDER": server.provider,
        "LLM_MODEL": MODEL,
        "LLM_BASE_URL": server.url,
        f"{server.provider.upper()}_API_KEY": KEY,
        "LLM_MAX_TOKENS_TOTAL": "14000",
        "LLM_TIMEOUT_S": "10",
        "LLM_PRICE_INPUT": "2",
        "LLM_PRICE_OUTPUT": "6",
        "BERT_MODEL": small_encoder,
        "EXPLORE": "0",
    }
    folder = tmp_path_factory.mktemp(f"asking-{server.provider}")
    with backend(folder, studio.url, owner.personal_access_token(), **settings) as running:
        yield running


def named(title: str, server: LLMServer) -> str:
    """A project's title, one for each test and provider; Label Studio takes 50 characters."""
    return f"{server.provider} {title.removeprefix('test_')}"[:50].strip()


def sentiment(gold: Mapping[str, str]) -> Callable[[str], str]:
    return lambda text: gold[text]


@each
def test_what_three_askings_picked_is_served_first_in_the_published_order(
    owner: Person, asking: BackendServer, server: LLMServer, provider: Provider, title: str
) -> None:
    gold = reviews(60)
    title = named(title, server)
    provider.scripts[title] = list(LISTS)
    project_id = owner.create_project(title, CONFIG, list(gold))
    owner.connect(project_id, asking.url, query_size=8, retrain_every=100)
    publication = until_published(owner, asking, project_id)
    text_of = {task["id"]: task["data"]["text"] for task in owner.tasks(project_id)}

    served = [task["id"] for task in owner.label_next(project_id, gold, 8)]

    votes = Counter(
        shown_texts(messages)[int(number)]
        for messages, answer in zip(provider.asked[title], LISTS, strict=True)
        for number in answer.replace("*", "").replace("`", "").strip().split("\n")[-1].split(", ")
    )
    picked = asking.folder(project_id).selection.read()
    assert picked is not None
    assert served == [pick.task_id for pick in picked.picks] == publication.task_ids[:8]
    assert [votes[text_of[task_id]] for task_id in served] == [pick.votes for pick in picked.picks]
    assert publication.reasons[:8] == [f"LLM: picked {votes[text_of[task_id]]} of 3 askings" for task_id in served]
    assert asking.status(project_id)["next"][0] == {"task": served[0], "reason": publication.reasons[0]}
    assert asking.status(project_id)["last_round"]["strategy"] == "activellm"


@each
@pytest.mark.skipif(not RECORDED.exists(), reason="the study's recorded answers are not here")
def test_answers_that_real_models_gave_are_picked_and_served_in_order(
    owner: Person, asking: BackendServer, server: LLMServer, provider: Provider, title: str
) -> None:
    records = [json.loads(line) for line in (RECORDED / "answers.jsonl").read_text(encoding="utf-8").splitlines()]
    by_id = {record["id"]: record for record in records}
    # A comma list after thoughts, a column of numbers after two follow-ups, a list behind words; all below 96.
    answers = [by_id[name] for name in ("qnli/10/4", "qqp/mixtral_100/1", "rte/mistral_large_200/1")]
    prompts = [json.loads(line) for line in (RECORDED / "prompts.jsonl").read_text(encoding="utf-8").splitlines()]
    shown = next(prompt for prompt in prompts if prompt["dataset"].startswith("sst2"))["instances"]
    texts = list({" ".join(text.split()): None for text in shown})[:200]
    title = named(title, server)
    provider.scripts[title] = [answer["answer"] for answer in answers]
    project_id = owner.create_project(title, CONFIG, texts)
    owner.connect(project_id, asking.url, query_size=32, retrain_every=100)
    publication = until_published(owner, asking, project_id)
    text_of = {task["id"]: task["data"]["text"] for task in owner.tasks(project_id)}

    served = [task["id"] for task in owner.label_next(project_id, dict.fromkeys(texts, "pos"), 32)]

    votes = Counter(
        shown_texts(messages)[number]
        for messages, answer in zip(provider.asked[title], answers, strict=True)
        for number in answer["reading"][:32]
    )
    assert served == publication.task_ids[:32]
    assert publication.reasons[:32] == [f"LLM: picked {votes[text_of[task_id]]} of 3 askings" for task_id in served]
    assert set(votes) <= set(texts)


@each
def test_two_garbage_answers_and_then_a_good_one_do(
    owner: Person, asking: BackendServer, server: LLMServer, provider: Provider, title: str
) -> None:
    gold = reviews(40)
    title = named(title, server)
    good = picking(6, sentiment(gold))
    garbage: list[Item] = ["I am sorry, I cannot read that.", "0, 1, 2, 3, 4, 5"]
    asked: list[int] = []

    def script(messages: list[Any]) -> Item:
        asked.append(1)
        return garbage[len(asked) - 1] if len(asked) <= 2 else good(messages)

    provider.scripts[title] = script
    project_id = owner.create_project(title, CONFIG, list(gold))
    owner.connect(project_id, asking.url, query_size=6)
    publication = until_published(owner, asking, project_id)

    task = owner.next_task(project_id)

    assert task is not None
    assert task["id"] == publication.task_ids[0]
    assert publication.reasons[0] == "LLM: picked 3 of 3 askings"
    assert len(provider.asked[title]) == 5
    # What the LLM expects is filled in, while there is no classifier.
    (prediction,) = task["predictions"]
    assert prediction["result"][0]["value"]["choices"] == [gold[task["data"]["text"]]]
    status = asking.status(project_id)
    assert (status["llm"]["fallback"], status["last_error"]) == ("", "")
    assert status["llm"]["cost"] > 0


@each
@pytest.mark.parametrize("trouble", ["rate", "broken", "hang", "garbage"])
def test_an_llm_in_trouble_ends_in_the_recorded_fallback_within_a_minute(
    owner: Person, asking: BackendServer, server: LLMServer, provider: Provider, title: str, trouble: str
) -> None:
    troubles: dict[str, Item] = {"hang": Silence.HANG, "garbage": "As an AI language model I like them all."}
    title = f"{server.provider} in trouble: {trouble}"
    provider.scripts[title] = [troubles.get(trouble) or refusal(server.provider, trouble)]
    project_id = owner.create_project(title, CONFIG, list(reviews(40)))
    began = time.monotonic()
    owner.connect(project_id, asking.url, query_size=6)
    publication = until_published(owner, asking, project_id)
    taken_s = time.monotonic() - began

    status = asking.until_settled(project_id)

    assert taken_s < 60
    assert status["llm"]["problem_code"] == ("llm_answer" if trouble == "garbage" else "llm_unavailable")
    assert status["llm"]["fallback"] == status["last_round"]["strategy"] == "typiclust"
    assert (status["state"], status["last_error"]) == ("idle", "")
    assert publication.reasons[0].startswith("typiclust, pick 1")
    assert owner.next_task(project_id)["id"] == publication.task_ids[0]  # type: ignore[index]
    metrics = asking.http.get("/metrics").text
    assert f'shortlist_llm_fallback{{project="{project_id}"}} 1.0' in metrics


@each
def test_an_exhausted_budget_ends_in_the_recorded_fallback_and_asks_nobody(
    owner: Person, asking: BackendServer, server: LLMServer, provider: Provider, title: str
) -> None:
    title = named(title, server)
    provider.scripts[title] = ["3, 8, 15"]
    words = list(reviews(150))
    project_id = owner.create_project(title, CONFIG, [f"{text} " * 40 for text in words])
    owner.connect(project_id, asking.url)
    until_published(owner, asking, project_id)

    llm = asking.status(project_id)["llm"]

    assert (llm["problem_code"], llm["fallback"], llm["asked"]) == ("llm_budget", "typiclust", 0)
    assert "LLM_MAX_TOKENS_TOTAL=14,000" in llm["problem"]
    assert title not in provider.asked


@one
def test_after_the_first_batch_the_classifier_takes_over(
    owner: Person, asking: BackendServer, server: LLMServer, provider: Provider, title: str
) -> None:
    gold = reviews(60)
    title = named(title, server)
    provider.scripts[title] = picking(8, sentiment(gold))
    project_id = owner.create_project(title, CONFIG, list(gold))
    owner.connect(project_id, asking.url, query_size=8, retrain_every=4)
    until_published(owner, asking, project_id)

    owner.label_both(project_id, gold, 4)
    middle = until_published(owner, asking, project_id, model=1)
    asked = len(provider.asked[title])
    owner.label_next(project_id, gold, 4)
    asking.until(
        project_id, lambda s: (s["last_round"] or {}).get("strategy") == "hybrid", "the classifier's own order"
    )
    later = until_published(owner, asking, project_id, model=1)

    assert middle.strategy == "activellm"
    assert middle.reasons[0].startswith("LLM: picked")
    assert any(middle.results)
    assert later.reasons[0].startswith("margin")
    assert len(provider.asked[title]) == asked == 3


@one
def test_no_key_prompt_or_text_is_in_any_log_status_or_metric(
    owner: Person, asking: BackendServer, server: LLMServer, provider: Provider, title: str
) -> None:
    title = named(title, server)
    provider.scripts[title] = picking(6, lambda text: "pos")
    texts = [f"wholly confidential review number {name}" for name in "abcdefghijklmnopqrstuvwxyz"]
    project_id = owner.create_project(title, CONFIG, texts)
    owner.connect(project_id, asking.url, query_size=6)
    until_published(owner, asking, project_id)
    doctor = asking.command("doctor", "--project", str(project_id), "--url", asking.url)

    status, metrics = asking.http.get(f"/projects/{project_id}/status").text, asking.http.get("/metrics").text
    said = "\n".join((asking.log.read_text(encoding="utf-8"), status, metrics, doctor.stdout, doctor.stderr))

    assert "event=llm_chose" in said
    assert f"LLM {MODEL}" in doctor.stdout
    for secret in (KEY, "confidential", "step by step", "You "):
        assert secret not in said
    # It went where it was meant to, and nowhere else.
    assert any(KEY in request.headers.get("authorization", "") for request in server.requests)


def test_without_a_key_everything_says_so_and_the_loop_goes_on(
    owner: Person, studio: Server, small_encoder: str, tmp_path: Path, title: str
) -> None:
    gold = reviews(30)
    project_id = owner.create_project(title, CONFIG, list(gold))
    own = {"LLM_PROVIDER": "mistral", "BERT_MODEL": small_encoder, "RETRAIN_EVERY": "4"}
    with backend(tmp_path, studio.url, owner.personal_access_token(), **own) as keyless:
        owner.connect(project_id, keyless.url)
        until_published(owner, keyless, project_id)
        owner.label_both(project_id, gold, 4)
        until_published(owner, keyless, project_id, model=1)
        status = keyless.status(project_id)
        doctor = keyless.command("doctor", "--project", str(project_id), "--url", keyless.url)
        log = keyless.log.read_text(encoding="utf-8")
        owner.delete_project(project_id)

    assert "MISTRAL_API_KEY" in status["llm"]["problem"]
    assert "event=llm_unusable" in log
    assert "set MISTRAL_API_KEY" in doctor.stdout
    assert doctor.returncode == 1
