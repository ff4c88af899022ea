import json
import time

import pytest

from model.errors import UnreadableAnswerError
from model.tasks.classification.llm.label_answer import Guess, read_labels

SENTIMENT = ("positive", "negative")
FEELINGS = ("joy", "love", "anger")
POSITIVE, NEGATIVE = Guess(("positive",), is_sure=True), Guess(("negative",), is_sure=True)
PERHAPS_POSITIVE, PERHAPS_NEGATIVE = Guess(("positive",), is_sure=False), Guess(("negative",), is_sure=False)
BOTH = [POSITIVE, PERHAPS_NEGATIVE]
ASKED_FOR = '{"labels":[{"number":0,"label":"positive","sure":true},{"number":1,"label":"negative","sure":false}]}'


@pytest.mark.parametrize(
    "answer",
    [
        ASKED_FOR,
        f"```json\n{ASKED_FOR}\n```",
        f"```\n{ASKED_FOR}\n```\nLet me know if you need more.",
        f"Text 0 praises [sic]; text 1 does not {{irony}}.\n\n{ASKED_FOR}",
        f"<think>0: negative. Or 1: positive?</think>{ASKED_FOR}",
        json.dumps(json.loads(ASKED_FOR), indent=2),
        ASKED_FOR[len('{"labels":') : -1],
        ASKED_FOR.replace("0", '"0"').replace("1", '"1"'),
        ASKED_FOR.replace("true", '"yes"').replace("false", '"no"'),
        ASKED_FOR.replace("number", "id").replace("labels", "answers"),
        ASKED_FOR.replace('"positive"', '["positive"]').replace('"label"', '"labels"'),
        '{"number":0,"label":"positive","sure":true}\n{"number":1,"label":"negative","sure":false}',
        '{"0": {"label": "positive", "sure": true}, "1": "negative"}',
        '{"labels": {"0": {"label": "positive", "sure": true}, "1": {"label": "negative"}}}',
        '{"labels":[{"number":0,"label":"positive","sure":true},{"number":1,"label":"negative"},{"number":2,"la',
        "0: positive (sure)\n1: negative",
        "0. **positive** (sure)\n1. **negative** (not sure)",
        "0) Positive, certain\n1) Negative, uncertain",
        "[0] positive - sure\n[1] negative - unsure",
        "- **0**: positive (sure: yes)\n- **1**: negative (sure: no)",
        "* Text 0: `positive` \u2013 sure.\n* Text 1: `negative` \u2013 not quite sure.",
        "| number | label | sure |\n|---|---|---|\n| 0 | positive | sure |\n| 1 | negative | unsure |",
        "Here you are:\n\n  0 = positive [sure]\n  1 = negative; the plot drags on, and I am not sure\n",
        "0 → POSITIVE (sure)\r\n1 → Negative.\r\n",
    ],
)
def test_an_answer_is_read_however_it_is_dressed(answer):
    assert read_labels(answer, SENTIMENT, 2, is_multilabel=False) == BOTH


def test_an_answer_that_says_nothing_of_sureness_is_not_sure():
    assert read_labels("0: positive", SENTIMENT, 1, is_multilabel=False) == [PERHAPS_POSITIVE]
    assert read_labels('{"0": "positive"}', SENTIMENT, 1, is_multilabel=False) == [PERHAPS_POSITIVE]


def test_a_bare_list_of_as_many_labels_as_texts_is_in_their_order():
    assert read_labels('["positive", "negative"]', SENTIMENT, 2, is_multilabel=False) == [
        PERHAPS_POSITIVE,
        PERHAPS_NEGATIVE,
    ]
    with pytest.raises(UnreadableAnswerError):
        read_labels('["positive", "negative"]', SENTIMENT, 3, is_multilabel=False)


def test_texts_that_the_answer_leaves_out_have_no_guess():
    assert read_labels("1: negative (sure)\n7: positive", SENTIMENT, 3, is_multilabel=False) == [None, NEGATIVE, None]


@pytest.mark.parametrize(
    "said", ["neutral", "rather positive", "positive or negative", "positive - or negative", "not positive", "", "?"]
)
def test_what_is_not_one_of_the_labels_is_never_guessed(said):
    lines = f"0: {said}\n1: negative (sure)"
    entries = [{"number": 0, "label": said, "sure": True}, {"number": 1, "label": "negative", "sure": True}]
    assert read_labels(lines, SENTIMENT, 2, is_multilabel=False) == [None, NEGATIVE]
    assert read_labels(json.dumps({"labels": entries}), SENTIMENT, 2, is_multilabel=False) == [None, NEGATIVE]


