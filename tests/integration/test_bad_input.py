"""Requests and projects that are not as they should be: a sentence for the caller, and the loop goes on."""

from pathlib import Path
from typing import Any

import pytest

from backend.commands.doctor.doctor import examine
from backend.settings import Settings
from examples.servers import Server, clean_environment, free_port
from tests.annotators import Person, choices_config, reviews, until_published
from tests.servers import LEGACY_TOKEN, BackendServer, run_backend

CONFIG = choices_config(["neg", "pos"])
NO_CHOICES = '<View><Text name="t" value="$text"/><Labels name="l" toName="t"><Label value="x"/></Labels></View>'
TASKS = [{"id": 1, "data": {"text": "a text"}}]

BAD_REQUESTS = [
    ("/webhook", b"{", 400),
    ("/webhook", b"", 400),
    ("/webhook", b"\xff\xfe", 400),
    ("/webhook", b"[1, 2]", 400),
    ("/webhook", b"null", 400),
    ("/webhook", b"[" * 100_000, 400),
    ("/webhook", {}, 400),
    ("/webhook", {"action": "ANNOTATION_CREATED"}, 400),
    ("/webhook", {"action": 5, "project": {"id": 1}}, 400),
    ("/webhook", {"action": "ANNOTATION_CREATED", "project": {"id": "../../etc"}}, 400),
    ("/webhook", {"action": "ANNOTATION_CREATED", "project": -1}, 400),
    ("/webhook", {"action": "ANNOTATION_CREATED", "project": 10**30}, 400),
    ("/train", b"nonsense", 400),
    ("/train", {}, 400),
    ("/setup", {}, 400),
    ("/setup", {"project": "1.2"}, 400),
    ("/setup", {"project": "1.2", "schema": NO_CHOICES}, 422),
    ("/setup", {"project": "1.2", "schema": "<View>"}, 422),
    ("/setup", {"project": "1.2", "schema": CONFIG, "extra_params": "{"}, 422),
    ("/setup", {"project": "1.2", "schema": CONFIG, "extra_params": "[1]"}, 422),
    ("/setup", {"project": "1.2", "schema": CONFIG, "extra_params": {"retrain_every": "often"}}, 422),
    ("/setup", {"project": "1.2", "schema": CONFIG, "extra_params": {"no_such_key": 1}}, 422),
    ("/predict", {}, 400),
    ("/predict", {"tasks": TASKS, "label_config": CONFIG}, 400),
    ("/predict", {"tasks": "all", "project": "1.2", "label_config": CONFIG}, 400),
    ("/predict", {"tasks": [5], "project": "1.2", "label_config": CONFIG}, 400),
    ("/predict", {"tasks": [{"id": 1}], "project": "1.2", "label_config": CONFIG}, 400),
    ("/predict", {"tasks": TASKS, "project": "1.2"}, 400),
    ("/predict", {"tasks": TASKS, "project": "1.2", "label_config": NO_CHOICES}, 422),
]


@pytest.mark.parametrize(("path", "body", "status"), BAD_REQUESTS)
def test_a_bad_request_is_refused_with_a_code_and_a_sentence(
    quick: BackendServer, path: str, body: Any, status: int
) -> None:
    answer = (
        quick.http.post(path, content=body, headers={"Content-Type": "application/json"})
        if isinstance(body, bytes)
        else quick.http.post(path, json=body)
    )

    assert answer.status_code == status, answer.text[:300]
    error = answer.json()["error"]
    assert error["code"].replace("_", "").isalpha()
    assert len(error["message"].split()) > 2
    assert error["request_id"] == answer.headers["X-Request-ID"]
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("path", ["/projects/999999/status", "/nowhere"])
def test_what_is_not_there_is_a_404(quick: BackendServer, path: str) -> None:
    answer = quick.http.get(path)

    assert answer.status_code == 404
    assert answer.json()["error"]["code"]


def test_a_wrong_extra_param_is_told_in_label_studio(owner: Person, quick: BackendServer, title: str) -> None:
    project_id = owner.create_project(title, CONFIG, ["a text"])
    body = {"project": project_id, "url": quick.url, "title": "S", "extra_params": '{"retrain_every": 0}'}

    answer = owner.http.post("/api/ml/", json=body)

    assert answer.status_code == 400
    assert "retrain_every" in answer.text


