import numpy as np
import pytest

from backend.work.part_files import PART_CHARACTERS, PART_TEXTS, PartFolder, cut_into_parts, read_finished_parts
from backend.work.sources import Source

ENCODER = Source("an-encoder")
EMBEDDINGS_2_3 = np.arange(6, dtype=np.float32).reshape(2, 3)


def _cut(texts):
    return cut_into_parts(ENCODER, texts, np.arange(len(texts)))


def _leave(files, source, texts, embeddings_K_D=EMBEDDINGS_2_3):
    """Write a finished part."""
    [part] = cut_into_parts(source, texts, np.arange(len(texts)))
    files.write_texts(part.name, source, [texts[row] for row in part.rows_K])
    files.write_embeddings(part.name, embeddings_K_D)


def test_every_text_is_in_one_part_and_the_longest_come_first():
    texts = ["x" * (n * 37 % 400) for n in range(3 * PART_TEXTS + 7)]
    parts = _cut(texts)
    rows_M = np.concatenate([part.rows_K for part in parts])
    assert sorted(rows_M) == list(range(len(texts)))
    lengths = [len(texts[row]) for row in rows_M]
    assert lengths == sorted(lengths, reverse=True)


def test_no_part_has_more_texts_or_characters_than_a_part_may():
    for part in _cut(["x" * (n % 4000) for n in range(2000)]):
        assert len(part.rows_K) <= PART_TEXTS
        assert sum(row % 4000 for row in part.rows_K) <= PART_CHARACTERS


def test_a_huge_text_counts_only_the_characters_that_the_encoder_reads():
    assert [len(part.rows_K) for part in _cut(["x" * 10_000_000] * 3)] == [3]


def test_no_texts_make_no_part():
    assert _cut([]) == []


def test_a_part_is_named_by_its_texts_and_its_encoder():
    names = {
        _cut(["a", "b"])[0].name,
        _cut(["a", "c"])[0].name,
        cut_into_parts(Source(version=3), ["a", "b"], np.arange(2))[0].name,
    }
    assert len(names) == 3
    assert _cut(["a", "b"])[0].name in names


def test_only_the_given_rows_are_cut_into_parts():
    [part] = cut_into_parts(ENCODER, ["a", "b", "c"], np.array([0, 2]))
    assert sorted(part.rows_K) == [0, 2]


def test_a_part_is_read_back_with_its_texts_and_its_encoder(tmp_path):
    files = PartFolder(tmp_path)
    texts = ["grün", "half a pair \ud83d", ""]
    files.write_texts("one", Source(version=3), texts)
    assert files.read_texts("one") == (Source(version=3), texts)


def test_an_unfinished_part_has_no_embeddings(tmp_path):
    assert PartFolder(tmp_path).read_embeddings("one") is None


def test_a_dropped_part_can_be_neither_read_nor_finished(tmp_path):
    files = PartFolder(tmp_path)
    files.write_texts("one", ENCODER, ["a"])
    files.drop()
    with pytest.raises(FileNotFoundError):
        files.read_texts("one")
    with pytest.raises(FileNotFoundError):
        files.write_embeddings("one", EMBEDDINGS_2_3)


def test_finished_embeddings_are_found_by_their_texts_in_any_order(tmp_path):
    files = PartFolder(tmp_path)
    _leave(files, ENCODER, ["bb", "a"])
    found = read_finished_parts(files, ENCODER, ["a", "new", "bb"])
    assert found.done == 2
    assert list(found.missing()) == [1]
    np.testing.assert_array_equal(found.embeddings_M_D, [[3, 4, 5], [0, 0, 0], [0, 1, 2]])


def test_parts_of_another_encoder_or_version_are_deleted(tmp_path):
    files = PartFolder(tmp_path)
    _leave(files, ENCODER, ["bb", "a"])
    assert read_finished_parts(files, Source(version=1), ["bb", "a"]).done == 0
    assert list((tmp_path / "parts").iterdir()) == []


def test_a_part_of_deleted_texts_adds_no_embedding(tmp_path):
    files = PartFolder(tmp_path)
    _leave(files, ENCODER, ["bb", "a"])
    assert read_finished_parts(files, ENCODER, ["new"]).done == 0
