"""An LLM answers every question of a project, and drafts free text: servers that speak a provider's protocol.

The rounds of the first tests meet a fake Label Studio, those of the last ones the real one.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from backend.rounds.round import Round
from backend.settings import Settings
from backend.store.project_folder import ProjectFolder
from backend.studio.connecting import drafts_in_words
from backend.web.classifying import WebClassifier
from backend.web.metrics import metrics_text
from backend.web.service import Service
from backend.web.status import project_status
from backend.work.classifiers import Classifiers
from examples.servers import Server
from model.llm.chat import Message
from model.types import ResultItem
from tests.annotators import Person, reviews, until_published
from tests.fake_chats import drafting, labelling, picking
from tests.fake_tasks import WholeLabelStudio
from tests.fakes import FakeRounds, FakeTurn, a_context
from tests.llm_servers import KEY, MODEL, LLMServer, llm_server
from tests.servers import BackendServer, backend

THREE = (
    '<View><Text name="text" value="$text"/>'
    '<Choices name="mood" toName="text" choice="single-radio"><Choice value="neg"/><Choice value="pos"/></Choices>'
    '<Rating name="stars" toName="text"/>'
    '<Taxonomy name="shelf" toName="text" leafsOnly="true"><Choice value="keep"><Choice value="at once"/>'
    '<Choice value="some day"/></Choice><Choice value="leave"/></Taxonomy></View>'
)
SAID = {"pos": ("pos", "5", "keep / at once"), "neg": ("neg", "1", "leave")}
CONTROLS = ("mood", "stars", "shelf")
FREE_TEXT = (
    '<View><Text name="text" value="$text"/><Header value="Write it in capitals"/>'
    '<TextArea name="capitals" toName="text" maxSubmissions="1" editable="true"/></View>'
)
TEXTS = reviews(60)


def answer(body: dict[str, Any]) -> str:
    """Label the question that a prompt asks as its text deserves, or write the text in capitals."""
    messages = tuple(Message(message["role"], message["content"]) for message in body["messages"])
    system = messages[0].content
    if "what a person labels first" in system:
        return picking(8, lambda text: SAID[TEXTS[text]][1])(messages)  # type: ignore[return-value]
    if "drafts that people correct" in system:
        return drafting(str.upper)(messages)  # type: ignore[return-value]
    (line,) = [line for line in system.splitlines() if line.startswith("Question that annotators answer")]
    place = next(place for place, control in enumerate(CONTROLS) if f'"{control}"' in line)
    return labelling(lambda text: SAID[TEXTS[text]][place])(messages)  # type: ignore[return-value]


def shelf_of(path: str) -> list[list[str]]:
    return [path.split(" / ")]


def people_say(label: str) -> tuple[ResultItem, ...]:
    mood, stars, shelf = SAID[label]
    return (
        ResultItem("mood", "choices", {"choices": [mood]}),
        ResultItem("stars", "rating", {"rating": int(stars)}),
        ResultItem("shelf", "taxonomy", {"taxonomy": shelf_of(shelf)}),
    )


@dataclass
class Project:
    """A project of a fake Label Studio, whose backend has an LLM."""

    settings: Settings
    studio: WholeLabelStudio
    server: LLMServer

    @property
    def folder(self) -> ProjectFolder:
        return ProjectFolder(self.settings.model_dir, 1)

    def run(self, changes: int = 0, **own: Any) -> None:
        self.studio.extra_params = {"cold_start": "maxherding", "names": "off", "explore": 0.0, **own}
        Round(a_context(self.settings, self.studio, FakeTurn(changes=changes), Classifiers(1))).run()

    def answer_next(self, count: int, say: Callable[[str], tuple[ResultItem, ...]]) -> list[int]:
        task_ids = [place.task_id for place in self.places()][:count]
        for task_id in task_ids:
            self.studio.answer(task_id, say(list(TEXTS)[task_id - 1]))
        return task_ids

    def places(self) -> list[Any]:
        with self.folder.publications.open() as order:
            assert order is not None
            return list(order.places(0))

    def service(self) -> Service:
        return Service(self.settings, FakeRounds(), WebClassifier())  # type: ignore[arg-type]

    def status(self) -> dict[str, Any]:
        return project_status(self.service(), 1)


@pytest.fixture
def project(tmp_path: Path, small_encoder: str) -> Iterator[Callable[..., Project]]:
    """Make a project with a labeling config; settings of the process may differ."""
    servers = []

    def project(config: str, **different: Any) -> Project:
        server = llm_server("openai", answer)
        servers.append(server)
        running = server.__enter__()
        settings = Settings(
            model_dir=tmp_path,
            bert_model=small_encoder,
            retrain_every=8,
            query_size=8,
            queue_size=40,
            recipe="head",
            llm_provider="openai",
            llm_model=MODEL,
            llm_base_url=running.url,
            openai_api_key=KEY,
            **different,
        )
        return Project(settings, WholeLabelStudio(list(TEXTS), label_config=config), running)

    yield project
    for server in servers:
        server.__exit__(None, None, None)


def answers_of(result: str | Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What is preselected, by question."""
    items = json.loads(result) if isinstance(result, str) else result
    return {item["from_name"]: item["value"][item["type"]] for item in items}