def test_connecting_a_project_without_choices_says_so(owner: Person, quick: BackendServer, title: str) -> None:
    project_id = owner.create_project(title, NO_CHOICES, ["a text"])

    command = quick.command("connect", "--project", str(project_id), "--url", quick.url)

    assert command.returncode == 1
    assert "no Choices" in command.stderr
    assert "Traceback" not in command.stderr


def test_an_event_of_an_unknown_project_fails_alone(owner: Person, quick: BackendServer, title: str) -> None:
    gold = reviews(8)
    project_id = owner.create_project(title, CONFIG, list(gold))
    owner.connect(project_id, quick.url, retrain_every=2)
    until_published(owner, quick, project_id)

    answer = quick.http.post("/webhook", json={"action": "ANNOTATION_CREATED", "project": {"id": 999_998}})
    assert answer.status_code in (201, 404)

    owner.label_both(project_id, gold, 2)
    until_published(owner, quick, project_id, model=1)
    assert not (quick.model_dir / "projects" / "999998").exists()


def test_a_project_deleted_while_connected_does_not_stop_another(
    owner: Person, quick: BackendServer, title: str
) -> None:
    gold = reviews(8)
    doomed, other = (owner.create_project(f"{n} {title}", CONFIG, list(gold)) for n in range(2))
    for project_id in (doomed, other):
        owner.connect(project_id, quick.url, retrain_every=2)
        until_published(owner, quick, project_id)

    owner.delete_project(doomed)
    answer = quick.http.post("/webhook", json={"action": "ANNOTATION_CREATED", "project": {"id": doomed}})

    assert answer.status_code == 201
    status = quick.until(doomed, lambda status: status["last_error"], "the reason")
    assert status["last_error_code"] == "unknown_project"
    owner.label_both(other, gold, 2)
    until_published(owner, quick, other, model=1)


def test_a_text_that_label_studio_takes_and_cannot_show_stops_nothing_and_is_named(
    owner: Person, quick: BackendServer, title: str, tmp_path: Path
) -> None:
    gold = reviews(8)
    project_id = owner.create_project(title, CONFIG)
    owner.connect(project_id, quick.url, retrain_every=4)
    owner.import_texts(project_id, list(gold)[:4])
    # JSON's name for half of a character. httpx would not send the character itself.
    half, header = b'[{"text": "\\ud800 half"}]', {"Content-Type": "application/json"}
    for _ in range(2):
        answer = owner.http.post(f"/api/projects/{project_id}/import", content=half, headers=header)
        assert answer.status_code == 201, answer.text
    owner.import_texts(project_id, list(gold)[4:])
    until_published(owner, quick, project_id)
    listed = owner.call("GET", "/api/tasks/", project=project_id, include="id")["tasks"]
    first, second = sorted(task["id"] for task in listed)[4:6]
    # An answer to one of them keeps Label Studio from exporting any.
    owner.annotate(first, "pos")

    owner.label_next(project_id, gold, 4)
    until_published(owner, quick, project_id, model=1)
    status = quick.until(project_id, lambda status: status["labels"] == 4, "four labels")
    (left,) = status["left_out"]
    assert (left["tasks"], left["first"], left["are_answered"]) == (2, [first, second], False)
    asked = quick.command("doctor", "--project", str(project_id), "--url", quick.url)
    assert f"2 tasks ({first}, {second}) are left out, because Label Studio itself answers 500" in asked.stdout
    exported = quick.command("export", "--project", str(project_id), "--out", str(tmp_path / "labels.jsonl"))
    assert exported.returncode == 0, exported.stderr
    assert len((tmp_path / "labels.jsonl").read_text().splitlines()) == 4

    for task_id in (first, second):
        owner.call("DELETE", f"/api/tasks/{task_id}/")
    quick.until(project_id, lambda status: not status["left_out"], "the tasks to be forgotten")


