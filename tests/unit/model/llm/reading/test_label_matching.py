import pytest

from model.llm.reading.label_matching import match_label

LABELS = ("positive", "very positive", "don't know", "+", "-", "Überschwemmung", "好评")


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("positive", "positive"),
        (" **Positive**. ", "positive"),
        ("VERY_POSITIVE", "very positive"),
        ("dont know", "don't know"),
        ("+", "+"),
        ("überschwemmung", "Überschwemmung"),
        ("好评", "好评"),
        ("rather positive", ""),
        ("", ""),
        ("negative", ""),
    ],
)
def test_case_marks_and_spaces_make_no_difference_and_words_do(said, meant):
    assert match_label(said, LABELS) == meant


def test_what_could_mean_two_labels_means_none():
    assert match_label("a b", ("a-b", "ab")) == ""
    assert match_label("ab", ("a-b", "ab")) == "ab"
