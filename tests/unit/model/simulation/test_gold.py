import gzip
import json

import numpy as np
import pytest

from model.errors import InvalidGoldError
from model.simulation.gold import Form, one_question, read_answers, read_gold, too_few
from model.types import LabelSet


@pytest.fixture
def file(tmp_path):
    def file(*rows, name="gold.jsonl"):
        path = tmp_path / name
        lines = "".join(row if isinstance(row, str) else f"{json.dumps(row)}\n" for row in rows)
        path.write_bytes(gzip.compress(lines.encode()) if name.endswith(".gz") else lines.encode())
        return path

    return file


def test_a_text_and_its_label_a_line(file):
    [gold] = read_gold([file({"text": "good film", "label": "pos"}, {"text": "bad film", "label": "neg"})])
    assert gold.texts == ("good film", "bad film")
    assert gold.label_set.labels == ("neg", "pos")
    assert gold.targets_N_C.tolist() == [[0, 1], [1, 0]]
    assert not gold.label_set.is_multilabel


def test_several_labels_or_none_a_line(file):
    [gold] = read_gold([file({"text": "a", "labels": ["joy", "love"]}, {"text": "b", "labels": []})])
    assert gold.label_set.is_multilabel
    assert gold.targets_N_C.tolist() == [[1, 1], [0, 0]]


def test_files_share_their_classes_and_may_be_packed(file):
    pool = file({"text": "a", "label": "x"}, {"text": "b", "label": "y"}, name="pool.jsonl.gz")
    test = file({"text": "c", "label": "z"}, "\n", {"text": "d", "label": "x"}, name="test.jsonl")
    pool_targets, test_targets = read_gold([pool, test])
    assert pool_targets.label_set == test_targets.label_set
    assert test_targets.targets_N_C.tolist() == [[0, 0, 1], [1, 0, 0]]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("{text: a}\n", "line 2 is not JSON"),
        ("[1]\n", 'line 2: needs a "text"'),
        ({"label": "x"}, 'line 2: needs a "text"'),
        ({"text": "  ", "label": "x"}, 'line 2: needs a "text"'),
        ({"text": "a"}, 'line 2: needs a "label"'),
        ({"text": "a", "label": 3}, 'line 2: needs a "label"'),
        ({"text": "a", "labels": "x"}, 'line 2: needs a "label"'),
        ({"text": "a", "labels": ["x"]}, "use one of them throughout"),
        ({"text": "a", "answers": {"topic": "x"}}, "line 2: some lines have `answers`, others have not"),
        ({"text": "a", "label": "x", "answers": {"topic": "x"}}, "line 2: has `answers` beside `label`"),
        ({"text": "a", "label": "x"}, "at least 2 different labels"),
    ],
)
def test_a_line_that_is_no_labelled_text_is_named(file, row, told):
    with pytest.raises(InvalidGoldError, match=told):
        read_gold([file({"text": "first", "label": "x"}, row)])


def test_a_file_without_lines_or_that_is_not_there_or_damaged_is_named(file, tmp_path):
    with pytest.raises(InvalidGoldError, match=r"gold\.jsonl has no lines"):
        read_gold([file()])
    with pytest.raises(InvalidGoldError, match=r"nowhere.* cannot be read: No such file"):
        read_gold([tmp_path / "nowhere.jsonl"])
    (tmp_path / "torn.jsonl.gz").write_bytes(gzip.compress(b'{"text": "a", "label": "x"}\n' * 99)[:40])
    with pytest.raises(InvalidGoldError, match=r"torn.* cannot be read"):
        read_gold([tmp_path / "torn.jsonl.gz"])
    (tmp_path / "latin.jsonl").write_bytes(b'{"text": "caf\xe9", "label": "x"}\n')
    with pytest.raises(InvalidGoldError, match=r"latin.* cannot be read"):
        read_gold([tmp_path / "latin.jsonl"])


def test_the_form_of_the_answers_says_what_kind_a_question_is(file):
    rows = [
        {"text": "a", "answers": {"topic": "refund", "urgency": 3, "tags": ["x", "y"]}},
        {"text": "b", "answers": {"topic": "fee", "urgency": 1, "tags": []}},
        {"text": "c", "answers": {"urgency": 4.0, "topic": None}},
    ]
    [gold] = read_answers([file(*rows)])
    assert [(found.name, found.form) for found in gold.questions] == [
        ("topic", Form.CHOICE),
        ("urgency", Form.STARS),
        ("tags", Form.CHOICES),
    ]
    topic, urgency, tags = (found.targets for found in gold.questions)
    assert gold.texts == ("a", "b", "c")
    assert (topic.texts, topic.label_set, topic.targets_N_C.tolist()) == (
        ("a", "b"),
        LabelSet(("fee", "refund")),
        [[0, 1], [1, 0]],
    )
    # Stars that nobody gave are classes, too, up to the most.
    assert urgency.label_set == LabelSet(("1", "2", "3", "4"))
    assert urgency.targets_N_C.argmax(axis=1).tolist() == [2, 0, 3]
    assert (tags.label_set, tags.targets_N_C.tolist()) == (LabelSet(("x", "y"), True), [[1, 1], [0, 0]])


