import pytest
from hypothesis import given
from hypothesis import strategies as some

from backend.errors import ConfigurationError, InvalidRequestError
from backend.studio.contract import parse_event, parse_predict, parse_project_id, parse_setup, parse_tasks

NESTED = {"id": {"id": {"id": 1}}}
NO_PROJECTS = [None, True, False, 0, -5, 2**31, 10**30, 1e300, float("nan"), float("inf"), "", "abc", "-3", "1e5", " 7"]
NO_PROJECTS += ["²", "٣", "../etc", "1/2", "0", "0.5", [], [5], {}, NESTED, {"id": None}, {"id": [1]}, {"id": True}]
NO_OBJECTS = [None, True, 0, 1.5, "text", [], [{}], [[[[]]]]]

anything = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("raw", "project_id"), [(5, 5), ("5", 5), ("5.1767193600", 5), ({"id": 5}, 5), (2**31 - 1, 2**31 - 1)]
)
def test_a_project_id_is_read_from_a_number_a_dotted_text_or_an_object(raw, project_id):
    assert parse_project_id(raw) == project_id


@pytest.mark.parametrize("raw", NO_PROJECTS, ids=repr)
def test_a_value_without_a_project_id_is_refused(raw):
    with pytest.raises(InvalidRequestError, match="project"):
        parse_project_id(raw)


@pytest.mark.parametrize("raw", NO_PROJECTS, ids=repr)
def test_every_request_needs_a_project(raw):
    with pytest.raises(InvalidRequestError):
        parse_event({"action": "ANNOTATION_CREATED", "project": raw})
    with pytest.raises(InvalidRequestError):
        parse_setup({"project": raw, "schema": "<View/>"})
    with pytest.raises(InvalidRequestError):
        parse_predict({"project": raw, "label_config": "<View/>", "tasks": []})


@pytest.mark.parametrize("parse", [parse_event, parse_setup, parse_predict])
@pytest.mark.parametrize("raw", NO_OBJECTS, ids=repr)
def test_a_body_that_is_no_object_is_refused(parse, raw):
    with pytest.raises(InvalidRequestError, match="JSON object"):
        parse(raw)


@pytest.mark.parametrize("action", [None, "", 5, True, [], {}, ["ANNOTATION_CREATED"]], ids=repr)
def test_an_event_without_a_name_is_refused(action):
    with pytest.raises(InvalidRequestError, match="'action'"):
        parse_event({"action": action, "project": 5})


@pytest.mark.parametrize("schema", [None, 5, [], {}, True], ids=repr)
def test_a_labeling_config_that_is_no_text_is_refused(schema):
    with pytest.raises(InvalidRequestError, match="'schema'"):
        parse_setup({"project": 5, "schema": schema})
    with pytest.raises(InvalidRequestError, match="'label_config'"):
        parse_predict({"project": 5, "label_config": schema, "tasks": []})


@pytest.mark.parametrize("tasks", [None, {}, "tasks", 5, True], ids=repr)
def test_tasks_that_are_no_list_are_refused(tasks):
    with pytest.raises(InvalidRequestError, match="'tasks'"):
        parse_predict({"project": 5, "label_config": "<View/>", "tasks": tasks})


@pytest.mark.parametrize("task", [*NO_OBJECTS, {}, {"data": None}, {"data": []}, {"data": "text"}], ids=repr)
def test_a_task_without_data_is_refused_and_its_place_named(task):
    with pytest.raises(InvalidRequestError, match="task 1"):
        parse_tasks([{"id": 1, "data": {}}, task])


@pytest.mark.parametrize(
    ("raw", "task_id"),
    [(7, 7), (None, 0), ("7", 0), (True, 0), (7.0, 0), ([7], 0), (2**63, 0), (-(10**30), 0)],
    ids=repr,
)
def test_a_task_without_an_integer_id_gets_the_id_0(raw, task_id):
    (task,) = parse_tasks([{"id": raw, "data": {"text": "good"}}])
    assert (task.task_id, task.data) == (task_id, {"text": "good"})


@pytest.mark.parametrize("parse", [parse_event, parse_setup, parse_predict, parse_project_id])
@given(raw=anything)
def test_any_json_is_read_or_refused(parse, raw):
    try:
        parse(raw)
    except InvalidRequestError:
        return


@given(
    some.fixed_dictionaries(
        {"project": anything | some.just(5), "action": some.just("ANNOTATION_CREATED")},
        optional={"annotation": anything, "annotations": anything, "task": anything, "tasks": anything},
    )
)
def test_any_event_is_read_or_refused(raw):
    try:
        assert parse_event(raw).changes >= 1
    except InvalidRequestError:
        return


