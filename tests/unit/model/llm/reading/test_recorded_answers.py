"""Real answers of a published study, where they lie beside the repository: its data is not ours to copy."""

import json
from pathlib import Path

import pytest

from model.errors import UnreadableAnswerError
from model.llm.reading.pick_answer import read_picked_numbers
from model.llm.reading.pick_faults import is_degenerate

RECORDS = Path(__file__).resolve().parents[6] / "shared" / "activellm" / "answers.jsonl"
needs_records = pytest.mark.skipif(not RECORDS.exists(), reason="the study's recorded answers are not here")


def records() -> list[dict]:
    return [json.loads(line) for line in RECORDS.read_text(encoding="utf-8").splitlines()]


def chosen(record) -> list[int] | None:
    try:
        reading = read_picked_numbers(
            record["answer"], record["requested"], record["presented"], record["first_index"] or 0
        )
    except UnreadableAnswerError:
        return None
    return list(reading.numbers[: record["requested"]])


@needs_records
def test_recorded_answers_are_read_as_a_careful_reader_did():
    wrong = [
        record["id"]
        for record in records()
        if chosen(record) != (record["reading"] and record["reading"][: record["requested"]])
    ]
    assert len(wrong) <= 0.01 * len(records()), wrong


@needs_records
def test_some_recorded_answers_are_counted_off_and_most_are_not():
    readings = [record["reading"][: record["requested"]] for record in records() if record["reading"]]
    assert 0.1 < sum(map(is_degenerate, readings)) / len(readings) < 0.3