def test_odd_texts_are_served_last_or_cut_and_stop_nothing(owner: Person, quick: BackendServer, title: str) -> None:
    gold = reviews(8)
    project_id = owner.create_project(title, CONFIG)
    odd: list[dict[str, Any]] = [
        {"text": ""},
        {"text": "   \n"},
        {"text": "good film " * 100_000},
        {"text": "🎬 \u202e plot"},
    ]
    owner.import_tasks(project_id, [*odd, *({"text": text} for text in gold)])
    owner.connect(project_id, quick.url, retrain_every=4, explore=0)
    publication = until_published(owner, quick, project_id)
    texts = {task["id"]: task["data"]["text"] for task in owner.tasks(project_id)}
    order = [texts[task_id] for task_id in publication.task_ids]
    assert len(order) == 12
    assert [text.strip() for text in order[-2:]] == ["", ""]

    for task_id, text in texts.items():
        if text in gold:
            owner.annotate(task_id, gold[text])

    publication = until_published(owner, quick, project_id, model=1)
    results = {p["task"]: p["result"] for p in owner.predictions(project_id) if p["model_version"] == publication.name}
    answered = {texts[task_id] for task_id, result in results.items() if result}
    assert {text for text in answered if not text.strip()} == set(), "a pre-annotation of a text that nobody can read"
    assert {row["text"] for row in odd[2:]} <= answered
    assert quick.status(project_id)["last_error"] == ""


def odd_answer(value: Any, kind: str = "choices") -> dict[str, Any]:
    return {"from_name": "intent", "to_name": "text", "type": kind, "value": value}


ODD_ANSWERS = [
    (odd_answer(None), "the answer has nothing in place of a list of labels"),
    (odd_answer({"choices": None}), "the answer has nothing in place of a list of labels"),
    (odd_answer({"choices": ["angry"]}), "the answer is 'angry', a label that the labeling config does not have"),
    (odd_answer({"choices": [["pos"]]}), "the answer has a value of the type list in place of a label"),
    (odd_answer({"labels": ["pos"]}, "labels"), "the answer is of the type 'labels', not 'choices'"),
]


def test_odd_answers_stop_no_training_are_named_and_count_once_they_are_mended(
    owner: Person, quick: BackendServer, studio: Server, title: str, small_encoder: str
) -> None:
    gold = reviews(16)
    project_id = owner.create_project(title, CONFIG)
    owner.import_tasks(project_id, [{"text": " "}, *({"text": text} for text in gold)])
    texts = {task["id"]: task["data"]["text"] for task in owner.tasks(project_id)}
    empty, null = (
        next(id_ for id_, text in texts.items() if bool(text.strip()) == is_text) for is_text in (False, True)
    )
    # Label Studio answers 500, stores it all the same, and tells nobody.
    answer = owner.http.post(f"/api/tasks/{null}/annotations/", json={"result": [odd_answer(None)]})
    assert answer.status_code == 500
    backend_id = owner.connect(project_id, quick.url, retrain_every=4)
    until_published(owner, quick, project_id)
    owner.label_both(project_id, gold, 6)
    until_published(owner, quick, project_id, model=1)
    left = [task["id"] for task in owner.tasks(project_id) if not task["is_labeled"]]
    odd = [null, *(task_id for task_id in left if task_id not in (empty, null))]
    for task_id, (item, _) in list(zip(odd, ODD_ANSWERS, strict=False))[1:]:
        owner.http.post(f"/api/tasks/{task_id}/annotations/", json={"result": [item], "lead_time": 1.0})
    owner.http.post(f"/api/tasks/{odd[5]}/annotations/", json={"result": [odd_answer({"choices": "pos"})]})
    owner.annotate(empty, "pos")

    owner.call("POST", f"/api/ml/{backend_id}/train", {})

    until_published(owner, quick, project_id, model=2)
    status = quick.status(project_id)
    assert (status["last_error"], status["trained_on"], status["labels"]) == ("", 7, 7)
    said = {(task_id, each["reason"]) for each in status["left_out"] for task_id in each["first"]}
    expected = {(task_id, reason) for task_id, (_, reason) in zip(odd, ODD_ANSWERS, strict=False)}
    assert said == expected | {(empty, "the task has no text")}
    findings = examine(_settings(quick, studio, small_encoder), project_id, quick.url)
    found = " ".join(finding.found for finding in findings)
    assert all(f"task {task_id} has an answer" in found for task_id in odd[2:5])

    given = owner.call("GET", f"/api/tasks/{odd[2]}/annotations/")
    owner.call("PATCH", f"/api/annotations/{given[0]['id']}/", {"result": [odd_answer({"choices": ["neg"]})]})
    owner.call("POST", f"/api/ml/{backend_id}/train", {})
    until_published(owner, quick, project_id, model=3)
    status = quick.status(project_id)
    assert status["trained_on"] == 8
    assert odd[2] not in {task_id for each in status["left_out"] for task_id in each["first"]}


