import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from model.errors import UnknownLabelError
from model.tasks.classification.targets import build_targets, chosen_labels
from model.types import AnnotatedText, Annotation, LabelSet, ResultItem
from tests.fakes import chosen

CONTROL = "sentiment"

ONE = LabelSet(("neg", "neutral", "pos"), is_multilabel=False)
SEVERAL = LabelSet(("plot", "cast"), is_multilabel=True)


def said(*labels: str, by: str = "ann", at: str = "2026-01-01", **flags: bool) -> Annotation:
    return Annotation(by, chosen(*labels), updated_at=at, **flags)


def shares(*annotations: Annotation, label_set: LabelSet = ONE) -> list[list[float]]:
    return build_targets([AnnotatedText(7, "a film", annotations)], label_set, CONTROL).targets_N_C.tolist()


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


def test_an_unknown_label_names_the_task_and_the_labels_there_are():
    with pytest.raises(UnknownLabelError, match=r"task 7 .*'angry'.*neg, neutral, pos"):
        shares(said("angry"))


def test_an_unknown_label_that_was_skipped_troubles_nobody():
    assert shares(said("angry", is_skipped=True), said("pos", by="bob")) == [[0, 0, 1]]


def test_texts_nobody_labelled_are_left_out_and_the_rest_stand_by_task_id():
    annotated = [
        AnnotatedText(9, "nine", (said("pos"),)),
        AnnotatedText(5, "five", ()),
        AnnotatedText(3, "three", (said("neg"),)),
        AnnotatedText(4, "four", (said("neg", is_skipped=True),)),
    ]
    targets = build_targets(annotated, ONE, CONTROL)
    assert targets.task_ids == (3, 9)
    assert targets.texts == ("three", "nine")
    assert targets.targets_N_C.tolist() == [[1, 0, 0], [0, 0, 1]]


def test_no_annotations_make_an_empty_matrix_of_the_right_width():
    targets = build_targets([], ONE, CONTROL)
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


def test_only_choices_with_the_control_are_labels_and_each_counts_once():
    result = (
        *chosen("pos", "pos"),
        *chosen("plot", control="topic"),
        ResultItem(CONTROL, "labels", {"labels": ["x"]}),
        ResultItem(CONTROL, "choices", {}),
        *chosen("neg"),
    )
    assert chosen_labels(Annotation("ann", result), CONTROL) == ("pos", "neg")