def expected(label: str) -> dict[str, Any]:
    return {item.control: item.value[item.kind] for item in people_say(label)}


def test_until_there_is_a_model_every_question_of_the_next_batch_is_filled_in(project: Callable[..., Project]) -> None:
    films = project(THREE)
    films.run()
    filled = [(list(TEXTS.values())[place.task_id - 1], answers_of(place.result)) for place in films.places()]
    assert [given == expected(label) for label, given in filled[:8]] == [True] * 8
    assert [given for _, given in filled[8:]] == [{}] * 52

    status = films.status()
    asked = [(question["name"], question["llm"]["asked"]) for question in status["questions"]]
    assert asked == [(control, 1) for control in CONTROLS]
    # What each question costs adds up to what the project spent.
    for tokens in ("prompt_tokens", "completion_tokens"):
        assert sum(question["llm"][tokens] for question in status["questions"]) == status["llm"][tokens] > 0
    text = metrics_text(films.service()).decode()
    for question in status["questions"]:
        spent = question["llm"]["prompt_tokens"] + question["llm"]["completion_tokens"]
        line = f'shortlist_question_llm_tokens{{project="1",question="{question["name"]}"}} {float(spent)}'
        assert line in text


def test_routed_texts_are_checked_and_counted_for_each_question(project: Callable[..., Project]) -> None:
    films = project(THREE)
    films.run(llm_labels="route")
    films.answer_next(16, lambda text: people_say(TEXTS[text]))
    films.run(changes=16, llm_labels="route")
    assert all(question["model"] == 1 for question in films.status()["questions"])
    checked = [place.task_id for place in films.places() if place.reason.startswith("LLM checked blind")]
    sure = [place for place in films.places() if place.reason.startswith("LLM sure")]
    assert len(checked) == 4
    assert {place.result for place in films.places() if place.task_id in checked} == {"[]"}
    labels = list(TEXTS.values())
    assert all(answers_of(place.result) == expected(labels[place.task_id - 1]) for place in sure)
    assert len(sure) == 12

    # People agree with the LLM, except that they give three stars to everything.
    for task_id in checked:
        mood, _, shelf = people_say(labels[task_id - 1])
        films.studio.answer(task_id, (mood, ResultItem("stars", "rating", {"rating": 3}), shelf))
    films.run(changes=8, llm_labels="route")
    counted = {question["name"]: question["llm"]["checks"] for question in films.status()["questions"]}
    assert counted == {
        "mood": {"agreed": 4, "disagreed": 0},
        "stars": {"agreed": 0, "disagreed": 4},
        "shelf": {"agreed": 4, "disagreed": 0},
    }
    text = metrics_text(films.service()).decode()
    assert 'shortlist_question_llm_checks_disagreed{project="1",question="stars"} 4.0' in text


