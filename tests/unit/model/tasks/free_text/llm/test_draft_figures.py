import time

import pytest

from model.tasks.free_text.llm.draft_figures import DraftFigures, count_answers, similarity


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("ein Satz", "ein Satz", 1.0),
        ("ein  Satz\n", "ein Satz", 1.0),
        ("kitten", "sitting", 1 - 3 / 7),
        ("abc", "xyz", 0.0),
        ("", "abcd", 0.0),
        ("", "", 1.0),
    ],
)
def test_similarity_is_one_minus_edits_over_the_longer_length(one, other, expected):
    assert similarity(one, other) == pytest.approx(expected)


def test_answers_without_a_draft_tell_how_near_it_was_and_answers_with_one_whether_it_was_kept():
    figures = count_answers(
        blind={1: "kitten", 2: "same", 9: "nobody wrote"},
        shown={3: "kept as it is", 4: "changed", 8: "nobody wrote"},
        written={1: ("sitting",), 2: ("same", "diff"), 3: (" kept as  it is",), 4: ("changed!",), 5: ("no draft",)},
        left_out=2,
    )
    assert figures == DraftFigures(
        made=6, left_out=2, blind=3, similarity=round((4 / 7 + 1 + 0) / 3, 4), shown=2, kept=1
    )


def test_without_answers_nothing_is_claimed():
    assert count_answers({1: "a"}, {2: "b"}, {}, 0) == DraftFigures(made=2)


def test_the_longest_texts_are_compared_in_an_instant():
    began = time.perf_counter()
    assert similarity("ab" * 10_000, "ba" * 10_000) == pytest.approx(1 - 2 / 20_000)
    assert time.perf_counter() - began < 1
