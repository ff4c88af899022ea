from itertools import count
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from backend.store import embeddings as pool
from backend.store.embeddings import EmbeddingCache, keep_encoders
from model.errors import InvalidEmbeddingsError
from model.text_digests import text_digest, text_digests


class Lengths:
    """Embeds a text as its length and other numbers, and records the texts."""

    def __init__(self, other: float = 0.5, dimensions: int = 2) -> None:
        self.asked: list[str] = []
        self._others = [other] * (dimensions - 1)

    def __call__(self, texts):
        self.asked.extend(texts)
        yield np.arange(len(texts)), self.of(texts)

    def of(self, texts):
        rows = [[len(text), *self._others] for text in texts]
        return np.array(rows, dtype=np.float32).reshape(-1, 1 + len(self._others))


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "project" / "embeddings"


def words(size: int) -> list[str]:
    return [f"word {number}" for number in range(size)]


def asked_again(folder: Path, texts: list[str], encoder: str = "mini") -> list[str]:
    """Return the texts whose embeddings are not stored."""
    again = Lengths()
    EmbeddingCache(folder, encoder).embed(texts, again)
    return again.asked


def the_file(folder: Path, ending: str) -> Path:
    [file] = folder.glob(f"*{ending}")
    return file


def test_only_missing_embeddings_are_computed(folder):
    first, second = Lengths(), Lengths()
    EmbeddingCache(folder, "mini").embed(["a", "bb"], first)
    embeddings_N_D = EmbeddingCache(folder, "mini").embed(["ccc", "a", "bb"], second)
    assert first.asked == ["a", "bb"]
    assert second.asked == ["ccc"]
    assert embeddings_N_D[:, 0].tolist() == [3, 1, 2]


def test_stored_texts_in_any_order_need_no_computation(folder):
    EmbeddingCache(folder, "mini").embed(["a", "bb", "ccc"], Lengths())
    idle = Lengths()
    assert EmbeddingCache(folder, "mini").embed(["ccc", "a"], idle)[:, 0].tolist() == [3, 1]
    assert idle.asked == []


def test_many_texts_are_read_back_each_as_itself(folder):
    texts = words(40_000)
    EmbeddingCache(folder, "mini").embed(texts[:30_000], _numbers)
    shuffled = np.random.default_rng(0).permutation(30_000)
    embeddings_N_1 = EmbeddingCache(folder, "mini").embed([texts[row] for row in shuffled], Lengths())
    np.testing.assert_array_equal(embeddings_N_1[:, 0], shuffled.astype(np.float16))


@pytest.mark.parametrize("is_known", [False, True])
def test_an_embedding_is_rounded_to_16_bits_whether_it_was_computed_or_read(folder, is_known):
    for _ in range(1 + is_known):
        embeddings_N_D = EmbeddingCache(folder, "mini").embed(["a"], Lengths(other=1 / 3))
    assert embeddings_N_D.dtype == np.float32
    assert embeddings_N_D[0, 1] == np.float32(np.float16(1 / 3))


def test_a_text_that_occurs_twice_is_computed_once(folder):
    lengths = Lengths()
    assert EmbeddingCache(folder, "mini").embed(["bb", "a", "bb"], lengths)[:, 0].tolist() == [2, 1, 2]
    assert lengths.asked == ["bb", "a"]


def test_no_texts_give_an_empty_array_with_the_right_dimensions(folder):
    assert EmbeddingCache(folder, "mini").embed([], Lengths()).shape == (0, 2)
    EmbeddingCache(folder, "mini").embed(["a"], Lengths())
    assert EmbeddingCache(folder, "mini").embed([], Lengths(dimensions=5)).shape == (0, 2)


def test_another_encoder_has_other_embeddings(folder):
    EmbeddingCache(folder, "mini").embed(["a"], Lengths())
    assert asked_again(folder, ["a"], "large") == ["a"]
    assert asked_again(folder, ["a"]) == []


def test_encoders_with_like_names_are_told_apart(folder):
    for encoder in ("", "a/b", "a-b", "a.b"):
        assert asked_again(folder, ["text"], encoder) == ["text"]


