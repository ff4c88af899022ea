from contextlib import contextmanager, suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.errors import UnreadableAnswerError
from model.llm.asking import read_picks
from model.llm.reading.answer_length import MOST_CHARACTERS
from model.llm.reading.pick_answer import read_picked_numbers
from model.llm.reading.pick_shapes import MOST_NUMBERS
from model.tasks.classification.llm import read_labels
from tests.worst_cases import SIZE, repeated, short_of, within

LABELS = [f"label {n}" for n in range(77)]
PICKED = [
    *("1", "1 ", "1,", "1, ", ", ", "1\n", "1,\n", "1,2 a ", "1, 2 and ", "1 and ", "{n}, ", "{n}\n", "{n}. a\n", " "),
    *(
        "0-999, ",
        "0-999\n",
        "instances 0-999 ",
        "1-2, 3-4 a ",
        "1/",
        "1 - ",
        "-",
        "- ",
        "* ",
        "|",
        "| 1 |",
        "| {n} | a\n",
    ),
    *(
        "(",
        "(1)",
        "[",
        "[1]",
        "[[1],",
        "(a) ",
        "1 (a)",
        "1 (a), ",
        "1: a, ",
        "1: a\n",
        "{n}: a\n",
        "1 a: 2 b, ",
        ":",
        "\n",
    ),
    *(
        "the ",
        "the indices ",
        "already ",
        "like ",
        "such as 1, 2 ",
        "e.g. ",
        "add ",
        "also ",
        "also add 1 ",
        "id ",
        "id: ",
        "#",
    ),
    *(
        "instance ",
        "instance 1 ",
        "instance number ",
        "instances 1, 2 also ",
        "remove 1, ",
        "replace 1, ",
        "replace ",
        "swap",
    ),
    *(
        "replace 1 with 2, ",
        "1, 1, 2, ",
        "remove 1, 2\nadd id 3\n",
        "1, 2, 3, 4\n1, 2\n",
        "not selected: 1, 2\n",
        "a:\n1, 2\n",
    ),
    *(
        '"',
        '\\"',
        '"reasoning":"',
        '"reasoning":"\\',
        '"reasoning": ',
        '"picks":[',
        '{"picks":[',
        '{"picks":[1],',
        '{"number":1,',
    ),
    *(
        '{"number":1}',
        "{number:1} ",
        "[{",
        "{",
        "}",
        "{a} ",
        '{"a":',
        '{"a":[1,',
        '{"a":1,"b":',
        "[1,",
        "[1,2] ",
        '["',
        "][",
        "} number:",
    ),
    *(
        "**",
        "__",
        "`",
        "\\*",
        "\u200b",
        "\t",
        "\u3000",
        "1\u3000",
        "\u0661, ",
        "9" * 50,
        "a",
        "A ",
        "é",
        "🎬 ",
        "\ud800",
        "\0",
        "1e9, ",
    ),
    *(
        "I would add 1, 2 and 3 as well.\n",
        "text 17 - because it is clear\n",
        "3. **good** (sure)\n",
        "word " * 20 + "1, 2\n",
    ),
]
LABELLED = [
    *(
        "1: ",
        "1: label 1\n",
        "{n}: label 1\n",
        "1: label 1 (sure)\n",
        "1: sure",
        "sure",
        "sure ",
        "sure. ",
        "not ",
        "not a sure ",
    ),
    *(
        "unsure",
        "1: label 1, label 2, ",
        "1: a and ",
        "<think>",
        "</think>",
        "<think>a",
        "text 1: a\n",
        "text ",
        "no. ",
        "no ",
    ),
    *(
        '{"0": "label 1"}',
        '{"0":',
        '[{"number":0,"labels":["label 1"]}]',
        '["label 1"],',
        '{"label":',
        "**1**: ",
        "1 ",
        "- ",
    ),
    *(
        "1: label 1 - label 2 - ",
        "0: label 1 - " + "label 2 " * 40 + "\n",
        "true ",
        "sure true false ",
        "|",
        "| 1 | label 1 |\n",
    ),
]
ALL = [*PICKED, *LABELLED]


@contextmanager
def may_be_unreadable():
    with suppress(UnreadableAnswerError):
        yield


def read(answer: str) -> None:
    """Read picks and labels as the loop does."""
    with may_be_unreadable():
        read_picks(answer, range(1000), 32)
    with may_be_unreadable():
        read_labels(answer, LABELS, 20, is_multilabel=len(answer) % 2 == 0)


@pytest.mark.parametrize("piece", ALL, ids=short_of(ALL))
def test_a_quarter_of_the_longest_answer_is_read_in_two_seconds_whatever_it_says(piece):
    with within(2.0):
        read("1, 2, 3 and " + repeated(piece, MOST_CHARACTERS // 4) + " x")


@pytest.mark.soak
@pytest.mark.parametrize("before", ["", '{"picks": [', '[{"number": 1, "label": "'], ids=["", "picks", "label"])
@pytest.mark.parametrize("piece", ALL, ids=short_of(ALL))
def test_the_longest_answer_is_read_in_four_seconds_whatever_it_says(piece, before):
    with within(4.0):
        read(before + repeated(piece, MOST_CHARACTERS - 100))


def test_an_answer_of_a_million_characters_is_refused_at_once():
    for reader in (
        lambda answer: read_picks(answer, range(9), 3),
        lambda answer: read_labels(answer, LABELS, 9, False),
    ):
        with within(0.1), pytest.raises(UnreadableAnswerError, match="1,000,000 characters, and at most 100,000"):
            reader("<" * SIZE)


@given(st.lists(st.sampled_from(ALL) | st.text(max_size=5), max_size=30))
@settings(max_examples=200, deadline=None)
def test_every_answer_is_read_or_refused(pieces):
    read("".join(pieces))


def test_numbers_beyond_thousands_are_not_read():
    numbers = read_picked_numbers("\n".join(f"{n}, {n + 1}, {n + 2}, 0-999" for n in range(2000)), 30, None).numbers
    assert len(numbers) < 2 * MOST_NUMBERS
