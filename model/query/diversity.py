"""Diversity: choose a batch that covers the pool instead of repeating one question."""

from collections.abc import Sequence
from importlib import import_module
from itertools import islice
from typing import Any

import numpy as np

from model.query.large_pools import PART
from model.types import FloatArray, IntArray

# Hacohen et al. (2022): at most 500 clusters, typicality over 20 neighbours, clusters under 5 texts come last.
MAX_CLUSTERS = 500
NEIGHBOURS = 20
SMALL_CLUSTER = 5
# The most texts of a cluster whose typicality is computed: distances take this number squared.
TYPICAL_AMONG = 2_000
# Above this number of texts, k-means runs in mini-batches.
_MINI_BATCH_FROM = 10_000


def typiclust(
    embeddings_N_D: FloatArray, labelled_L_D: FloatArray, batch_size: int, rng: np.random.Generator
) -> IntArray:
    """Pick typical texts of large clusters without labels (TypiClust; Hacohen et al., 2022).

    Labelled and unlabelled texts are clustered together into L + batch_size clusters. Clusters with the fewest labels
    are visited first, larger ones before smaller ones, and each gives its most typical text: typicality is the inverse
    of the mean distance to the 20 nearest neighbours in the cluster (equation 1). Deviations: when there are fewer
    clusters than picks, clusters are visited again; in a cluster of more than 2,000 texts, typicality is computed for
    2,000 random ones.

    Args:
        embeddings_N_D: N unlabelled texts.
        labelled_L_D: L labelled texts; L may be 0.
        batch_size: upper limit on picks.
        rng: starts the clustering, and draws from large clusters.

    Returns:
        indices_B into the N texts, first = ask first; B = min(batch_size, N).
    """
    size = len(embeddings_N_D)
    batch_size = min(batch_size, size)
    if batch_size == 0:
        return np.zeros(0, dtype=np.int64)
    both_M_D = unit(np.concatenate([embeddings_N_D, labelled_L_D]) if len(labelled_L_D) else embeddings_N_D)
    cluster_M = cluster(both_M_D, min(len(labelled_L_D) + batch_size, MAX_CLUSTERS), rng)
    queues = [
        _most_typical_first(both_M_D, np.flatnonzero(cluster_M[:size] == c), rng) for c in range(cluster_M.max() + 1)
    ]
    labels_in = np.bincount(cluster_M[size:], minlength=len(queues))
    return _visit(queues, labels_in, batch_size)


def _most_typical_first(embeddings_N_D: FloatArray, rows: IntArray, rng: np.random.Generator) -> IntArray:
    """Order a cluster's rows, the most typical first; in a large cluster, rows without a typicality come last."""
    among = rng.permutation(rows) if len(rows) > TYPICAL_AMONG else rows
    compared, rest = among[:TYPICAL_AMONG], among[TYPICAL_AMONG:]
    return np.concatenate([compared[np.argsort(-typicality(embeddings_N_D[compared]), kind="stable")], rest])


def _visit(queues: Sequence[IntArray], labels_in: IntArray, batch_size: int) -> IntArray:
    """Take a text from the cluster with the fewest labels and picks, again and again; small clusters come last."""
    taken = np.zeros(len(queues), dtype=np.int64)
    picked: list[int] = []
    while len(picked) < batch_size:
        open_groups = [g for g, queue in enumerate(queues) if taken[g] < len(queue)]
        best = min(
            open_groups,
            key=lambda g: (len(queues[g]) < SMALL_CLUSTER, labels_in[g] + taken[g], -len(queues[g])),
        )
        picked.append(int(queues[best][taken[best]]))
        taken[best] += 1
    return np.array(picked, dtype=np.int64)


def typicality(embeddings_N_D: FloatArray) -> FloatArray:
    """Inverse mean distance to the nearest neighbours among the same N texts (Hacohen et al., 2022, equation 1).

    Args:
        embeddings_N_D: texts of one cluster.

    Returns:
        scores_N > 0; higher means more typical. A lone text scores 1.
    """
    neighbours = min(NEIGHBOURS, len(embeddings_N_D) - 1)
    if neighbours < 1:
        return np.ones(len(embeddings_N_D))
    index = _sklearn("neighbors").NearestNeighbors(n_neighbors=neighbours + 1).fit(embeddings_N_D)
    distances_N_K, _ = index.kneighbors(embeddings_N_D)
    scores_N: FloatArray = 1.0 / (distances_N_K[:, 1:].mean(axis=1) + 1e-5)
    return scores_N