def test_the_files_of_encoders_that_are_not_in_use_are_deleted(folder):
    for encoder in ("", "version-3", "version-4"):
        EmbeddingCache(folder, encoder).embed(["a"], Lengths())
    keep_encoders(folder, ["", "version-4"])
    assert asked_again(folder, ["a"], "") == []
    assert asked_again(folder, ["a"], "version-4") == []
    assert not list(folder.glob("*version-3*"))


def test_a_folder_that_is_not_there_has_no_encoders_to_forget(folder):
    keep_encoders(folder, ["mini"])
    assert not folder.exists()


def test_texts_of_another_call_stay(folder):
    EmbeddingCache(folder, "mini").embed(words(3 * pool.SPARE_ROWS), Lengths())
    EmbeddingCache(folder, "mini").embed(["a new one"], Lengths())
    assert asked_again(folder, words(3 * pool.SPARE_ROWS)) == []


@pytest.mark.parametrize(
    ("kept", "left"),
    [(pool.SPARE_ROWS, 1), (2 * pool.SPARE_ROWS + 1, pool.SPARE_ROWS + 1), (pool.SPARE_ROWS + 2, 1)],
)
def test_embeddings_of_deleted_texts_are_dropped_once_they_are_most_and_many(folder, kept, left):
    EmbeddingCache(folder, "mini").embed(words(kept), Lengths())
    before_bytes = the_file(folder, ".f16").stat().st_size
    embeddings_N_D = EmbeddingCache(folder, "mini").embed(words(left), Lengths(), prune=True)
    goes = kept - left > pool.SPARE_ROWS
    assert the_file(folder, ".f16").stat().st_size == (before_bytes * left // kept if goes else before_bytes)
    assert asked_again(folder, words(left)) == []
    np.testing.assert_array_equal(EmbeddingCache(folder, "mini").embed(words(left), Lengths()), embeddings_N_D)


def test_an_embedding_that_fails_keeps_the_parts_that_were_finished(folder):
    EmbeddingCache(folder, "mini").embed(["a"], Lengths())
    with pytest.raises(MemoryError):
        EmbeddingCache(folder, "mini").embed(["a", "bb", "ccc"], _out_of_memory)
    assert asked_again(folder, ["a", "bb", "ccc"]) == ["ccc"]


def test_parts_may_come_in_any_order(folder):
    def backwards(texts):
        for row in reversed(range(len(texts))):
            yield np.array([row]), Lengths().of([texts[row]])

    assert EmbeddingCache(folder, "mini").embed(["a", "bb", "ccc"], backwards)[:, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e6])
def test_numbers_too_large_for_16_bits_are_refused_and_not_stored(folder, bad):
    EmbeddingCache(folder, "mini").embed(["a"], Lengths())
    with pytest.raises(InvalidEmbeddingsError, match="finite and below 65,504"):
        EmbeddingCache(folder, "mini").embed(["a", "bb"], Lengths(other=bad))
    assert asked_again(folder, ["a", "bb"]) == ["bb"]


def test_rows_that_a_killed_process_left_are_overwritten(folder):
    EmbeddingCache(folder, "mini").embed(["a"], Lengths())
    with the_file(folder, ".f16").open("ab") as file:
        file.write(b"half a ro")
    embeddings_N_D = EmbeddingCache(folder, "mini").embed(["a", "bb"], Lengths())
    np.testing.assert_array_equal(embeddings_N_D, [[1, 0.5], [2, 0.5]])
    assert the_file(folder, ".f16").stat().st_size == 2 * 2 * 2


def test_later_writes_do_not_change_a_snapshot(folder):
    EmbeddingCache(folder, "mini").embed(words(100), Lengths())

    def somebody_else_is_faster(texts):
        EmbeddingCache(folder, "mini").embed(["in between", *texts], Lengths(other=0.25))
        yield from Lengths()(texts)

    embeddings_N_D = EmbeddingCache(folder, "mini").embed([*words(100), "late"], somebody_else_is_faster)
    assert embeddings_N_D[-1].tolist() == [4, 0.25]
    assert asked_again(folder, [*words(100), "late", "in between"]) == []


