"""What makes the backend train, and what a project may look like."""

from pathlib import Path

import numpy as np

from examples.servers import Server
from model.learner.recipes import TrainingConfig, choose_recipe
from model.learner.training import load_start
from tests.annotators import Person, choices_config, reviews, until_published
from tests.fakes import SENTIMENT
from tests.servers import LEGACY_TOKEN, BackendServer, backend

CONFIG = choices_config(["neg", "pos"])


def test_start_training_trains_however_few_labels_are_new(owner: Person, quick: BackendServer, title: str) -> None:
    gold = reviews(12)
    project_id = owner.create_project(title, CONFIG, list(gold))
    backend_id = owner.connect(project_id, quick.url, retrain_every=1000)
    until_published(owner, quick, project_id)
    owner.label_both(project_id, gold, 4)
    quick.until_settled(project_id)
    assert quick.status(project_id)["model"] == 0

    owner.call("POST", f"/api/ml/{backend_id}/train", {})
    until_published(owner, quick, project_id, model=1)
    owner.call("POST", f"/api/ml/{backend_id}/train", {})
    publication = until_published(owner, quick, project_id, model=2)

    assert publication.name == "2.3"
    assert quick.status(project_id)["last_error"] == ""


def test_status_says_what_a_version_is_worth_and_what_it_lacks(
    owner: Person, quick: BackendServer, title: str, small_encoder: str
) -> None:
    gold = reviews(24)
    config = choices_config(["neg", "pos", "mixed"])
    project_id = owner.create_project(title, config, list(gold))
    owner.connect(project_id, quick.url, retrain_every=8)
    until_published(owner, quick, project_id)
    assert quick.status(project_id)["out_of_fold"] is None
    labelled = [task["data"]["text"] for task in owner.label_both(project_id, gold, 8)]
    until_published(owner, quick, project_id, model=1)

    status = quick.status(project_id)

    is_pos = np.array([gold[text] == "pos" for text in labelled])
    targets_N_C = np.stack([~is_pos, is_pos], axis=1).astype(np.float32)
    embeddings_N_D = load_start(small_encoder, SENTIMENT).embed(labelled)
    chosen = choose_recipe(targets_N_C, embeddings_N_D, TrainingConfig().batch_size)
    assert (status["recipe"], status["recipe_used"]) == ("auto", chosen.value)
    assert status["out_of_fold"]["texts"] == status["trained_on"] >= 8
    for name in ("accuracy", "macro_f1", "calibration_error"):
        assert 0 <= status["out_of_fold"][name] <= 1
    assert status["warnings"][0] == "labels that no text has yet, never predicted: 'mixed'"
    metrics = quick.http.get("/metrics").text
    assert f'shortlist_out_of_fold_accuracy{{project="{project_id}"}} {status["out_of_fold"]["accuracy"]}' in metrics


def test_start_training_on_one_label_says_why_it_cannot(owner: Person, quick: BackendServer, title: str) -> None:
    gold = reviews(6)
    project_id = owner.create_project(title, CONFIG, list(gold))
    backend_id = owner.connect(project_id, quick.url)
    order = until_published(owner, quick, project_id)
    owner.label_next(project_id, gold, 1)

    owner.call("POST", f"/api/ml/{backend_id}/train", {})

    status = quick.until(project_id, lambda status: status["last_error"], "the reason")
    assert status["last_error_code"] == "invalid_targets"
    assert "label a few more" in status["last_error"]
    assert owner.project(project_id)["model_version"] == order.name


