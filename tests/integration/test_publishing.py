"""What Label Studio holds of our orders: each once, and no more than two."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from tests.annotators import Person, choices_config, reviews, until_published
from tests.servers import BackendServer, eventually

CONFIG = choices_config(["neg", "pos"])


def _pairs(owner: Person, project_id: int) -> Counter[tuple[int, str]]:
    """How often each (task, model version) is predicted."""
    return Counter((prediction["task"], prediction["model_version"]) for prediction in owner.predictions(project_id))


def test_ten_rounds_publish_nothing_twice_and_leave_two_publications(
    owner: Person, quick: BackendServer, title: str
) -> None:
    gold = reviews(60)
    project_id = owner.create_project(title, CONFIG, list(gold))
    owner.connect(project_id, quick.url, retrain_every=2, query_size=2, explore=0.2)
    numbers = [until_published(owner, quick, project_id).number]
    # Each answer once: from here on any two labels are enough for a training, and a batch's worth.
    owner.label_both(project_id, gold)
    numbers.append(until_published(owner, quick, project_id, model=1).number)

    def is_clean() -> bool:
        return len({version for _, version in _pairs(owner, project_id)}) <= 2

    # Two labels use up a batch; a training may fall due between them, and publishes its own order.
    while len(numbers) < 11:
        last = numbers[-1]
        owner.label_next(project_id, gold, 2)
        quick.until(project_id, lambda s, n=last: int(s["model_version"].split(".")[1]) > n, "the next publication")
        numbers.append(until_published(owner, quick, project_id).number)
        assert max(_pairs(owner, project_id).values()) == 1, "a task holds two predictions of one version"

    eventually(is_clean, "old publications to be removed")
    pairs = _pairs(owner, project_id)
    held = sorted(int(version.split(".")[1]) for version in {version for _, version in pairs})
    assert held == [numbers[-1] - 1, numbers[-1]]
    assert max(Counter(task for task, _ in pairs).values()) <= 2
    published = quick.log.read_text("utf-8").count(f"event=published project={project_id} ")
    assert published == numbers[-1], "a publication's number was skipped or used twice"


def test_retrieving_predictions_by_hand_adds_none_to_tasks_that_have_one(
    owner: Person, quick: BackendServer, title: str
) -> None:
    project_id = owner.create_project(title, CONFIG, list(reviews(12)))
    owner.connect(project_id, quick.url, queue_size=8)
    publication = until_published(owner, quick, project_id)
    queued = _pairs(owner, project_id)

    owner.retrieve_predictions(project_id)
    owner.retrieve_predictions(project_id)

    pairs = _pairs(owner, project_id)
    assert len(queued) == 8
    assert len(pairs) == 12
    assert set(pairs.values()) == {1}
    by_task = {prediction["task"]: prediction["score"] for prediction in owner.predictions(project_id)}
    in_order = [by_task[task_id] for task_id in publication.task_ids]
    assert in_order == sorted(in_order), "tasks past the queue do not carry their rank"
    assert len(set(in_order)) == 12


def test_predict_agrees_with_what_was_published(owner: Person, quick: BackendServer, title: str) -> None:
    gold = reviews(20)
    project_id = owner.create_project(title, CONFIG, list(gold))
    owner.connect(project_id, quick.url, retrain_every=4, explore=0.3, queue_size=10)
    until_published(owner, quick, project_id)
    owner.label_both(project_id, gold, 6)
    publication = until_published(owner, quick, project_id, model=1)
    tasks = owner.tasks(project_id)

    answer = quick.http.post("/predict", json={"tasks": tasks, "project": f"{project_id}.1", "label_config": CONFIG})

    assert answer.status_code == 200
    predicted = dict(zip((task["id"] for task in tasks), answer.json()["results"], strict=True))
    stored = {p["task"]: p for p in owner.predictions(project_id) if p["model_version"] == publication.name}
    assert len(stored) == 10
    for task_id, prediction in stored.items():
        assert _essence(predicted[task_id]) == _essence(prediction)
    order = sorted(publication.task_ids, key=lambda task_id: predicted[task_id]["score"])
    assert order == publication.task_ids


def _essence(prediction: Mapping[str, Any]) -> tuple[str, float, list[tuple[Any, Any]]]:
    items = [(item["value"]["choices"], item["score"]) for item in prediction["result"]]
    return prediction["model_version"], round(prediction["score"], 6), items


def test_before_training_every_prediction_is_empty(owner: Person, quick: BackendServer, title: str) -> None:
    project_id = owner.create_project(title, CONFIG, list(reviews(10)))
    owner.connect(project_id, quick.url)
    until_published(owner, quick, project_id)
    tasks = [*owner.tasks(project_id), {"id": 10**6, "data": {"text": "a text that nobody has seen"}}]

    answer = quick.http.post("/predict", json={"tasks": tasks, "project": f"{project_id}.1", "label_config": CONFIG})

    assert answer.status_code == 200
    assert [result["result"] for result in answer.json()["results"]] == [[]] * 11
    assert all(prediction["result"] == [] for prediction in owner.predictions(project_id))


def test_new_tasks_join_the_order(owner: Person, quick: BackendServer, title: str) -> None:
    texts = list(reviews(14))
    project_id = owner.create_project(title, CONFIG, texts[:8])
    owner.connect(project_id, quick.url)
    first = until_published(owner, quick, project_id)

    owner.import_texts(project_id, texts[8:])

    quick.until(project_id, lambda status: status["unlabelled"] == 14, "the new tasks to be seen")
    second = until_published(owner, quick, project_id)
    assert second.number == first.number + 1
    assert sorted(second.task_ids) == sorted(task["id"] for task in owner.tasks(project_id))


def test_an_order_that_somebody_switched_off_comes_back(owner: Person, quick: BackendServer, title: str) -> None:
    project_id = owner.create_project(title, CONFIG, list(reviews(8)))
    owner.connect(project_id, quick.url)
    publication = until_published(owner, quick, project_id)

    owner.call("PATCH", f"/api/projects/{project_id}/", {"model_version": "", "sampling": "Sequential sampling"})

    def is_back() -> bool:
        project = owner.project(project_id)
        return (project["model_version"], project["sampling"]) == (publication.name, "Uncertainty sampling")

    eventually(is_back, "the order to be switched on again")
    assert quick.status(project_id)["rounds"] == 1


def test_predictions_of_other_models_are_left_alone(owner: Person, quick: BackendServer, title: str) -> None:
    gold = reviews(20)
    project_id = owner.create_project(title, CONFIG, list(gold))
    task_ids = [task["id"] for task in owner.tasks(project_id)]
    theirs = [{"task": task_id, "model_version": "9.1", "score": 0.5, "result": []} for task_id in task_ids]
    owner.call("POST", f"/api/projects/{project_id}/import/predictions", theirs)

    owner.connect(project_id, quick.url, retrain_every=2, query_size=2)
    for model in range(1, 4):
        until_published(owner, quick, project_id)
        owner.label_both(project_id, gold, 2)
        until_published(owner, quick, project_id, model=model)

    pairs = _pairs(owner, project_id)
    assert sum(1 for _, version in pairs if version == "9.1") == 20