def test_an_llm_chooses_once_for_the_questions_that_are_asked_for_and_its_picks_lead_the_order(
    project: Callable[..., Project],
) -> None:
    films = project(THREE)
    own = {"cold_start": "activellm", "ask_for": ["shelf", "stars"]}
    films.run(**own)
    chosen = [body for body in films.server.questions if "what a person labels first" in body["messages"][0]["content"]]
    assert len(chosen) == 3
    assert 'Question that annotators answer: "stars"' in chosen[0]["messages"][1]["content"]
    assert 'they answer about each text: "shelf"' in chosen[0]["messages"][1]["content"]
    picked = films.folder.selection.read()
    assert picked is not None
    places = films.places()
    assert [place.task_id for place in places[:8]] == [pick.task_id for pick in picked.picks]
    assert all(place.reason.startswith("LLM: picked") for place in places[:8])
    assert [set(answers_of(place.result)) for place in places[:8]] == [set(CONTROLS)] * 8
    # The stars that it expects are filled in as they are: it is not asked for these again.
    assert [question["llm"]["asked"] for question in films.status()["questions"]] == [1, 3, 1]
    asked = len(films.server.questions)
    films.studio.calls.clear()
    films.run(changes=1, **own)
    assert films.studio.calls == []
    assert len(films.server.questions) == asked

    # The picks lead until they are labelled, and then the classifiers of all questions.
    films.answer_next(8, lambda text: people_say(TEXTS[text]))
    films.run(changes=8, **own)
    assert all(question["model"] == 1 for question in films.status()["questions"])
    assert not any(place.reason.startswith("LLM") for place in films.places())
    assert len(films.server.questions) == asked


def test_the_projects_budget_holds_for_all_questions_together(project: Callable[..., Project]) -> None:
    films = project(THREE, llm_max_tokens_total=4760)
    films.run()
    status = films.status()
    asked = [question["llm"]["asked"] for question in status["questions"]]
    assert asked == [1, 0, 0]
    assert status["llm"]["problem_code"] == "llm_budget"
    assert status["llm"]["problem"].startswith("question 'stars': the next question takes about")
    assert set(answers_of(films.places()[0].result)) == {"mood"}


def written(text: str) -> tuple[ResultItem, ...]:
    return (ResultItem("capitals", "textarea", {"text": [text.upper()]}),)


def test_drafts_of_free_text_are_shown_checked_blind_and_counted_and_nothing_is_trained(
    project: Callable[..., Project],
) -> None:
    films = project(FREE_TEXT)
    films.run(llm_labels="train")
    places = films.places()
    texts = list(TEXTS)
    drafted = [place for place in places if place.result != "[]"]
    assert len(drafted) == 12
    assert {place.place for place in drafted} <= set(range(16))
    for place in drafted:
        (item,) = json.loads(place.result)
        assert item["value"] == {"text": [texts[place.task_id - 1].upper()]}
        assert (item["type"], item["from_name"], item["to_name"]) == ("textarea", "capitals", "text")

    # Every answer is the draft, but for one that was shown and one that was not.
    shown, blind = (
        [place.task_id for place in places[:16] if (place.result != "[]") is is_shown] for is_shown in (True, False)
    )
    for task_id in (*shown, *blind):
        films.studio.answer(task_id, written(texts[task_id - 1]))
    films.studio.answer(shown[0], written("something else"))
    films.studio.answer(blind[0], written("x" * 40))
    films.run(changes=16, llm_labels="train")
    (question,) = films.status()["questions"]
    drafts = question["llm"]["drafts"]
    assert (drafts["shown"], drafts["kept"], drafts["blind"], drafts["left_out"]) == (12, 11, 4, 0)
    assert drafts["similarity"] == pytest.approx(0.75, abs=0.01)
    assert films.folder.registry.current() is None
    assert not films.folder.llm_labels.exists()
    assert len([place for place in films.places() if place.result != "[]"]) == 12
    text = metrics_text(films.service()).decode()
    assert 'shortlist_question_drafts_kept{project="1",question="capitals"} 11.0' in text
    # What people wrote is shown as examples.
    assert '"written": "' in films.server.questions[-1]["messages"][1]["content"]