def kcenter(
    embeddings_N_D: FloatArray, labelled_L_D: FloatArray, batch_size: int, rng: np.random.Generator
) -> IntArray:
    """Pick the text farthest from labelled and picked texts, again and again (core-set; Sener and Savarese, 2018).

    Their greedy algorithm 1: no text ends up more than twice as far from a label as the best batch would leave it.

    Args:
        embeddings_N_D: N unlabelled texts.
        labelled_L_D: L labelled texts; with L = 0 the first pick is drawn at random.
        batch_size: upper limit on picks.
        rng: draws the first pick.

    Returns:
        indices_B, the farthest first; B = min(batch_size, N).
    """
    size = len(embeddings_N_D)
    batch_size = min(batch_size, size)
    if batch_size == 0:
        return np.zeros(0, dtype=np.int64)
    nearest_N = np.full(size, np.inf)
    if len(labelled_L_D):
        nearest_N = np.square(_sklearn("metrics").pairwise_distances_argmin_min(embeddings_N_D, labelled_L_D)[1])
    square_N = np.square(embeddings_N_D).sum(axis=1)
    picked: list[int] = []
    while len(picked) < batch_size:
        row = int(nearest_N.argmax()) if len(labelled_L_D) or picked else int(rng.integers(size))
        picked.append(row)
        nearest_N = np.minimum(nearest_N, _square_distances(embeddings_N_D, square_N, row))
        # A text that repeats a picked one is at distance 0; a picked text must come after it.
        nearest_N[picked] = -1.0
    return np.array(picked, dtype=np.int64)


def _square_distances(embeddings_N_D: FloatArray, square_N: FloatArray, row: int) -> FloatArray:
    """Squared distances from one of N texts to all, distances_N."""
    distances_N: FloatArray = square_N + square_N[row] - 2 * (embeddings_N_D @ embeddings_N_D[row])
    return np.maximum(distances_N, 0.0)


def kmeans(embeddings_N_D: FloatArray, batch_size: int, rng: np.random.Generator) -> IntArray:
    """Pick the text nearest to the centre of each of `batch_size` clusters (after Xu et al., 2003, and Zhdanov, 2019).

    Deviation: both papers choose among doubtful texts; here the whole pool is clustered.

    Args:
        embeddings_N_D: N unlabelled texts.
        batch_size: upper limit on picks.
        rng: starts the clustering.

    Returns:
        indices_B, from the largest cluster to the smallest; B = min(batch_size, N).
    """
    size = len(embeddings_N_D)
    if size == 0:
        return np.zeros(0, dtype=np.int64)
    unit_N_D = unit(embeddings_N_D)
    cluster_N = cluster(unit_N_D, min(batch_size, size), rng)
    sizes = np.bincount(cluster_N)
    # k-means in mini-batches may leave a cluster empty.
    largest_first = [c for c in np.argsort(-sizes, kind="stable") if sizes[c]]
    queues = [_nearest_to_mean_first(unit_N_D, np.flatnonzero(cluster_N == c)) for c in largest_first]
    # Where repeated texts leave fewer clusters than picks, each cluster gives a further text in turn.
    rounds = (queue[place] for place in range(size) for queue in queues if place < len(queue))
    return np.fromiter(islice(rounds, min(batch_size, size)), dtype=np.int64)


def _nearest_to_mean_first(unit_N_D: FloatArray, rows: IntArray) -> IntArray:
    mean_D = unit_N_D[rows].mean(axis=0)
    return rows[np.argsort(np.square(unit_N_D[rows] - mean_D).sum(axis=1), kind="stable")]


def cluster(embeddings_N_D: FloatArray, count: int, rng: np.random.Generator) -> IntArray:
    """Cluster N texts by k-means: cluster_N in 0 … count-1; fewer clusters where there are fewer different texts."""
    count = max(1, _distinct(embeddings_N_D, count))
    kinds = _sklearn("cluster")
    kind = kinds.KMeans if len(embeddings_N_D) <= _MINI_BATCH_FROM else kinds.MiniBatchKMeans
    fitted = kind(n_clusters=count, n_init=1, random_state=int(rng.integers(2**31))).fit(embeddings_N_D)
    labels_N: IntArray = fitted.labels_
    return labels_N


def _sklearn(name: str) -> Any:
    """A module of scikit-learn, at its first use: every command imports this file, and few compute with it."""
    return import_module(f"sklearn.{name}")


def _distinct(embeddings_N_D: FloatArray, most: int) -> int:
    """Count different texts, up to `most`; mostly the first PART texts are enough to reach `most`."""
    for size in (PART, len(embeddings_N_D)):
        distinct = min(most, len(np.unique(embeddings_N_D[:size].round(6), axis=0)))
        if distinct == most:
            break
    return distinct


def unit(embeddings_N_D: FloatArray) -> FloatArray:
    """Scale rows to length 1, so that distances depend on directions alone."""
    exact_N_D = embeddings_N_D.astype(np.result_type(embeddings_N_D, np.float32), copy=False)
    norms_N_1 = np.linalg.norm(exact_N_D, axis=1, keepdims=True)
    unit_N_D: FloatArray = exact_N_D / np.maximum(norms_N_1, 1e-12)
    return unit_N_D
