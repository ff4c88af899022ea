import gzip
import json

import pytest

from model.errors import InvalidGoldError
from model.simulation.gold import read_gold


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
