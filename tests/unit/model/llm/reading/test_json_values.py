import json
import time

import pytest

from model.llm.reading.json_values import JsonValue, json_values, parts_of

ENTRY = {"number": 3, "label": "pos"}
WHOLE = '{"number": 3, "label": "pos"}'


@pytest.mark.parametrize(
    "damaged",
    [
        "{'number': 3, 'label': 'pos'}",
        '{number: 3, label: "pos"}',
        '{"number": 3, "label": "pos",}',
        '{"number": 3 "label": "pos"}',
        '{"number": 3, "label": "pos", }, // next',
    ],
)
def test_a_damaged_object_is_repaired(damaged):
    assert list(json_values(f"Text [sic]: {damaged}")) == [JsonValue(ENTRY, is_repaired=True)]


def test_whole_values_are_read_as_they_are_and_their_parts_are_not_listed_again():
    answer = f"Text 0 praises [sic].\n```json\n[{WHOLE}]\n```\nNo, wait: {WHOLE}"
    assert list(json_values(answer)) == [JsonValue([ENTRY]), JsonValue(ENTRY)]


def test_entries_of_a_damaged_list_are_read_one_by_one():
    answer = f'{{"labels": [{WHOLE} {WHOLE[:-1]}\n{WHOLE}, {{"number": 4, "label": "ne'
    values = [value for value in json_values(answer) if "number" in value.content]
    assert [value.content for value in values[:3]] == [ENTRY] * 3
    assert [value.is_cut for value in values] == [False, False, False, True]


@pytest.mark.parametrize("prose", ["{irony}", "[sic]", "{3, 17}", "3, 17 and 20", "", "{", "[", "}{"])
def test_brackets_in_prose_are_no_entries(prose):
    assert not [value for value in json_values(prose) if set(value.content) & {"3", 3, "number"}]


@pytest.mark.parametrize(
    "unit", ["[", "{", '{"a":', '{"', "{'", '["a', '{"number": 3, "label": ("', "{(", "\n", "}}{a,"]
)
def test_an_answer_run_wild_takes_no_longer_than_a_few_seconds(unit):
    answer = '{"picks": [' + unit * (40_000 // len(unit))
    start = time.perf_counter()
    list(json_values(answer))
    assert time.perf_counter() - start < 20


def test_parts_come_in_their_order_and_an_entrys_own_parts_are_left_alone():
    content = json.loads(f'{{"a": [{WHOLE}, {{"number": 4, "label": ["x"]}}]}}')
    parts = list(parts_of(content, is_entry=lambda part: "number" in part))
    assert parts == [content, content["a"], *content["a"]]


def test_line_ends_that_stand_within_a_string_as_they_are_belong_to_it():
    (value,) = json_values('{"text": "one\ntwo\tthree"}')
    assert (value.content, value.is_repaired) == ({"text": "one\ntwo\tthree"}, False)