def test_files_share_their_questions_and_the_classes_of_each(file):
    pool = file({"text": "a", "answers": {"topic": "x", "stars": 1}}, name="pool.jsonl")
    test = file({"text": "b", "answers": {"stars": 5}}, {"text": "c", "answers": {"topic": "y"}}, name="test.jsonl.gz")
    pool_gold, test_gold = read_answers([pool, test])
    assert pool_gold.names == test_gold.names == ("topic", "stars")
    assert [found.targets.label_set.labels for found in pool_gold.questions] == [("x", "y"), ("1", "2", "3", "4", "5")]
    assert [found.targets.task_ids for found in test_gold.questions] == [(1,), (0,)]


def test_a_part_of_the_texts_keeps_their_answers(file):
    rows = [
        {"text": f"text {n}", "answers": {"topic": "xy"[n % 2], **({"stars": n} if n > 2 else {})}} for n in range(6)
    ]
    [gold] = read_answers([file(*rows)])
    part = gold.some(np.array([5, 0, 3]))
    topic, stars = (found.targets for found in part.questions)
    assert part.texts == topic.texts == ("text 5", "text 0", "text 3")
    assert topic.targets_N_C.tolist() == [[0, 1], [1, 0], [0, 1]]
    assert (stars.texts, stars.task_ids) == (("text 5", "text 3"), (0, 2))
    assert stars.targets_N_C.argmax(axis=1).tolist() == [4, 2]


def test_a_file_of_labels_is_one_question_without_a_name(file):
    gold = read_gold([file({"text": "a", "label": "x"}, {"text": "b", "label": "y"})])[0]
    [found] = one_question(gold).questions
    assert (found.name, found.form) == ("", Form.CHOICE)
    assert read_answers([file({"text": "a", "label": "x"}, {"text": "b", "label": "y"})])[0].names == ("",)


def test_where_one_question_is_needed_answers_by_name_are_refused(file):
    rows = [{"text": "a", "answers": {"topic": "x"}}, {"text": "b", "answers": {"topic": "y"}}]
    with pytest.raises(InvalidGoldError, match="has `answers`, and this reads one question"):
        read_gold([file(*rows)])


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        (None, r'line 2: "answers" has no question and answer'),
        ({}, "has no question and answer"),
        ([], "has no question and answer"),
        ("x", "has no question and answer"),
        ({"topic": None}, "has no question and answer"),
        ({"": "x"}, "a question without a name"),
        ({"topic": ""}, r'line 2: "" is no answer to "topic": one choice is a string'),
        ({"topic": True}, 'true is no answer to "topic"'),
        ({"stars": 0}, '0 is no answer to "stars": .*a whole number from 1 to 100'),
        ({"stars": 101}, "101 is no answer"),
        ({"stars": 2.5}, "2.5 is no answer"),
        ({"stars": float("nan")}, "NaN is no answer"),
        ({"stars": 10**200}, r"1000\d+… is no answer"),
        ({"topic": {"choices": ["x"]}}, r'{"choices": \["x"\]} is no answer'),
        ({"topic": [["pay", "refund"]]}, r'a path of a taxonomy is one string, like "Payment / Refund"'),
        ({"topic": ["x"]}, r'line 2: the answer to "topic" is a list of strings, and a string in .*line 1: use one'),
        ({"topic": 3}, 'the answer to "topic" is a whole number, and a string in'),
    ],
)
def test_an_answer_that_is_none_is_named_with_its_line_and_question(file, answers, told):
    first = {"text": "first", "answers": {"topic": "x", "stars": 5}}
    with pytest.raises(InvalidGoldError, match=told):
        read_answers([file(first, {"text": "a", "answers": answers})])


def test_a_question_that_everybody_answers_alike_is_told_and_none_of_several_choices(file):
    rows = [{"text": text, "answers": {"topic": "x", "stars": 5, "tags": ["y"]}} for text in "ab"]
    [gold] = read_answers([file(*rows)])
    assert [too_few([question]) for question in gold.questions] == [
        "needs at least 2 different labels, found ['x']",
        "needs at least 2 different labels, found ['5']",
        "",
    ]
