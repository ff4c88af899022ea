import json

import numpy as np

from model.simulation.gold import read_gold
from model.tasks.gold_lines import gold_lines
from model.types import LabelSet, Targets
from tests.fakes import SENTIMENT


def targets(texts, targets_N_C, label_set=SENTIMENT) -> Targets:
    return Targets(tuple(range(len(texts))), tuple(texts), np.array(targets_N_C, dtype=np.float32), label_set)


def lines(*given) -> list[dict]:
    return [json.loads(line) for line in gold_lines(targets(*given))]


def test_a_text_has_the_label_that_most_gave_it():
    assert lines(["fine film", "bad film"], [[1 / 3, 2 / 3], [1, 0]]) == [
        {"text": "fine film", "label": "pos"},
        {"text": "bad film", "label": "neg"},
    ]


def test_of_several_labels_those_count_that_half_of_the_people_gave():
    topics = LabelSet(("cast", "film", "plot"), is_multilabel=True)
    assert lines(["a", "b"], [[0.5, 1, 0.25], [0, 0, 0]], topics) == [
        {"text": "a", "labels": ["cast", "film"]},
        {"text": "b", "labels": []},
    ]


def test_a_text_without_words_is_left_out():
    assert lines([" ", "a"], [[1, 0], [0, 1]]) == [{"text": "a", "label": "pos"}]


def test_what_is_written_can_be_simulated_on(tmp_path):
    file = tmp_path / "gold.jsonl"
    written = targets(["schön", "bad\nfilm"], [[0, 1], [1, 0]])
    file.write_text("".join(f"{line}\n" for line in gold_lines(written)), encoding="utf-8")
    [gold] = read_gold([file])
    assert gold.texts == written.texts
    np.testing.assert_array_equal(gold.targets_N_C, written.targets_N_C)
