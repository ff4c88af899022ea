"""Before the first model version: label names and unlabelled texts order the pool, and answer once people agree."""

from collections.abc import Mapping
from typing import Any

from tests.annotators import Person, choices_config, until_published
from tests.banking import intents, questions
from tests.served_orders import ServedOrder
from tests.servers import BackendServer

GOLD = dict(questions("pool")[:200])
CONFIG = choices_config(intents())
# Eight labels whose names say nothing of bank customers.
LETTERS = dict(zip(intents(), "ABCDEFGH", strict=True))


def test_names_order_the_texts_before_the_first_label_and_answer_nothing(
    owner: Person, real: BackendServer, title: str
) -> None:
    by_coverage = _served_texts(owner, *_connected(owner, real, f"c {title}", cold_start="maxherding"))
    project_id, publication = _connected(owner, real, title)

    assert _served_texts(owner, project_id, publication) != by_coverage
    assert publication.strategy == "hybrid"
    assert all("margin" in reason for reason in publication.reasons[:8])
    assert _answers(owner, project_id, publication) == {}
    status = real.status(project_id)
    assert (status["model"], status["names"]) == (0, {"agreed": 0, "of": 0})


def test_names_answer_once_people_agree(owner: Person, real: BackendServer, title: str) -> None:
    # What is drawn at random is a fair sample; of doubtful texts names are wrong more often.
    project_id, _ = _connected(owner, real, title, cold_start="random", query_size=1, retrain_every=1000)

    owner.label_next(project_id, GOLD, 16)
    real.until(project_id, lambda status: status["labels_in_order"] == 16, "an order by 16 labels")
    publication = until_published(owner, real, project_id)

    status = real.status(project_id)
    assert publication.model == status["model"] == 0
    assert status["names"]["of"] == 16
    assert status["names"]["agreed"] >= 9
    answers = _answers(owner, project_id, publication)
    assert _right(answers) >= 0.6


def test_the_first_model_knows_intents_that_nobody_has_labelled(owner: Person, real: BackendServer, title: str) -> None:
    project_id, _ = _connected(owner, real, title, retrain_every=16)

    owner.label_next(project_id, GOLD, 16)
    publication = until_published(owner, real, project_id, model=1)

    answers = _answers(owner, project_id, publication)
    assert len(answers) == len(GOLD) - 16
    assert _right(answers) >= 0.6
    assert real.status(project_id)["last_error"] == ""


def test_names_that_say_nothing_never_answer(owner: Person, real: BackendServer, title: str) -> None:
    gold = {text: LETTERS[label] for text, label in GOLD.items()}
    config = choices_config(list(LETTERS.values()))
    project_id, _ = _connected(owner, real, title, config, retrain_every=1000)

    publication = _label_one_by_one(owner, real, project_id, gold, 8)

    names = real.status(project_id)["names"]
    assert names["of"] == 8
    assert names["agreed"] <= 4
    assert publication.model == 0
    assert all(prediction["result"] == [] for prediction in owner.predictions(project_id))


def _connected(
    owner: Person, server: BackendServer, title: str, config: str = CONFIG, **extra_params: Any
) -> tuple[int, ServedOrder]:
    """A project with the questions, and its first order; none of it is drawn at random."""
    project_id = owner.create_project(title, config, list(GOLD))
    owner.connect(project_id, server.url, explore=0, **extra_params)
    return project_id, until_published(owner, server, project_id)


def _label_one_by_one(
    owner: Person, server: BackendServer, project_id: int, gold: Mapping[str, str], labels: int
) -> ServedOrder:
    """Label what is handed out, and wait each time for the order that knows of it; returns the last one."""
    for known in range(1, labels + 1):
        owner.label_next(project_id, gold, 1)
        server.until(project_id, lambda status, n=known: status["labels_in_order"] == n, f"an order by {known} labels")
        publication = until_published(owner, server, project_id)
    return publication


def _texts(owner: Person, project_id: int) -> dict[int, str]:
    return {task["id"]: task["data"]["text"] for task in owner.tasks(project_id)}


def _served_texts(owner: Person, project_id: int, publication: ServedOrder) -> list[str]:
    text_of = _texts(owner, project_id)
    return [text_of[task_id] for task_id in publication.task_ids]


def _right(answers: Mapping[str, str]) -> float:
    """Share of preselected answers that are the right ones; there has to be one."""
    return sum(GOLD[text] == label for text, label in answers.items()) / len(answers)


def _answers(owner: Person, project_id: int, publication: ServedOrder) -> dict[str, str]:
    """Preselected answers by text, as Label Studio holds them for the version in use."""
    text_of = _texts(owner, project_id)
    return {
        text_of[prediction["task"]]: prediction["result"][0]["value"]["choices"][0]
        for prediction in owner.predictions(project_id)
        if prediction["model_version"] == publication.name and prediction["result"]
    }
