import numpy as np

from backend.work.pool.cutting import PART_CHARACTERS, PART_TEXTS, cut_into_parts


def test_every_text_is_in_one_part_and_the_longest_come_first():
    texts = ["x" * (n * 37 % 400) for n in range(3 * PART_TEXTS + 7)]
    rows_M = np.concatenate(cut_into_parts(texts))
    assert sorted(rows_M) == list(range(len(texts)))
    lengths = [len(texts[row]) for row in rows_M]
    assert lengths == sorted(lengths, reverse=True)


def test_no_part_has_more_texts_or_characters_than_a_part_may():
    for rows_K in cut_into_parts(["x" * (n % 4000) for n in range(2000)]):
        assert len(rows_K) <= PART_TEXTS
        assert sum(row % 4000 for row in rows_K) <= PART_CHARACTERS


def test_a_huge_text_counts_only_the_characters_that_the_encoder_reads():
    assert [len(rows_K) for rows_K in cut_into_parts(["x" * 10_000_000] * 3)] == [3]


def test_no_texts_make_no_part():
    assert cut_into_parts([]) == []
