import json
import time

import pytest

from model.errors import UnreadableAnswerError
from model.tasks.free_text.llm.draft_answer import EMPTY, MOST_TOKENS, TOO_LONG, Drafted, read_drafts

LONG = "word " * (MOST_TOKENS + 1)


def entries(*drafts) -> str:
    return json.dumps({"drafts": [{"number": number, "text": text} for number, text in drafts]})


def texts(answer: str, count: int = 2) -> list[str]:
    return [draft.text for draft in read_drafts(answer, count)]


def test_every_text_gets_the_draft_under_its_number():
    assert read_drafts(entries((1, "zwei"), (0, "eins")), 2) == [Drafted("eins"), Drafted("zwei")]


@pytest.mark.parametrize(
    "answer",
    [
        f"Sure!\n```json\n{entries((0, 'eins'), (1, 'zwei'))}\n```",
        f"<think>{entries((0, 'falsch'), (1, 'falsch'))}</think>{entries((0, 'eins'), (1, 'zwei'))}",
        f"{entries((0, 'Entwurf'), (1, 'zwei'))} Better: {entries((0, 'eins'))}",
        '[{"number": "0", "draft": "eins"}, {"id": 1, "text": ["zwei"]}]',
        entries((0, " eins \n\n"), (1, "zwei"), (7, "sieben")),
        '{"drafts": [{"number": 0, "text": "eins"}, {"number": 1, "text": "zwei"}',
    ],
)
def test_drafts_are_read_wherever_and_however_they_stand(answer):
    assert texts(answer) == ["eins", "zwei"]


def test_lines_of_a_draft_stay_also_where_the_answer_has_them_as_they_are():
    assert texts('{"drafts": [{"number": 0, "text": "eins\nzwei  \n\nd\u00e9j\u00e0"}]}', 1) == ["eins\nzwei\n\ndéjà"]
    assert texts(entries((0, "eins\nzwei")), 1) == ["eins\nzwei"]


def test_what_no_database_stores_is_taken_out():
    assert texts('{"drafts": [{"number": 0, "text": "a\\u0000b\\u0007 \\ud800 c\\td"}]}', 1) == ["ab ? c\td"]


def test_an_empty_a_missing_and_a_too_long_draft_is_none_and_says_why():
    assert read_drafts(entries((0, "  \n"), (2, LONG), (3, "drei")), 4) == [
        Drafted("", EMPTY),
        Drafted("", EMPTY),
        Drafted("", TOO_LONG),
        Drafted("drei"),
    ]


def test_two_drafts_under_one_number_count_as_none():
    assert texts(entries((0, "eins"), (0, "zwei"), (1, "drei"))) == ["", "drei"]


def test_the_end_of_an_answer_that_was_cut_is_no_draft():
    assert texts('{"drafts": [{"number": 0, "text": "eins"}, {"number": 1, "text": "zwe') == ["eins", ""]


@pytest.mark.parametrize("answer", ["", "I cannot do that.", '{"drafts": []}', entries((5, "fünf")), '{"number": 0}'])
def test_an_answer_without_any_draft_is_an_error_that_quotes_nothing(answer):
    with pytest.raises(UnreadableAnswerError, match="no drafts behind the numbers"):
        read_drafts(answer, 2)


@pytest.mark.parametrize(
    "text", ["a" + " " * 90_000 + "b", "a\n" * 40_000, "{" * 90_000, '"' * 40_000, "<think>" * 12_000]
)
def test_the_longest_answer_is_read_in_seconds_whatever_it_says(text):
    began = time.perf_counter()
    for answer in (entries((0, text)), f'{{"drafts": [{{"number": 0, "text": "{text}'):
        try:
            assert read_drafts(answer, 1)[0].text == ""
        except UnreadableAnswerError:
            continue
    assert time.perf_counter() - began < 10