@pytest.mark.parametrize(
    ("use", "said"),
    [
        ("off", ""),
        ("show", " openai small-model drafts them."),
        ("route", " openai small-model drafts them. Of LLM_LABELS=route only `show` applies"),
        ("train", " openai small-model drafts them. Of LLM_LABELS=train only `show` applies"),
    ],
)
def test_connecting_says_that_only_show_applies_to_free_text(use: str, said: str) -> None:
    settings = Settings(llm_provider="openai", llm_model=MODEL)
    words = drafts_in_words(settings, {"llm_labels": use})
    assert words.startswith(said)
    assert bool(words) is bool(said)
    assert drafts_in_words(Settings(), {"llm_labels": use}) == ""


@pytest.fixture(scope="module")
def asking(
    studio: Server, owner: Person, small_encoder: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BackendServer]:
    """The backend with an LLM and the tiny encoder, beside the real Label Studio."""
    with llm_server("openai", answer) as server:
        settings = {
            "LLM_PROVIDER": "openai",
            "LLM_MODEL": MODEL,
            "LLM_BASE_URL": server.url,
            "OPENAI_API_KEY": KEY,
            "BERT_MODEL": small_encoder,
            "COLD_START": "maxherding",
            "NAMES": "off",
            "EXPLORE": "0",
        }
        folder = tmp_path_factory.mktemp("asking-for-all")
        with backend(folder, studio.url, owner.personal_access_token(), **settings) as running:
            yield running


def test_label_studio_serves_every_question_as_the_llm_filled_it_in(
    owner: Person, asking: BackendServer, title: str
) -> None:
    project_id = owner.create_project(title, THREE, list(TEXTS))
    owner.connect(project_id, asking.url, query_size=8, retrain_every=100)
    until_published(owner, asking, project_id)
    task = owner.next_task(project_id)
    assert task is not None
    (prediction,) = task["predictions"]
    assert answers_of(prediction["result"]) == expected(TEXTS[task["data"]["text"]])


def test_label_studio_serves_a_draft_which_a_person_keeps_or_changes(
    owner: Person, asking: BackendServer, title: str
) -> None:
    project_id = owner.create_project(title, FREE_TEXT, list(TEXTS))
    owner.connect(project_id, asking.url, query_size=8)
    until_published(owner, asking, project_id)
    kept = seen = 0
    for _ in range(8):
        task = owner.next_task(project_id)
        assert task is not None
        (prediction,) = task["predictions"]
        draft = [item["value"]["text"] for item in prediction["result"]]
        assert draft in ([], [[task["data"]["text"].upper()]])
        seen += bool(draft)
        # Every second draft is kept.
        words = draft[0] if draft and seen % 2 else ["a person's words"]
        kept += bool(draft) and bool(seen % 2)
        item = {"from_name": "capitals", "to_name": "text", "type": "textarea", "value": {"text": words}}
        owner.call("POST", f"/api/tasks/{task['id']}/annotations/", {"result": [item], "lead_time": 1.0})
    asking.until(project_id, lambda status: status["labels"] == 8 and status["rounds"] > 1, "the next batch")
    asking.until_settled(project_id)
    doctor = asking.command("doctor", "--project", str(project_id), "--url", asking.url)

    (question,) = asking.status(project_id)["questions"]

    drafts = question["llm"]["drafts"]
    assert (drafts["shown"], drafts["kept"], drafts["blind"]) == (seen, kept, 8 - seen)
    assert f"{kept} of {seen} drafts of the LLM were kept unchanged" in doctor.stdout
    assert "openai small-model drafts them" in doctor.stdout
