import pytest

from backend.studio.records import Task, read_annotations, read_task
from model.types import Annotation, ResultItem
from tests.fakes import chosen


def test_an_annotation_is_reduced_to_what_was_said_with_the_controls_of_the_questions():
    result = [
        {"type": "choices", "from_name": "sentiment", "value": {"choices": ["pos", "pos"]}},
        {"type": "choices", "from_name": "topic", "value": {"choices": ["plot"]}},
        {"type": "labels", "from_name": "sentiment", "value": {"labels": ["x"]}},
        {"type": "choices", "from_name": "sentiment", "value": {"choices": ["neg"]}},
    ]
    raw = {"completed_by": 3, "result": result, "ground_truth": True, "was_cancelled": False, "updated_at": "2026"}
    said = (
        ResultItem("sentiment", "choices", {"choices": ["pos", "pos"]}),
        ResultItem("sentiment", "labels", {"labels": ["x"]}),
        ResultItem("sentiment", "choices", {"choices": ["neg"]}),
    )
    assert read_annotations([raw], ["sentiment"]) == (Annotation("3", said, True, False, "2026"),)


@pytest.mark.parametrize("who", [3, {"id": 3, "email": "ann@example.com"}])
def test_an_annotator_is_one_person_however_the_export_names_them(who):
    (annotation,) = read_annotations([{"completed_by": who, "result": []}], ["sentiment"])
    assert annotation.annotator == "3"


@pytest.mark.parametrize("raw", [{}, {"result": None}, {"result": [{}]}, {"result": [{"type": "choices"}]}], ids=repr)
def test_an_annotation_that_says_nothing_has_no_labels(raw):
    (annotation,) = read_annotations([raw], ["sentiment", "None"])
    assert annotation.result == ()
    assert not annotation.is_skipped


def test_a_skipped_annotation_is_marked():
    (annotation,) = read_annotations([{"was_cancelled": True, "result": []}], ["sentiment"])
    assert annotation.is_skipped


def test_a_listed_task_has_the_choices_of_one_control():
    choice = {"type": "choices", "from_name": "sentiment", "value": {"choices": ["pos"]}}
    said = {"id": 1, "result": [choice], "completed_by": 3, "was_cancelled": False, "updated_at": "2026"}
    raw = {"id": 7, "data": {"text": "good"}, "is_labeled": True, "total_annotations": 9, "cancelled_annotations": 1}
    expected = Task(7, {"text": "good"}, True, True, "noon", 1, (Annotation("3", chosen("pos"), updated_at="2026"),))
    assert read_task({**raw, "updated_at": "noon", "annotations": [said]}, ["sentiment"]) == expected


def test_a_task_listed_without_annotations_has_only_their_count():
    task = read_task({"id": 7, "data": {}, "total_annotations": 2, "cancelled_annotations": 1}, ["sentiment"])
    assert (task.annotations, task.annotation_count, task.is_done, task.is_skipped) == (None, 3, False, True)


@pytest.mark.parametrize("data", [None, 5, "the key text in a text", ["text"], [{"text": "good"}], True], ids=repr)
def test_a_task_whose_data_is_no_object_is_a_task_without_text(data):
    assert read_task({"id": 7, "data": data}, ["sentiment"]).data == {}