def test_imported_annotations_are_learned_from_and_counted(owner: Person, quick: BackendServer, title: str) -> None:
    gold = reviews(16)
    project_id = owner.create_project(title, CONFIG)
    labelled = [
        {"data": {"text": text}, "annotations": [{"result": [odd_answer({"choices": [label]})]}]}
        for text, label in list(gold.items())[:8]
    ]
    owner.import_tasks(project_id, [*labelled, *({"data": {"text": text}} for text in list(gold)[8:])])
    owner.connect(project_id, quick.url, retrain_every=4)
    until_published(owner, quick, project_id, model=1)
    assert (quick.status(project_id)["labels"], quick.status(project_id)["trained_on"]) == (8, 8)
    owner.label_next(project_id, gold, 1)
    quick.until(project_id, lambda status: status["labels"] == 9, "one label more")


def _settings(quick: BackendServer, studio: Server, small_encoder: str) -> Settings:
    return Settings(
        label_studio_url=studio.url,
        label_studio_api_key=LEGACY_TOKEN,
        model_dir=quick.model_dir,
        bert_model=small_encoder,
        port=int(quick.url.rsplit(":", 1)[1]),
    )


def test_predicting_tasks_without_text_gives_one_empty_answer_each(
    owner: Person, quick: BackendServer, title: str
) -> None:
    gold = reviews(8)
    project_id = owner.create_project(title, CONFIG, list(gold))
    owner.connect(project_id, quick.url, retrain_every=4)
    until_published(owner, quick, project_id)
    owner.label_both(project_id, gold, 6)
    until_published(owner, quick, project_id, model=1)
    datas: list[dict[str, Any]] = [{}, {"text": None}, {"text": ""}, {"text": 5}, {"text": {"a": "x"}}, {"other": "x"}]
    tasks = [{"id": 10**6 + n, "data": data} for n, data in enumerate([*datas, {"text": "good film"}])]

    answer = quick.http.post("/predict", json={"tasks": tasks, "project": str(project_id), "label_config": CONFIG})

    assert answer.status_code == 200
    results = [result["result"] for result in answer.json()["results"]]
    assert len(results) == 7
    assert results[0] == results[1] == results[2] == results[4] == results[5] == []
    assert results[6] != []


def test_a_labeling_config_changed_to_one_without_choices_stops_that_project_alone(
    owner: Person, quick: BackendServer, title: str
) -> None:
    project_id = owner.create_project(title, CONFIG, list(reviews(4)))
    owner.connect(project_id, quick.url)
    until_published(owner, quick, project_id)

    owner.call("PATCH", f"/api/projects/{project_id}/", {"label_config": NO_CHOICES})
    status = quick.until(project_id, lambda status: status["last_error"], "the reason")
    assert status["last_error_code"] == "unsupported_labeling_config"

    owner.call("PATCH", f"/api/projects/{project_id}/", {"label_config": CONFIG})
    quick.until(project_id, lambda status: not status["last_error"], "the project to recover")


@pytest.mark.parametrize(
    "bad",
    [
        {
            "PORT": "many",
            "LABEL_STUDIO_URL": "label-studio",
            "REDIS_URL": "localhost:6379",
            "STRATEGY": "guess",
            "EXPLORE": "2",
        },
        {"BASIC_AUTH_USER": "only-a-user"},
    ],
    ids=["wrong values", "half a password"],
)
def test_bad_settings_stop_serve_and_every_one_is_named(tmp_path: Path, bad: dict[str, str]) -> None:
    usual = {"PORT": str(free_port()), "MODEL_DIR": str(tmp_path)}
    environment = clean_environment({**usual, **bad})

    serve = run_backend(environment, "serve", timeout_s=60)

    assert serve.returncode == 1
    for key in bad:
        assert key in serve.stderr.upper()
    assert "Traceback" not in serve.stderr
