import numpy as np
import pytest

from model.query.herding import WATCHED, maxherding, uncertainty_herding


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def texts(count: int, seed: int = 1, dimensions: int = 5) -> np.ndarray:
    return rng(seed).normal(size=(count, dimensions))


def none_like(embeddings_N_D: np.ndarray) -> np.ndarray:
    return embeddings_N_D[:0]


def kernel(left_M_D: np.ndarray, right_N_D: np.ndarray) -> np.ndarray:
    """(1 + cosine) / 2."""
    lengths_M_N = np.linalg.norm(left_M_D, axis=1)[:, None] * np.linalg.norm(right_N_D, axis=1)
    return (1 + left_M_D @ right_N_D.T / lengths_M_N) / 2


def coverage(weight_N: np.ndarray, embeddings_N_D: np.ndarray, covering_M_D: np.ndarray) -> float:
    """As it is published: the weighted mean over texts of the likeness to the nearest covering one."""
    return float((weight_N * kernel(embeddings_N_D, covering_M_D).max(axis=1)).mean())


def by_brute_force(weight_N, embeddings_N_D, labelled_L_D, batch_size) -> list[int]:
    """Write the coverage out for every text that might be next."""
    picked: list[int] = []
    for _ in range(batch_size):
        covering_M_D = np.concatenate([labelled_L_D, embeddings_N_D[picked]])
        gain_N = [
            coverage(weight_N, embeddings_N_D, np.concatenate([covering_M_D, embeddings_N_D[[row]]]))
            for row in range(len(embeddings_N_D))
        ]
        picked.append(int(np.argmax(gain_N)))
    return picked


@pytest.mark.parametrize("labelled", [0, 1, 20])
@pytest.mark.parametrize("seed", range(5))
def test_maxherding_picks_what_brute_force_picks(seed, labelled):
    embeddings_N_D, labelled_L_D = texts(150, seed), texts(labelled, seed + 100)
    picks = maxherding(embeddings_N_D, labelled_L_D, 12, rng())
    assert picks.tolist() == by_brute_force(np.ones(150), embeddings_N_D, labelled_L_D, 12)


@pytest.mark.parametrize("labelled", [0, 1, 20])
@pytest.mark.parametrize("seed", range(5))
def test_uncertainty_herding_picks_what_brute_force_picks(seed, labelled):
    embeddings_N_D, labelled_L_D, scores_N = texts(150, seed), texts(labelled, seed + 100), rng(seed).random(150) ** 3
    picks = uncertainty_herding(scores_N, embeddings_N_D, labelled_L_D, 12, rng())
    assert picks.tolist() == by_brute_force(scores_N, embeddings_N_D, labelled_L_D, 12)


def test_looking_at_the_likeliest_few_finds_what_looking_at_all_would_in_a_pool_of_groups():
    group_N = rng().integers(30, size=600)
    embeddings_N_D = texts(30, dimensions=40)[group_N] + texts(600, seed=2, dimensions=40) / 3
    picks = maxherding(embeddings_N_D, embeddings_N_D[:3], 15, rng())
    assert picks.tolist() == by_brute_force(np.ones(600), embeddings_N_D, embeddings_N_D[:3], 15)


def test_the_first_of_a_pool_is_the_text_nearest_to_its_mean_direction():
    embeddings_N_D = texts(40)
    unit_N_D = embeddings_N_D / np.linalg.norm(embeddings_N_D, axis=1, keepdims=True)
    first = maxherding(embeddings_N_D, none_like(embeddings_N_D), 1, rng())
    assert first.tolist() == [(unit_N_D @ unit_N_D.mean(axis=0)).argmax()]


def test_each_group_gets_one_pick_and_the_large_ones_come_first():
    group_N = np.repeat([0, 1, 2], [10, 30, 20])
    picks = maxherding(np.eye(3)[group_N], np.zeros((0, 3)), 3, rng())
    assert group_N[picks].tolist() == [1, 2, 0]


def test_a_group_that_has_a_label_is_passed_over():
    group_N = np.repeat([0, 1, 2], [10, 30, 20])
    picks = maxherding(np.eye(3)[group_N], np.eye(3)[[1]], 2, rng())
    assert group_N[picks].tolist() == [2, 0]


def test_a_small_group_that_is_doubtful_comes_before_a_large_one_that_is_not():
    group_N = np.repeat([0, 1], [10, 50])
    scores_N = np.where(group_N == 0, 0.9, 0.1)
    picks = uncertainty_herding(scores_N, np.eye(2)[group_N], np.zeros((0, 2)), 2, rng())
    assert group_N[picks].tolist() == [0, 1]


