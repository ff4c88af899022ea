"""The story of the whole loop, as a new user lives it: real Label Studio, real BERT, real questions."""

from collections import Counter

import pytest

from tests.annotators import Person, choices_config, until_published
from tests.banking import intents, questions
from tests.servers import BackendServer, run_backend

POOL = 240
LABELS = 48
RETRAIN_EVERY = 16


# A quiet machine needs two minutes; one that others train on may need ten times that.
@pytest.mark.timeout(1800)
def test_labelling_48_questions_gives_a_model_that_orders_and_answers_the_rest(
    owner: Person, real: BackendServer, title: str
) -> None:
    gold = dict(questions("pool")[:POOL])
    config = choices_config(intents())

    # A project with texts, and one command.
    project_id = owner.create_project(title, config, list(gold))
    command = run_backend(real.environment, "connect", "--project", str(project_id), "--url", real.url)
    assert command.returncode == 0, command.stderr

    # Before any label: an order that covers the intents, and no made-up answers.
    cold = until_published(owner, real, project_id)
    first = owner.next_task(project_id)
    assert first is not None
    assert first["id"] == cold.task_ids[0]
    assert cold.model == 0
    assert all(prediction["result"] == [] for prediction in owner.predictions(project_id))

    # Label what comes. Nothing else is asked of anybody.
    served = owner.label_next(project_id, gold, LABELS)
    assert len({task["id"] for task in served}) == LABELS
    # An intent that its name tells well enough may hardly be asked about.
    assert len({gold[task["data"]["text"]] for task in served}) >= len(intents()) - 2
    until_published(owner, real, project_id, model=1)
    # A training takes a second or two, so the last one may have come up to 15 labels before the end.
    status = real.until(project_id, lambda s: s["trained_on"] > LABELS - RETRAIN_EVERY, "a model of most of the labels")
    publication = until_published(owner, real, project_id, model=status["model"])

    # What comes next is the next of that order, with the model's answer, unless it was drawn at random.
    task = owner.next_task(project_id)
    assert task is not None
    open_ids = {t["id"] for t in owner.tasks(project_id)} - {t["id"] for t in served}
    place = next(i for i, task_id in enumerate(publication.task_ids) if task_id in open_ids)
    assert task["id"] == publication.task_ids[place]
    [prediction] = [p for p in task["predictions"] if p["model_version"] == publication.name]
    assert bool(prediction["result"]) == (not publication.is_random(place))

    # /predict agrees with the order, and beats always answering the commonest intent, on texts nobody labelled.
    left = [t for t in owner.tasks(project_id) if t["id"] in open_ids]
    body = {"tasks": left, "project": f"{project_id}.1", "label_config": config}
    results = real.http.post("/predict", json=body).json()["results"]
    by_score = sorted(zip(left, results, strict=True), key=lambda pair: pair[1]["score"])
    assert [t["id"] for t, _ in by_score] == [i for i in publication.task_ids if i in open_ids]
    answered = [(t, r["result"][0]["value"]["choices"][0]) for t, r in zip(left, results, strict=True) if r["result"]]
    right = sum(gold[t["data"]["text"]] == answer for t, answer in answered) / len(answered)
    commonest = Counter(gold[t["data"]["text"]] for t, _ in answered).most_common(1)[0][1] / len(answered)
    assert len(answered) > len(left) * 0.75
    assert right > commonest + 0.10, f"accuracy {right:.2f}, commonest intent {commonest:.2f}"

    # Texts that no project holds are answered as well.
    heldout = questions("heldout")[:80]
    body = {**body, "tasks": [{"id": 10**6 + n, "data": {"text": text}} for n, (text, _) in enumerate(heldout)]}
    results = real.http.post("/predict", json=body).json()["results"]
    answers = [result["result"][0]["value"]["choices"][0] for result in results]
    right = sum(answer == label for answer, (_, label) in zip(answers, heldout, strict=True)) / len(heldout)
    assert right > max(Counter(label for _, label in heldout).values()) / len(heldout) + 0.10

    # A model that disappoints is taken back by one command.
    before = publication.model
    if before == 1:
        [backend] = owner.call("GET", "/api/ml/", project=project_id)
        owner.call("POST", f"/api/ml/{backend['id']}/train", {})
        before = until_published(owner, real, project_id, model=2).model
    command = run_backend(real.environment, "rollback", "--project", str(project_id))
    assert command.returncode == 0, command.stderr
    status = real.until(
        project_id, lambda s: s["model_version"].startswith(f"{before - 1}."), "the older model's order"
    )
    rolled_back = until_published(owner, real, project_id)
    assert rolled_back.model == before - 1
    assert real.status(project_id)["last_error"] == ""
    task = owner.next_task(project_id)
    assert task is not None
    assert rolled_back.name in {p["model_version"] for p in task["predictions"]}
