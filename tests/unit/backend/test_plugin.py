import numpy as np
import pytest
from label_studio_ml.model import LabelStudioMLBase

from backend.errors import InvalidRequestError, UnsupportedConfigError
from backend.plugin import ShortlistModel
from backend.settings import Settings
from backend.web.classifying import WebClassifier
from backend.web.events import LOOK_AGAIN_S
from backend.web.service import Service
from backend.work.queue import RoundQueue
from backend.work.redis_access import open_redis
from model.encoder.classifier import new_classifier
from model.encoder.processor import available_cores
from model.learner.recipes import TrainingConfig
from model.learner.training import Trained
from model.types import Targets
from tests.fakes import SENTIMENT, FakeRounds, labeling_config, write_publication

LABELS_CHANGED = ["ANNOTATION_CREATED", "ANNOTATIONS_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_DELETED"]
TASKS_CHANGED = ["TASKS_CREATED", "TASKS_DELETED", "PROJECT_UPDATED"]
IGNORED = ["LABEL_LINK_CREATED", "REVIEW_CREATED", "ANNOTATION_DELETED", "anything"]
CONFIG = labeling_config()
EXPORTED = [{"id": 1, "project": 5, "data": {"text": "good"}, "annotations": [{"id": 9}]}]


@pytest.fixture
def service(tmp_path) -> Service:
    return Service(Settings(model_dir=tmp_path), FakeRounds(), WebClassifier())


@pytest.fixture
def model(service):
    """Makes models as label-studio-ml does, for the service of this test."""

    def model(config=CONFIG, **given) -> ShortlistModel:
        return ShortlistModel(config, service=service, **given)

    return model


def asked(changes: int = 0, train: bool = False) -> list[dict]:
    return [{"project": 5, "changes": changes, "train": train}]


def data(**more) -> dict:
    return {"project": {"id": 5, "title": "Films"}, **more}


def test_it_is_a_label_studio_ml_model(model):
    assert isinstance(model(), LabelStudioMLBase)


@pytest.mark.parametrize("action", LABELS_CHANGED)
def test_1_0_9_hands_an_event_and_its_data_by_name(model, service, action):
    answer = model().fit((), event=action, data=data(action=action, annotation={}), job_id="1", workdir="some/folder")
    assert answer == {"status": "queued", "job_id": "round-5"}
    assert service.rounds.requests == asked(changes=1)


def test_an_event_stands_in_for_the_setup_that_label_studio_ml_keeps_to_itself(model, service):
    model().fit((), event="ANNOTATION_CREATED", data=data(annotation={}))
    assert service.folder(5).setup.read().is_from_plugin
    assert not service.folder(5).is_connected()


@pytest.mark.parametrize("action", LABELS_CHANGED)
def test_2_x_hands_an_event_and_its_data_by_position(model, service, action):
    assert model(project_id="5").fit(action, data(annotation={}))["status"] == "queued"
    assert service.rounds.requests == asked(changes=1)


@pytest.mark.parametrize("workdir", [(), (None,), ("some/folder",)], ids=["none", "no folder", "a folder"])
@pytest.mark.parametrize("stream", [list, iter])
def test_1_0_9_hands_exported_tasks_and_a_folder_to_train_in(model, service, workdir, stream):
    assert model().fit(stream(EXPORTED), *workdir)["status"] == "queued"
    assert service.rounds.requests == asked(train=True)


def test_tasks_may_name_their_project_in_an_annotation(model, service):
    model().fit([{"id": 1, "annotations": [{"project": 5}]}])
    assert service.rounds.requests == asked(train=True)


def test_the_project_that_the_model_was_made_for_stands_in_for_one_not_named(model, service):
    model(project_id="5.1767193600").fit("START_TRAINING", {})
    model(project_id=5).fit([])
    assert service.rounds.requests == 2 * asked(train=True)


def test_start_training_trains_whether_anything_changed_or_not(model, service):
    model().fit((), event="START_TRAINING", data=data())
    assert service.rounds.requests == asked(train=True)


@pytest.mark.parametrize("action", TASKS_CHANGED)
def test_other_tasks_ask_for_a_round_but_count_as_no_labels(model, service, action):
    model().fit(action, data(tasks=[{}, {}]))
    assert service.rounds.requests == asked(changes=0)