def test_a_doubtful_text_that_repeats_a_labelled_one_is_not_asked_for_again():
    embeddings_N_D = np.eye(4)
    picks = uncertainty_herding(np.array([1.0, 0.3, 0.2, 0.1]), embeddings_N_D, embeddings_N_D[:1], 3, rng())
    assert picks.tolist() == [1, 2, 3]


def test_where_nothing_is_doubtful_every_text_counts_alike():
    embeddings_N_D = texts(60)
    picks = uncertainty_herding(np.zeros(60), embeddings_N_D, embeddings_N_D[:2], 8, rng())
    assert picks.tolist() == maxherding(embeddings_N_D, embeddings_N_D[:2], 8, rng()).tolist()


def test_the_length_of_an_embedding_counts_for_nothing():
    embeddings_N_D = texts(80)
    stretched_N_D = embeddings_N_D * rng(3).uniform(0.1, 50.0, size=(80, 1))
    expected = maxherding(embeddings_N_D, none_like(embeddings_N_D), 10, rng())
    assert maxherding(stretched_N_D, none_like(embeddings_N_D), 10, rng()).tolist() == expected.tolist()


def test_a_small_pool_in_another_order_gives_the_same_texts():
    embeddings_N_D, shuffle = texts(90), rng(4).permutation(90)
    expected = maxherding(embeddings_N_D, none_like(embeddings_N_D), 10, rng())
    picks = maxherding(embeddings_N_D[shuffle], none_like(embeddings_N_D), 10, rng())
    assert shuffle[picks].tolist() == expected.tolist()


def test_a_longer_batch_begins_with_the_shorter_one():
    embeddings_N_D = texts(120)
    assert (
        maxherding(embeddings_N_D, none_like(embeddings_N_D), 30, rng())[:10].tolist()
        == maxherding(embeddings_N_D, none_like(embeddings_N_D), 10, rng()).tolist()
    )


def test_an_exhausted_pool_has_nothing_to_pick():
    assert maxherding(np.zeros((0, 3)), np.ones((2, 3)), 5, rng()).tolist() == []
    assert uncertainty_herding(np.zeros(0), np.zeros((0, 3)), np.ones((2, 3)), 5, rng()).tolist() == []


def test_more_than_the_pool_is_the_whole_pool_once():
    embeddings_N_D = texts(7)
    assert sorted(maxherding(embeddings_N_D, none_like(embeddings_N_D), 32, rng()).tolist()) == list(range(7))


@pytest.mark.parametrize("count", [1, 3, 300])
def test_repeated_texts_are_picked_once_each(count):
    picks = maxherding(np.ones((count, 3)), np.ones((2, 3)), 100, rng())
    assert len(set(picks.tolist())) == len(picks) == min(count, 100)


def test_every_different_text_comes_before_one_is_repeated():
    embeddings_N_D = np.repeat(np.eye(5), 4, axis=0)
    picks = maxherding(embeddings_N_D, np.zeros((0, 5)), 8, rng())
    assert sorted((picks[:5] // 4).tolist()) == [0, 1, 2, 3, 4]


def test_an_embedding_of_zeros_is_a_text_like_any_other():
    picks = maxherding(np.concatenate([np.zeros((2, 3)), np.eye(3)]), np.zeros((0, 3)), 5, rng())
    assert sorted(picks.tolist()) == [0, 1, 2, 3, 4]


def test_half_precision_is_counted_in_single():
    group_N = rng().integers(8, size=3000)
    halves_N_D = np.eye(8, dtype=np.float16)[group_N]
    picks = maxherding(halves_N_D, halves_N_D[:0], 8, rng())
    assert sorted(group_N[picks].tolist()) == list(range(8))
    weighted = uncertainty_herding(rng().random(3000).astype(np.float16), halves_N_D, halves_N_D[:0], 8, rng())
    assert sorted(group_N[weighted].tolist()) == list(range(8))


def test_of_a_large_pool_some_texts_are_watched_and_all_are_candidates():
    embeddings_N_D = texts(3 * WATCHED)
    watched = rng(7).permutation(len(embeddings_N_D))[:WATCHED]
    picks = maxherding(embeddings_N_D, none_like(embeddings_N_D), 40, rng(7))
    assert len(np.setdiff1d(picks, watched)) > 10
    assert len(set(picks.tolist())) == 40


def test_a_large_pool_is_covered_group_by_group_though_only_some_of_it_is_watched():
    group_N = rng().integers(25, size=2 * WATCHED)
    embeddings_N_D = np.eye(25)[group_N] + texts(2 * WATCHED, dimensions=25) / 20
    picks = maxherding(embeddings_N_D, none_like(embeddings_N_D), 25, rng())
    assert sorted(group_N[picks].tolist()) == list(range(25))
