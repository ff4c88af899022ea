"""An encoder in a runtime that only the tests know goes through rounds and answers requests."""

import json

from backend.rounds.round import Round
from backend.settings import Settings
from backend.store.project_folder import ProjectFolder
from backend.studio.records import Task
from backend.web.classifying import WebClassifier
from backend.web.predicting import predict
from backend.web.service import Service
from backend.work.classifiers import Classifiers
from model.encoder.runtimes import RUNTIMES
from tests.counting_runtime import COUNTING, NAME
from tests.fake_tasks import WholeLabelStudio
from tests.fakes import FakeRounds, FakeTurn, a_context
from tests.unit.backend.films import FILMS, sentiment


def test_a_made_up_runtime_goes_from_its_name_to_a_served_publication(tmp_path, monkeypatch):
    monkeypatch.setitem(RUNTIMES, NAME, COUNTING)
    settings = Settings(model_dir=tmp_path, bert_model=f"{NAME}:words", retrain_every=4, query_size=5, queue_size=20)
    folder = ProjectFolder(tmp_path, 1)
    studio, classifiers = WholeLabelStudio(FILMS), Classifiers(1)
    studio.extra_params = {"strategy": "margin", "explore": 0.0}
    for task_id in range(1, 17):
        studio.annotate(task_id, sentiment(FILMS[task_id - 1]))
    Round(a_context(settings, studio, FakeTurn(changes=16), classifiers)).run()
    assert (folder.registry.current().encoder, studio.current.model_version) == (f"{NAME}:words", "1.1")
    with folder.publications.open() as order:
        said = {place.task_id: json.loads(place.result)[0]["value"]["choices"] for place in order.places(0)}
    assert said == {task_id: [sentiment(FILMS[task_id - 1])] for task_id in range(17, len(FILMS) + 1)}

    service = Service(settings, FakeRounds(), WebClassifier())
    (new,) = predict(service, 1, studio.project(1).label_config, [Task(99, {"text": "a lovely lovely film"})])
    assert new["result"][0]["value"]["choices"] == ["pos"]
