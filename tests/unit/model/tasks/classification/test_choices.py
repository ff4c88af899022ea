from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from model.tasks.classification.choices import chosen_labels
from model.tasks.shares import read_shares
from model.types import AnnotatedText, Annotation, LabelSet, LeftOut, ReadTargets, ResultItem
from tests.fakes import chosen

CONTROL = "sentiment"

ONE = LabelSet(("neg", "neutral", "pos"), is_multilabel=False)
SEVERAL = LabelSet(("plot", "cast"), is_multilabel=True)


def said(*labels: str, by: str = "ann", at: str = "2026-01-01", **flags: bool) -> Annotation:
    return Annotation(by, chosen(*labels), updated_at=at, **flags)


def shares(*annotations: Annotation, label_set: LabelSet = ONE) -> list[list[float]]:
    return read(*annotations, label_set=label_set).targets.targets_N_C.tolist()


def in_shares(annotated: list[AnnotatedText], label_set: LabelSet) -> ReadTargets:
    return read_shares(annotated, label_set, lambda annotation: chosen_labels(annotation, CONTROL))


def read(*annotations: Annotation, label_set: LabelSet = ONE, text: str = "a film") -> ReadTargets:
    return in_shares([AnnotatedText(7, text, annotations)], label_set)


def answer(value: Any, kind: str = "choices", by: str = "ann") -> Annotation:
    return Annotation(by, (ResultItem(CONTROL, kind, value),), updated_at="2026-01-01")


def test_one_annotator_decides_alone():
    assert shares(said("pos")) == [[0, 0, 1]]


def test_annotators_who_disagree_share_the_target():
    votes = [said("pos", by="ann"), said("pos", by="bob"), said("neg", by="cem"), said("neutral", by="dia")]
    assert shares(*votes) == [[0.25, 0.25, 0.5]]


def test_ground_truth_counts_alone_where_there_is_any():
    assert shares(said("pos", by="ann"), said("neg", by="bob", is_ground_truth=True)) == [[1, 0, 0]]


def test_ground_truth_of_two_people_is_shared():
    votes = [said("neg", by="ann", is_ground_truth=True), said("pos", by="bob", is_ground_truth=True)]
    assert shares(*votes, said("neutral", by="cem")) == [[0.5, 0, 0.5]]


def test_ground_truth_that_was_skipped_does_not_silence_the_others():
    assert shares(said("pos"), said("neg", by="bob", is_ground_truth=True, is_skipped=True)) == [[0, 0, 1]]


def test_a_skipped_annotation_is_no_vote():
    assert shares(said("pos", by="ann"), said("neg", by="bob", is_skipped=True)) == [[0, 0, 1]]


def test_the_latest_annotation_of_one_person_counts():
    assert shares(said("pos", at="2026-01-02"), said("neg", at="2026-01-03"), said("pos", at="2026-01-01")) == [
        [1, 0, 0]
    ]


def test_a_person_who_annotates_twice_has_one_vote():
    twice = [said("pos", by="ann", at="2026-01-01"), said("pos", by="ann", at="2026-01-02")]
    assert shares(*twice, said("neg", by="bob")) == [[0.5, 0, 0.5]]


def test_two_labels_where_one_was_asked_for_share_the_vote():
    assert shares(said("neg", "pos")) == [[0.5, 0, 0.5]]


def test_nothing_chosen_is_no_answer_where_one_label_was_asked_for():
    assert shares(said()) == []
    assert shares(said(), said("pos", by="bob")) == [[0, 0, 1]]


def test_nothing_chosen_is_an_answer_where_several_labels_may_hold():
    assert shares(said(), label_set=SEVERAL) == [[0, 0]]
    assert shares(said(by="ann"), said("plot", by="bob"), label_set=SEVERAL) == [[0.5, 0]]


def test_several_labels_are_voted_on_one_by_one():
    assert shares(said("plot", "cast", by="ann"), said("plot", by="bob"), label_set=SEVERAL) == [[1, 0.5]]


def test_a_label_that_the_config_does_not_have_is_left_out_with_its_task_and_the_others_count():
    given = read(said("angry", by="ann"), said("pos", by="bob"))
    assert given.targets.targets_N_C.tolist() == [[0, 0, 1]]
    assert given.left_out == (LeftOut(7, "the answer is 'angry', a label that the labeling config does not have"),)