def test_embeddings_with_more_dimensions_replace_all_rows(folder):
    EmbeddingCache(folder, "mini").embed(["a", "bb"], Lengths())
    longer = Lengths(dimensions=3)
    embeddings_N_D = EmbeddingCache(folder, "mini").embed(["a", "bb", "ccc"], longer)
    np.testing.assert_array_equal(embeddings_N_D, [[1, 0.5, 0.5], [2, 0.5, 0.5], [3, 0.5, 0.5]])
    assert longer.asked == ["ccc", "a", "bb"]
    the_file(folder, ".f16")


def test_an_encoder_that_never_gives_the_same_length_is_refused(folder):
    longer = count(2)
    EmbeddingCache(folder, "mini").embed(["a"], Lengths(dimensions=1))
    with pytest.raises(InvalidEmbeddingsError, match="3 times"):
        EmbeddingCache(folder, "mini").embed(["a", "bb"], lambda texts: Lengths(dimensions=next(longer))(texts[:1]))


@pytest.mark.parametrize("ending", [".f16", ".npz"])
@pytest.mark.parametrize("left_bytes", [0, 3, None])
def test_a_broken_or_missing_file_is_replaced_by_a_new_one(folder, ending, left_bytes):
    EmbeddingCache(folder, "mini").embed(["a", "bb"], Lengths())
    broken = the_file(folder, ending)
    if left_bytes is None:
        broken.unlink()
    else:
        broken.write_bytes(broken.read_bytes()[:left_bytes])
    lengths = Lengths()
    assert EmbeddingCache(folder, "mini").embed(["a", "bb"], lengths)[:, 0].tolist() == [1, 2]
    assert lengths.asked == ["a", "bb"]
    assert asked_again(folder, ["a", "bb"]) == []
    the_file(folder, ".f16")


def _numbers(texts):
    yield np.arange(len(texts)), np.array([[int(text[5:])] for text in texts], dtype=np.float32)


def _out_of_memory(texts):
    """Embed the first text, and fail at the second."""
    yield np.array([0]), Lengths().of(texts[:1])
    raise MemoryError


@given(some.text(), some.text())
def test_texts_share_a_digest_only_if_they_are_the_same(one, other):
    assert (text_digest(one) == text_digest(other)) == (one == other)


def test_a_digest_has_64_bits_and_survives_half_a_surrogate_pair():
    assert 0 <= text_digest("\ud800") < 2**64
    assert text_digest("\ud800") != text_digest("?")


def test_digests_of_many_texts_equal_the_digest_of_each():
    texts = ["a", "", "a", "\ud800"]
    assert text_digests(texts).tolist() == [text_digest(text) for text in texts]
    assert text_digests([]).dtype == np.uint64


def test_only_the_embeddings_that_the_disk_damaged_are_computed_again(folder):
    texts = words(30)
    EmbeddingCache(folder, "mini").embed(texts, Lengths())
    file = the_file(folder, ".f16")
    content = bytearray(file.read_bytes())
    row_bytes = len(content) // 30
    content[3 * row_bytes : 5 * row_bytes] = bytes(2 * row_bytes)
    file.write_bytes(content)
    again = Lengths()
    embeddings_N_D = EmbeddingCache(folder, "mini").embed(texts, again)
    assert sorted(again.asked) == ["word 3", "word 4"]
    assert np.array_equal(embeddings_N_D, Lengths().of(texts))
    assert asked_again(folder, texts) == []
    assert [path.name for path in folder.glob("*.broken")] == [f"{file.name}.broken"]


@pytest.mark.parametrize("ending", [".digests.npz", ".f16", ".lock"])
def test_a_folder_in_a_files_place_is_no_obstacle(folder, ending):
    texts = words(3)
    EmbeddingCache(folder, "mini").embed(texts, Lengths())
    file = the_file(folder, ending)
    file.unlink()
    file.mkdir()
    assert asked_again(folder, [*texts, "new"])[-1] == "new"
    assert asked_again(folder, [*texts, "new"]) == []
