from dataclasses import replace

import pytest

from model.stopping import ENOUGH, GO_ON, LEAST_LABELS, SLOWING, TOO_EARLY, WINDOW, advise, least_finished
from tests.histories import grown

STABLE, GROWING = grown(1, 1, 0.99), grown(9, 1, 0.7)


def test_versions_that_agree_and_gain_nothing_are_enough():
    advice = advise(STABLE)
    assert (advice.state, advice.labels) == (ENOUGH, 305)
    assert advice.sentence == "More labels are hardly worth their time."
    assert "kappa of 0.990" in advice.reason
    assert "the next 100 labels are expected to bring" in advice.reason
    assert advice.gain.expected < 0.01


def test_versions_that_differ_and_gain_much_are_no_reason_to_stop():
    advice = advise(GROWING)
    assert advice.state == GO_ON
    assert advice.gain.low > 0.005


def test_one_of_both_alone_is_not_enough():
    assert advise(grown(1, 1, 0.7)).state == SLOWING
    assert advise(grown(9, 1, 0.99)).state == SLOWING


def test_the_last_versions_must_agree_each_with_the_one_before():
    wavering = (*STABLE[:-1], replace(STABLE[-1], kappa=0.4))
    assert advise(wavering).state != ENOUGH
    unknown = (*STABLE[:-1], replace(STABLE[-1], kappa=None))
    assert advise(unknown).state == TOO_EARLY


@pytest.mark.parametrize("versions", range(WINDOW + 1))
def test_with_few_versions_it_is_too_early_and_the_reason_says_what_is_missing(versions):
    advice = advise(STABLE[:versions])
    assert advice.state == TOO_EARLY
    assert advice.sentence.startswith("Too early")
    assert advice.reason
    assert advice.kappa is None


def test_with_few_labels_it_is_too_early_however_stable_versions_are():
    few = tuple(replace(record, labels=min(record.labels, LEAST_LABELS - 1)) for record in STABLE)
    advice = advise(few)
    assert advice.state == TOO_EARLY
    assert f"there are {LEAST_LABELS - 1} labels" in advice.reason


def test_without_estimates_the_gain_is_unknown_and_the_reason_says_so():
    blind = grown(0, 0, 0.99, accuracy=None, macro_f1=None)
    blind = tuple(replace(record, paired=replace(record.paired, texts=0)) for record in blind)
    advice = advise(blind)
    assert (advice.state, advice.gain) == (TOO_EARLY, None)
    assert "no estimate" in advice.reason
    assert advice.gain_unknown == advice.reason


def test_rare_labels_that_are_still_being_learned_are_told_though_accuracy_stands_still():
    growing = tuple(replace(record, macro_f1=0.3 + record.labels / 1_000) for record in STABLE)
    advice = advise(growing)
    assert advice.state == SLOWING
    assert advice.sentence == "Accuracy hardly grows any more, but rare labels are still being learned."
    assert advice.f1_growth == pytest.approx(0.18)
    assert "macro F1 grew by 18.0 points more than accuracy while the labels doubled" in advice.reason


def test_labelled_texts_that_get_easier_for_all_labels_alike_are_no_rare_labels():
    easier = tuple(
        replace(record, accuracy=0.5 + record.labels / 1_000, macro_f1=0.49 + record.labels / 1_000)
        for record in STABLE
    )
    advice = advise(easier)
    assert advice.state == ENOUGH
    assert advice.f1_growth == pytest.approx(0.0)


def test_the_fair_sample_is_told_with_its_size():
    advice = advise(STABLE)
    assert (advice.fair_texts, advice.fair_accuracy) == (30, pytest.approx(25 / 30))
    assert advise(grown(1, 1, 0.99, random=replace(STABLE[0].random, texts=0, right=0))).fair_accuracy is None


def test_the_least_finished_question_decides():
    advices = {"enough": advise(STABLE), "growing": advise(GROWING), "slowing": advise(grown(1, 1, 0.7))}
    assert least_finished(advices.items())[0] == "growing"
    assert least_finished([("only", advise(STABLE))])[0] == "only"
    assert least_finished([("enough", advise(STABLE)), ("young", advise(()))])[0] == "young"
    assert least_finished([]) is None


def test_of_two_questions_in_one_state_the_one_with_more_to_gain_decides():
    slow, slower = advise(grown(9, 1, 0.99)), advise(grown(12, 1, 0.99))
    assert slow.state == slower.state == SLOWING
    assert least_finished([("slow", slow), ("slower", slower)])[0] == "slower"


def test_many_classes_need_more_labels_before_anybody_can_tell():
    advice = advise(grown(1, 1, 0.99, classes=77))
    assert advice.state == TOO_EARLY
    assert "there are 305 labels; advice takes 616" in advice.reason
    assert advise(grown(1, 1, 0.99, classes=20)).state == ENOUGH
    # Most of a taxonomy's paths are never given.
    assert advise(grown(1, 1, 0.99, classes=5_000)).least_labels == 1_000