@pytest.mark.parametrize("label_set", [ONE, SEVERAL])
@pytest.mark.parametrize(
    ("value", "kind", "reason"),
    [
        ({}, "choices", "nothing in place of a list of labels"),
        ({"choices": None}, "choices", "nothing in place of a list of labels"),
        ({"choices": {"pos": 1}}, "choices", "a value of the type dict in place of a list of labels"),
        ({"choices": 3}, "choices", "a value of the type int in place of a list of labels"),
        ({"choices": [None]}, "choices", "nothing in place of a label"),
        ({"choices": [["pos"]]}, "choices", "a value of the type list in place of a label"),
        ({"choices": [True]}, "choices", "a value of the type bool in place of a label"),
        ({"choices": "angry"}, "choices", "'angry', a label that"),
        ({"choices": ["x" * 2000]}, "choices", f"'{'x' * 80}…', a label that"),
        ({"labels": ["pos"]}, "labels", "of the type 'labels', not 'choices'"),
        ({}, "None", "of the type 'None'"),
    ],
)
def test_an_answer_of_another_form_is_left_out_and_said_why(value, kind, reason, label_set):
    given = read(answer(value, kind), label_set=label_set)
    assert len(given.targets) == 0
    ((task_id, said_why),) = ((left.task_id, left.reason) for left in given.left_out)
    assert task_id == 7
    assert reason in said_why


def test_a_string_is_one_label():
    assert shares(answer({"choices": "pos"})) == [[0, 0, 1]]


def test_a_number_is_a_label_where_labels_are_numbers():
    assert shares(answer({"choices": [5]}), label_set=LabelSet(("1", "5"))) == [[0, 1]]


def test_one_reason_is_said_once_however_many_people_gave_it():
    assert len(read(said("angry", by="ann"), said("angry", by="bob")).left_out) == 1


@pytest.mark.parametrize("text", ["", " \n"])
def test_an_answer_about_a_task_without_text_is_left_out(text):
    given = read(said("pos"), text=text)
    assert (len(given.targets), given.left_out) == (0, (LeftOut(7, "the task has no text"),))
    assert read(text=text).left_out == read(said("pos", is_skipped=True), text=text).left_out == ()


def test_an_unknown_label_that_was_skipped_troubles_nobody():
    assert shares(said("angry", is_skipped=True), said("pos", by="bob")) == [[0, 0, 1]]


def test_texts_nobody_labelled_are_left_out_and_the_rest_stand_by_task_id():
    annotated = [
        AnnotatedText(9, "nine", (said("pos"),)),
        AnnotatedText(5, "five", ()),
        AnnotatedText(3, "three", (said("neg"),)),
        AnnotatedText(4, "four", (said("neg", is_skipped=True),)),
    ]
    targets = in_shares(annotated, ONE).targets
    assert targets.task_ids == (3, 9)
    assert targets.texts == ("three", "nine")
    assert targets.targets_N_C.tolist() == [[1, 0, 0], [0, 0, 1]]


def test_no_annotations_make_an_empty_matrix_of_the_right_width():
    targets = in_shares([], ONE).targets
    assert targets.targets_N_C.shape == (0, 3)
    assert targets.targets_N_C.dtype == np.float32
    assert len(targets) == 0


votes = some.builds(
    Annotation,
    annotator=some.sampled_from("abc"),
    result=some.lists(some.sampled_from(ONE.labels), unique=True).map(lambda labels: chosen(*labels)),
    is_ground_truth=some.booleans(),
    is_skipped=some.booleans(),
)


@given(some.lists(votes, max_size=6))
def test_shares_of_one_choice_always_sum_to_one(annotations):
    for row in shares(*annotations):
        assert sum(row) == pytest.approx(1)


@given(some.lists(votes, max_size=6, unique_by=lambda vote: vote.annotator), some.randoms())
def test_it_does_not_matter_who_is_named_first(annotations, random):
    shuffled = random.sample(annotations, len(annotations))
    np.testing.assert_allclose(shares(*shuffled), shares(*annotations))


def test_only_items_with_the_control_have_labels_and_each_counts_once():
    result = (*chosen("pos", "pos"), *chosen("plot", control="topic"), *chosen("neg"))
    assert chosen_labels(Annotation("ann", result), CONTROL) == ("pos", "neg")
