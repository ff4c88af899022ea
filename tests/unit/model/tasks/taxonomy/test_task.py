import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from model.links import ANY_OF, ONE_OF
from model.tasks.taxonomy.task import Taxonomy
from model.types import AnnotatedText, Annotation, LabelSet, ReadTargets, ResultItem

PATHS = (("Online",), ("Online", "Free"), ("Online", "Paid"), ("Offline",))
LABELS = ("Online", "Online / Free", "Online / Paid", "Offline")
TAXONOMY = Taxonomy("media", "text", (), LabelSet(LABELS), PATHS, "taxonomy", may_have_several=True)
SEVERAL = replace(TAXONOMY, label_set=LabelSet(LABELS, is_multilabel=True))
LEAVES = Taxonomy("media", "text", (), LabelSet(LABELS[1:]), PATHS[1:], "choices", may_have_several=True)


def said(value: Any, kind: str = "taxonomy", by: str = "ann") -> Annotation:
    return Annotation(by, (ResultItem("media", kind, {kind: value}),))


def texts(*annotations: Annotation) -> list[AnnotatedText]:
    return [AnnotatedText(task_id, "a paper", (one,)) for task_id, one in enumerate(annotations, 1)]


def read(task: Taxonomy, *annotations: Annotation) -> ReadTargets:
    return task.targets(texts(*annotations))


def given(task: Taxonomy, value: Any) -> list[str]:
    (row_C,) = read(task, said(value, task.kind)).targets.targets_N_C.tolist()
    return [label for label, share in zip(task.label_set.labels, row_C, strict=True) if share]


def test_every_path_is_a_class_inner_ones_too():
    assert given(TAXONOMY, [["Online", "Free"]]) == ["Online / Free"]
    assert given(TAXONOMY, [["Online"]]) == ["Online"]


def test_several_paths_count_each():
    assert given(SEVERAL, [["Online", "Free"], ["Offline"]]) == ["Online / Free", "Offline"]
    assert read(TAXONOMY, said([["Offline"], ["Online"]])).targets.targets_N_C.tolist() == [[0.5, 0, 0, 0.5]]


@pytest.mark.parametrize("value", [["Online", "Free"], [["Online", "Free"]]])
def test_a_path_outside_of_a_list_is_one_path(value):
    assert given(TAXONOMY, value) == ["Online / Free"]


def test_a_parent_of_nested_choices_only_stands_for_all_that_is_inside_it():
    assert given(replace(LEAVES, label_set=LabelSet(LABELS[1:], True)), [["Online"], ["Online", "Free"]]) == [
        "Online / Free"
    ]


def test_choices_without_a_list_around_each_are_paths_of_one():
    assert given(LEAVES, ["Offline"]) == ["Offline"]
    assert given(LEAVES, "Offline") == ["Offline"]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([["Online", "Gone"]], "the answer is 'Online / Gone', a label that the labeling config does not have"),
        ([["Print"]], "the answer is 'Print'"),
        (None, "the answer has nothing in place of a list of paths"),
        ({}, "in place of a list of paths"),
        ([[]], "in place of a path"),
        ([None], "in place of a path"),
        ([[["Online"]]], "in place of a name in a path"),
        ([["Online", None]], "in place of a name in a path"),
    ],
)
def test_a_path_that_is_gone_or_has_another_form_is_left_out_and_said_why(value, reason):
    found = read(TAXONOMY, said(value), said([["Offline"]]))
    assert (len(found.targets), len(found.left_out)) == (1, 1)
    assert reason in found.left_out[0].reason


def test_an_answer_of_another_type_is_left_out():
    assert "of the type 'choices', not 'taxonomy'" in read(TAXONOMY, said([["Offline"]], "choices")).left_out[0].reason


def test_a_text_has_one_path_until_enough_texts_get_several():
    one, two = said([["Offline"]]), said([["Offline"], ["Online"]])
    assert TAXONOMY.as_answered(texts(*[one] * 20)) == TAXONOMY
    assert TAXONOMY.as_answered(texts(one, two)) == TAXONOMY
    assert TAXONOMY.as_answered(texts(one, two, two)) == SEVERAL
    assert TAXONOMY.as_answered(texts(*[one] * 100, two, two)) == TAXONOMY
    only_one = replace(TAXONOMY, may_have_several=False)
    assert only_one.as_answered(texts(one, two, two)) == only_one


def test_odd_answers_do_not_decide_whether_a_text_has_several():
    assert TAXONOMY.as_answered(texts(*(said(value) for value in (None, {}, 3, "Offline", [])))) == TAXONOMY


def test_a_classifier_of_the_same_paths_answers_with_one_or_several():
    assert TAXONOMY.with_labels(SEVERAL.label_set) == SEVERAL
    assert SEVERAL.with_labels(TAXONOMY.label_set) == TAXONOMY
    assert TAXONOMY.with_labels(LEAVES.label_set) is None
    assert replace(TAXONOMY, may_have_several=False).with_labels(SEVERAL.label_set) is None


def test_the_answer_is_the_likeliest_path_or_every_path_from_a_half_on():
    proba_N_C = np.array([[0.1, 0.6, 0.1, 0.2]])
    (result,) = TAXONOMY.results(ONE_OF.answers(proba_N_C))
    assert json.loads(result) == [
        {
            "from_name": "media",
            "to_name": "text",
            "type": "taxonomy",
            "value": {"taxonomy": [["Online", "Free"]]},
            "score": 0.6,
        }
    ]
    (several,) = SEVERAL.results(ANY_OF.answers(np.array([[0.1, 0.6, 0.1, 0.8]])))
    assert json.loads(several)[0]["value"] == {"taxonomy": [["Online", "Free"], ["Offline"]]}
    (none,) = SEVERAL.results(ANY_OF.answers(np.array([[0.1, 0.2, 0.1, 0.3]])))
    assert none == "[]"


def test_nested_choices_are_written_as_paths():
    (item,) = json.loads(LEAVES.label_result(["Online / Paid"]))
    assert (item["type"], item["value"]) == ("choices", {"choices": [["Online", "Paid"]]})