@pytest.mark.parametrize("said", [None, [], ["positive", "negative"], {"is": "positive"}, 3.5, [None]])
def test_json_that_is_not_one_label_is_no_guess(said):
    entries = [{"number": 0, "label": said}, {"number": 1, "label": "negative", "sure": True}]
    assert read_labels(json.dumps(entries), SENTIMENT, 2, is_multilabel=False) == [None, NEGATIVE]


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("Card not working", "card_not_working"),
        ("sci/tech", "Sci/Tech"),
        ("sci tech.", "Sci/Tech"),
        ("C++", "C++"),
        ("c", "C"),
        ("3", "3"),
        ("UNSURE", "unsure"),
        ("Äußerung", "äußerung"),
    ],
)
def test_labels_are_known_whatever_their_case_marks_and_spaces(said, meant):
    labels = ("card_not_working", "Sci/Tech", "C++", "C", "3", "unsure", "äußerung")
    if said == "c":
        with pytest.raises(UnreadableAnswerError, match="on the list"):
            read_labels(f"0: {said}", labels, 1, is_multilabel=False)
    else:
        assert read_labels(f"0: {said}", labels, 1, is_multilabel=False) == [Guess((meant,), is_sure=False)]
        assert read_labels(f"0: {said} (sure)", labels, 1, is_multilabel=False) == [Guess((meant,), is_sure=True)]
        assert read_labels(f"0: {said} - obvious", labels, 1, is_multilabel=False) == [Guess((meant,), is_sure=False)]


def test_a_label_that_is_a_number_may_come_as_one():
    assert read_labels('[{"number": 0, "label": 5}]', ("1", "5"), 1, is_multilabel=False) == [Guess(("5",), False)]


def test_the_last_word_counts():
    draft = '{"labels":[{"number":0,"label":"negative","sure":true}]}'
    assert read_labels(f"{draft} No, wait: {ASKED_FOR}", SENTIMENT, 2, is_multilabel=False) == BOTH
    assert read_labels("0: negative\n0: positive", SENTIMENT, 1, is_multilabel=False) == [PERHAPS_POSITIVE]


def test_a_number_that_gets_two_labels_in_one_list_has_none():
    entries = [{"number": 0, "label": label, "sure": True} for label in SENTIMENT]
    known = {"number": 1, "label": "negative", "sure": True}
    assert read_labels(json.dumps([*entries, known, known]), SENTIMENT, 2, is_multilabel=False) == [None, NEGATIVE]


@pytest.mark.parametrize(
    "answer",
    [
        '[{"number":0,"labels":["love","joy"],"sure":true},{"number":1,"labels":[]},{"number":2,"labels":["hate"]}]',
        '[{"number":0,"labels":["LOVE"," joy","joy"],"sure":true},{"number":1,"labels":[]}]',
        '{"0":{"labels":["love","joy"],"sure":true},"1":[],"2":["joy","hate"]}',
        "0: love, joy (sure)\n1: none\n2: joy, hate",
        "0. **love** and **joy** - sure\n1. no labels\n2. hate",
        "[0] joy; love (sure)\n[1] []",
    ],
)
def test_several_labels_a_text_come_in_the_questions_order_and_none_is_an_answer(answer):
    assert read_labels(answer, FEELINGS, 3, is_multilabel=True) == [
        Guess(("joy", "love"), is_sure=True),
        Guess((), is_sure=False),
        None,
    ]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("", "the answer is empty"),
        (" \n", "the answer is empty"),
        ("<think>0: positive", "the answer is empty"),
        ("I cannot label these texts.", "no labels behind the numbers"),
        ("1. First I read every text.\n2. Then I thought.", "on the list"),
        ('{"labels": []}', "no labels behind the numbers"),
        ("5: positive", r"none of those shown, 0 to 1$"),
        ("0: good\n1: bad", "on the list"),
        ('{"labels":[{"number":0,"label":"…","sure":true}]}', "on the list"),
    ],
)
def test_an_answer_without_a_guess_is_refused_with_the_reason(answer, told):
    with pytest.raises(UnreadableAnswerError, match=told):
        read_labels(answer, SENTIMENT, 2, is_multilabel=False)


def test_the_reason_quotes_nothing():
    with pytest.raises(UnreadableAnswerError) as error:
        read_labels("0: secret", SENTIMENT, 1, is_multilabel=False)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    "answer", ["[" * 20_000, '{"a":' * 20_000, "0: " + "positive - " * 5_000, "*" * 50_000, "0: " + "sure " * 10_000]
)
def test_an_answer_run_wild_is_refused_in_good_time(answer):
    start = time.perf_counter()
    with pytest.raises(UnreadableAnswerError):
        read_labels(answer, ("good", "bad"), 1, is_multilabel=False)
    assert time.perf_counter() - start < 5


def test_no_text_needs_no_answer():
    assert read_labels("", SENTIMENT, 0, is_multilabel=False) == []