@pytest.mark.parametrize(
    "action", ["ANNOTATION_CREATED", "ANNOTATIONS_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_DELETED"]
)
def test_events_about_labels_concern_us(action):
    event = parse_event({"action": action, "project": {"id": 5, "title": "Films"}, "annotation": {"id": 1}})
    assert (event.concerns_us, event.asks_for_training, event.project_id, event.changes) == (True, False, 5, 1)


@pytest.mark.parametrize("action", ["TASKS_CREATED", "TASKS_DELETED", "PROJECT_UPDATED", "START_TRAINING"])
def test_events_about_tasks_the_project_and_training_concern_us(action):
    event = parse_event({"action": action, "project": 5})
    assert event.concerns_us
    assert event.asks_for_training == (action == "START_TRAINING")


@pytest.mark.parametrize("action", ["LABEL_LINK_CREATED", "REVIEW_CREATED", "annotation_created", "ANNOTATION_DELETED"])
def test_other_events_do_not_concern_us(action):
    assert not parse_event({"action": action, "project": 5}).concerns_us


@pytest.mark.parametrize("key", ["annotation", "annotations", "tasks"])
def test_a_bulk_event_counts_as_many_changes_as_it_lists(key):
    assert parse_event({"action": "ANNOTATIONS_CREATED", "project": 5, key: [{}, {}, {}]}).changes == 3


def test_extra_params_are_an_object_or_json_text_with_keys_in_any_case():
    for raw in ({"QUERY_SIZE": 5}, '{"query_size": 5}'):
        assert parse_setup({"project": 5, "schema": "", "extra_params": raw}).extra_params == {"query_size": 5}


@pytest.mark.parametrize("raw", [None, "", "  ", {}, "{}", "null"], ids=repr)
def test_extra_params_may_be_missing(raw):
    assert parse_setup({"project": 5, "schema": "", "extra_params": raw}).extra_params == {}


@pytest.mark.parametrize("raw", ["{", "query_size=5", "[1]", [1], 5, "1" * 5000], ids=lambda raw: repr(raw)[:20])
def test_extra_params_that_are_no_object_are_refused(raw):
    with pytest.raises(ConfigurationError, match="extra params"):
        parse_setup({"project": 5, "schema": "", "extra_params": raw})


def an_event(action: str, **body):
    event = parse_event({"action": action, "project": {"id": 5}, **body})
    return set(event.task_ids), event.names_all_tasks


@pytest.mark.parametrize("action", ["ANNOTATION_CREATED", "ANNOTATION_UPDATED"])
def test_an_annotation_s_event_names_its_task(action):
    assert an_event(action, annotation={"id": 1, "task": 7}, task={"id": 7, "data": {}}) == ({7}, True)


def test_a_bulk_event_names_the_task_of_each_annotation():
    annotations = [{"id": 1, "task": 7}, {"id": 2, "task": 8}, {"id": 3, "task": 7}]
    assert an_event("ANNOTATIONS_CREATED", annotation=annotations, task=[{"id": 7}, {"id": 8}]) == ({7, 8}, True)
    assert an_event("ANNOTATIONS_CREATED", annotation=[*annotations, {"id": 4}]) == ({7, 8}, False)


@pytest.mark.parametrize("action", ["TASKS_CREATED", "TASKS_DELETED"])
def test_an_event_about_tasks_names_them(action):
    assert an_event(action, tasks=[{"id": 7, "data": {"text": "good"}}, {"id": 8}]) == ({7, 8}, True)


def test_deleted_annotations_name_no_task():
    assert an_event("ANNOTATIONS_DELETED", annotations=[{"id": 633}]) == (set(), False)


@pytest.mark.parametrize("action", ["PROJECT_UPDATED", "START_TRAINING"])
def test_an_event_about_no_task_names_all_changed_tasks(action):
    assert an_event(action) == (set(), True)


@pytest.mark.parametrize("task", [None, True, -1, 0, "7", 2**63, {"id": "7"}, [7]], ids=repr)
def test_a_value_that_is_no_task_id_names_no_task(task):
    assert an_event("ANNOTATION_CREATED", annotation={"id": 1, "task": task}) == (set(), False)


@pytest.mark.parametrize("action", ["ANNOTATION_CREATED", "ANNOTATIONS_CREATED", "TASKS_CREATED", "TASKS_DELETED"])
def test_an_event_that_lacks_its_items_does_not_name_all_tasks(action):
    assert an_event(action) == (set(), False)