def test_every_project_has_a_model_of_its_own(owner: Person, quick: BackendServer, title: str) -> None:
    gold = reviews(12)
    opposite = {text: "pos" if label == "neg" else "neg" for text, label in gold.items()}
    answers = [gold, opposite]
    project_ids = [owner.create_project(f"{n} {title}", CONFIG, list(gold)) for n in range(2)]
    for project_id in project_ids:
        owner.connect(project_id, quick.url, retrain_every=10, explore=0)
    for project_id, told in zip(project_ids, answers, strict=True):
        until_published(owner, quick, project_id)
        owner.label_next(project_id, told, 10)

    said = []
    for project_id in project_ids:
        until_published(owner, quick, project_id, model=1)
        tasks = [{"id": 0, "data": {"text": text}} for text in gold]
        body = {"tasks": tasks, "project": str(project_id), "label_config": CONFIG}
        results = quick.http.post("/predict", json=body).json()["results"]
        said.append([result["result"][0]["value"]["choices"][0] for result in results])

    right = [
        sum(a == told[text] for a, text in zip(s, gold, strict=True)) for s, told in zip(said, answers, strict=True)
    ]
    assert min(right) >= 10, f"of 12 texts, 10 of them labelled, each project has right {right}"


def test_a_project_with_several_answers_a_text_goes_through_the_whole_loop(
    owner: Person, quick: BackendServer, title: str
) -> None:
    config = choices_config(["praise", "film", "plot"], choice="multiple")
    gold = {text: _topics(text) for text in reviews(60)}
    project_id = owner.create_project(title, config, list(gold))
    owner.connect(project_id, quick.url, retrain_every=24, explore=0)
    until_published(owner, quick, project_id)

    owner.label_next(project_id, gold, 24)

    publication = until_published(owner, quick, project_id, model=1)
    assert publication.head.label_set.is_multilabel
    predictions = [p for p in owner.predictions(project_id) if p["model_version"] == publication.name]
    chosen = [tuple(item["value"]["choices"]) for p in predictions for item in p["result"]]
    assert any(len(labels) > 1 for labels in chosen), "no text got two answers"
    assert len(set(chosen)) > 1
    task = owner.next_task(project_id)
    assert task is not None
    assert [p["model_version"] for p in task["predictions"]] == [publication.name]


def _topics(text: str) -> list[str]:
    words = text.split()
    praise = ["praise"] if words[0] in ("good", "fine", "great", "lovely") else []
    return [*praise, *(word for word in ("film", "plot") if word in words)]


def test_changed_and_deleted_annotations_are_learned_from(owner: Person, quick: BackendServer, title: str) -> None:
    project_id = owner.create_project(title, CONFIG, list(reviews(16)))
    owner.connect(project_id, quick.url, retrain_every=4)
    until_published(owner, quick, project_id)
    annotation_ids = []
    for label in ("neg", "pos", "neg", "pos"):
        task = owner.next_task(project_id)
        assert task is not None
        annotation_ids.append(owner.annotate(task["id"], label))
    until_published(owner, quick, project_id, model=1)

    for annotation_id in annotation_ids:
        path = f"/api/annotations/{annotation_id}/"
        [item] = owner.call("GET", path)["result"]
        other = {"neg": "pos", "pos": "neg"}[item["value"]["choices"][0]]
        owner.call("PATCH", path, {"result": [{**item, "value": {"choices": [other]}}]})

    until_published(owner, quick, project_id, model=2)
    owner.call("DELETE", f"/api/annotations/{annotation_ids[0]}/")
    quick.until_settled(project_id)
    assert quick.status(project_id)["last_error"] == ""


def test_the_last_label_ends_the_loop_quietly(owner: Person, quick: BackendServer, title: str) -> None:
    gold = reviews(6)
    project_id = owner.create_project(title, CONFIG, list(gold))
    owner.connect(project_id, quick.url, retrain_every=2)
    until_published(owner, quick, project_id)

    owner.label_next(project_id, gold, 6)

    status = quick.until_settled(project_id)
    assert owner.next_task(project_id) is None
    assert status["last_error"] == ""
    assert status["model"] >= 1


def test_the_first_setup_after_a_start_is_answered_at_once(studio: Server, small_encoder: str, tmp_path: Path) -> None:
    """Label Studio gives /setup three seconds, and health one."""
    with backend(tmp_path, studio.url, LEGACY_TOKEN, BERT_MODEL=small_encoder) as cold:
        body = {"project": "999999.1", "schema": CONFIG, "hostname": studio.url, "access_token": "", "extra_params": ""}
        answer = cold.http.post("/setup", json=body)

    assert answer.status_code == 200
    assert answer.elapsed.total_seconds() < 1.0