def test_a_bulk_event_counts_every_annotation(model, service):
    model().fit("ANNOTATIONS_CREATED", data(annotation=[{}, {}, {}]))
    assert service.rounds.requests == asked(changes=3)


@pytest.mark.parametrize("action", IGNORED)
def test_events_that_change_nothing_for_us_are_ignored(model, service, action):
    assert model().fit((), event=action, data=data())["status"] == "ignored"
    assert model().fit(action, data())["status"] == "ignored"
    assert service.rounds.requests == []


@pytest.mark.parametrize(
    "call", [((),), ([],), ([{}],), ("ANNOTATION_CREATED", {}), ([{"annotations": []}],)], ids=repr
)
def test_without_a_project_there_is_nobody_to_train_for(model, call):
    with pytest.raises(InvalidRequestError, match="project"):
        model().fit(*call)


TASKS = [{"id": id_, "project": 1, "data": {"text": f"text {id_}"}} for id_ in range(10, 14)]


def test_what_was_published_is_predicted_with_the_same_rank(model, service):
    service.folder(1).connection.write(service.folder(1).connection.read())
    write_publication(service.folder(1), 4, queued=2)
    answers = model().predict(TASKS[::-1])
    assert [answer["score"] for answer in answers] == [1.0, pytest.approx(2 / 3), pytest.approx(1 / 3), 0.0]
    assert [bool(answer["result"]) for answer in answers] == [False, True, True, True]
    assert {answer["model_version"] for answer in answers} == {"3.7"}


def test_before_the_first_publication_predictions_are_empty(model):
    assert model().predict(TASKS[:1], context=None) == [{"model_version": "", "score": 1.0, "result": []}]


def test_a_text_that_was_never_published_is_read_by_the_model_and_ranked_last(model, service, encoder):
    folder = service.folder(1)
    targets = Targets((1, 2), ("good", "bad"), np.float32([[0, 1], [1, 0]]), SENTIMENT)
    folder.registry.write(Trained(new_classifier(encoder, SENTIMENT)), targets, TrainingConfig())
    folder.registry.point(1)
    write_publication(folder, 4, model=1)
    changed = {"id": 10, "project": 1, "data": {"text": "changed since"}}
    unknown = {"id": 99, "project": 1, "data": {"text": "good film"}}
    published, *others = model().predict([TASKS[1], changed, unknown])
    assert published["score"] == pytest.approx(1 / 3)
    for answer in others:
        assert (answer["score"], answer["model_version"]) == (1.0, "1.7")
        assert answer["result"][0]["value"]["choices"][0] in SENTIMENT.labels


def test_what_was_published_for_other_labels_is_not_predicted(model, service):
    service.folder(1).connection.write(service.folder(1).connection.read())
    write_publication(service.folder(1), 4)
    (answer,) = model(labeling_config("yes", "no")).predict(TASKS[:1])
    assert answer["result"] == []


@pytest.mark.parametrize("config", [None, "", "<View/>", "<View><Text", "nonsense", " "])
def test_a_config_that_cannot_be_learned_is_refused_as_such(model, config):
    with pytest.raises(UnsupportedConfigError):
        model(config).predict(TASKS)


@pytest.mark.parametrize("tasks", [[{"id": 1, "project": 1}], [{"project": 1, "data": "text"}]], ids=repr)
def test_a_task_without_data_is_refused(model, tasks):
    with pytest.raises(InvalidRequestError, match="task 0"):
        model().predict(tasks)


def test_the_tasks_that_an_event_names_go_along_with_the_request(model, service):
    model().fit((), event="ANNOTATION_CREATED", data=data(annotation={"id": 1, "task": 7}))
    model().fit((), event="ANNOTATIONS_DELETED", data=data(annotations=[{"id": 1}]))
    model().fit((), event="START_TRAINING", data=data())
    assert service.rounds.named == [({7}, True), (set(), False), (set(), True)]
    # Label Studio may not have counted yet what the second is about.
    assert service.rounds.later == [(5, LOOK_AGAIN_S)]


def test_a_request_has_one_core_while_a_round_runs_and_all_of_them_otherwise(service, tmp_path):
    assert service.threads() == 1
    service.rounds.is_running = False
    assert service.threads() == available_cores()
    nobody = Settings(model_dir=tmp_path, redis_url=f"unix://{tmp_path}/nobody.sock")
    assert Service(nobody, RoundQueue(open_redis(nobody)), WebClassifier()).threads() == 1
