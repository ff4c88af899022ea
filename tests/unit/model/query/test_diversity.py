import numpy as np
import pytest

from model.query.diversity import TYPICAL_AMONG, cluster, kcenter, kmeans, typicality, typiclust


def blobs(*sizes: int, noise: float = 0.01) -> tuple[np.ndarray, np.ndarray]:
    """Texts around the axes of space, one axis a group: embeddings_N_D and group_N."""
    group_N = np.repeat(np.arange(len(sizes)), sizes)
    centres = np.eye(len(sizes) + 1)[group_N]
    return centres + np.random.default_rng(1).normal(scale=noise, size=centres.shape), group_N


def none_like(embeddings_N_D: np.ndarray) -> np.ndarray:
    return embeddings_N_D[:0]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_typicality_is_the_inverse_mean_distance_to_the_neighbours():
    line = np.array([[0.0], [1.0], [2.0], [10.0]])
    np.testing.assert_allclose(typicality(line), [3 / 13, 3 / 11, 3 / 11, 3 / 27], rtol=1e-4)


def test_typicality_looks_at_twenty_neighbours_only():
    near = np.zeros((21, 1))
    far = np.full((5, 1), 100.0)
    assert typicality(np.concatenate([near, far]))[0] == pytest.approx(1e5)


def test_a_lone_text_is_typical_of_itself():
    assert typicality(np.zeros((1, 3))).tolist() == [1.0]


def test_typiclust_takes_one_text_of_each_group_and_large_groups_first():
    embeddings_N_D, group_N = blobs(20, 30, 10)
    picks = typiclust(embeddings_N_D, none_like(embeddings_N_D), 3, rng())
    assert group_N[picks].tolist() == [1, 0, 2]


def test_typiclust_takes_the_most_typical_text_of_a_group():
    embeddings_N_D, _ = blobs(12, noise=0.2)
    unit_N_D = embeddings_N_D / np.linalg.norm(embeddings_N_D, axis=1, keepdims=True)
    picks = typiclust(embeddings_N_D, none_like(embeddings_N_D), 1, rng())
    assert picks.tolist() == [typicality(unit_N_D).argmax()]


def test_typiclust_passes_over_groups_that_have_labels():
    embeddings_N_D, group_N = blobs(30, 20, 10)
    labelled_L_D = embeddings_N_D[:1]
    picks = typiclust(embeddings_N_D, labelled_L_D, 2, rng())
    assert group_N[picks].tolist() == [1, 2]


def test_typiclust_leaves_groups_of_under_five_texts_for_last():
    embeddings_N_D, group_N = blobs(6, 4)
    picks = typiclust(embeddings_N_D, none_like(embeddings_N_D), 2, rng())
    assert group_N[picks].tolist() == [0, 0]


def test_typiclust_looks_at_directions_not_lengths():
    embeddings_N_D, group_N = blobs(30, 20)
    stretched_N_D = embeddings_N_D * np.where(np.arange(50) % 2, 1.0, 50.0)[:, None]
    picks = typiclust(stretched_N_D, none_like(embeddings_N_D), 2, rng())
    assert group_N[picks].tolist() == [0, 1]


def test_typiclust_of_an_exhausted_pool_is_empty():
    assert typiclust(np.zeros((0, 3)), np.ones((2, 3)), 5, rng()).tolist() == []


@pytest.mark.parametrize("texts", [1, 3, 12])
def test_repeated_texts_are_picked_once_each(texts):
    picks = typiclust(np.ones((texts, 3)), np.ones((2, 3)), 5, rng())
    assert len(set(picks.tolist())) == len(picks) == min(texts, 5)


def test_there_are_no_more_groups_than_different_texts():
    repeated = np.repeat(np.eye(3), 4, axis=0)
    assert len(set(cluster(repeated, 8, rng()).tolist())) == 3


def test_a_large_pool_is_clustered_in_mini_batches_into_the_same_groups():
    embeddings_N_D, group_N = blobs(6000, 5000)
    found_N = cluster(embeddings_N_D, 2, rng())
    assert len(set(zip(found_N.tolist(), group_N.tolist(), strict=True))) == 2


def test_of_a_very_large_group_some_stand_for_all_and_every_text_is_still_ranked():
    embeddings_N_D, _ = blobs(TYPICAL_AMONG + 50, noise=0.1)
    picks = typiclust(embeddings_N_D, none_like(embeddings_N_D), len(embeddings_N_D), rng())
    assert sorted(picks.tolist()) == list(range(len(embeddings_N_D)))


def test_kcenter_picks_what_is_farthest_from_labels_and_picks():
    line_N_1 = np.array([[0.0], [1.0], [4.0], [9.0], [10.0]])
    assert kcenter(line_N_1, np.array([[0.0]]), 3, rng()).tolist() == [4, 2, 1]


def test_kcenter_leaves_no_text_farther_from_a_label_than_the_next_pick_was():
    embeddings_N_D, labelled_L_D = rng(1).normal(size=(200, 3)), rng(2).normal(size=(5, 3))
    picks = kcenter(embeddings_N_D, labelled_L_D, 11, rng())
    centres = np.concatenate([labelled_L_D, embeddings_N_D[picks[:-1]]])
    distance_N = np.linalg.norm(embeddings_N_D[:, None] - centres[None], axis=2).min(axis=1)
    assert distance_N.argmax() == picks[-1]


def test_kcenter_without_labels_begins_anywhere():
    firsts = {int(kcenter(np.eye(10), np.zeros((0, 10)), 1, rng(seed))[0]) for seed in range(20)}
    assert len(firsts) > 5


def test_kcenter_picks_repeated_texts_once_each():
    assert sorted(kcenter(np.ones((4, 2)), np.ones((1, 2)), 9, rng()).tolist()) == [0, 1, 2, 3]


def test_kmeans_picks_the_text_at_the_centre_of_each_group_and_large_groups_first():
    embeddings_N_D, group_N = blobs(20, 30, 10)
    picks = kmeans(embeddings_N_D, 3, rng())
    assert group_N[picks].tolist() == [1, 0, 2]
    unit_N_D = embeddings_N_D / np.linalg.norm(embeddings_N_D, axis=1, keepdims=True)
    for pick, group in zip(picks, [1, 0, 2], strict=True):
        distance_M = np.linalg.norm(unit_N_D[group_N == group] - unit_N_D[group_N == group].mean(axis=0), axis=1)
        assert np.flatnonzero(group_N == group)[distance_M.argmin()] == pick


def test_kmeans_fills_up_where_repeated_texts_leave_fewer_groups_than_picks():
    picks = kmeans(np.repeat(np.eye(2), 4, axis=0), 5, rng())
    assert len(set(picks.tolist())) == 5
