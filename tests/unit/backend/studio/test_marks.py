import json

import pytest

from backend.studio.marks import marked, run_of
from backend.studio.records import read_annotations

ITEM = {"from_name": "sentiment", "to_name": "text", "type": "choices", "value": {"choices": ["pos"]}}


def test_a_marked_result_names_its_run():
    assert run_of(marked([ITEM, {**ITEM, "from_name": "other"}], "3.apply-1")) == "3.apply-1"
    assert run_of(json.loads(json.dumps(marked([ITEM], "3.apply-1")))) == "3.apply-1"


def test_what_somebody_changed_is_theirs():
    (item,) = marked([ITEM], "3.apply-1")
    assert run_of([{**item, "value": {"choices": ["neg"]}}]) == ""
    assert run_of([item, ITEM]) == ""
    assert run_of([{**item, "from_name": "other"}]) == ""


@pytest.mark.parametrize(
    "result",
    [
        None,
        [],
        "x",
        [None],
        [ITEM],
        [{**ITEM, "meta": 3}],
        [{**ITEM, "meta": {"shortlist": [1]}}],
        [{**ITEM, "meta": {"shortlist": {"applied": "3.apply-1"}}}],
    ],
)
def test_what_people_wrote_has_no_mark(result):
    assert run_of(result) == ""


def test_a_marked_annotation_is_read_as_applied():
    ours = {"completed_by": 1, "result": marked([ITEM], "3.apply-1")}
    theirs = {"completed_by": 2, "result": [ITEM]}
    read = read_annotations([ours, theirs], ["sentiment"])
    assert [annotation.is_applied for annotation in read] == [True, False]
    assert read[0].result == read[1].result
