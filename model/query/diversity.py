"""Diversity: a batch that covers the pool instead of asking the same thing many times."""

from collections.abc import Sequence
from itertools import islice

import numpy as np
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.metrics import pairwise_distances_argmin_min
from sklearn.neighbors import NearestNeighbors

from model.query.large_pools import PART
from model.types import FloatArray, IntArray

# Hacohen et al. (2022): at most 500 clusters, typicality over 20 neighbours, clusters under 5 texts come last.
MAX_CLUSTERS = 500
NEIGHBOURS = 20
SMALL_CLUSTER = 5
# So many texts stand for a larger cluster: distances between all of them would take the square of its size.
TYPICAL_AMONG = 2_000
# Above this many texts, k-means sees them in mini-batches.
_MINI_BATCH_FROM = 10_000


def typiclust(
    embeddings_N_D: FloatArray, labelled_L_D: FloatArray, batch_size: int, rng: np.random.Generator
) -> IntArray:
    """Pick typical texts of the largest groups that nobody labelled yet (TypiClust; Hacohen et al., 2022).

    Clusters labelled and unlabelled texts together into L + batch_size groups, then visits groups with the fewest
    labels first, the larger first among those, and takes the most typical text of each: typicality is the inverse of
    the mean distance to the 20 nearest neighbours in the group (equation 1). Deviations: when fewer groups are left
    than asked for, further texts come from the same groups in turn; of a group of more than 2,000 texts, so many random
    ones are looked at.

    Args:
        embeddings_N_D: N unlabelled texts.
        labelled_L_D: the L labelled ones; L may be 0.
        batch_size: how many to pick.
        rng: for the clustering's start.

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
    """A cluster's rows in falling order of typicality; of a large one the rows that stand for it come first."""
    among = rng.permutation(rows) if len(rows) > TYPICAL_AMONG else rows
    standing, rest = among[:TYPICAL_AMONG], among[TYPICAL_AMONG:]
    return np.concatenate([standing[np.argsort(-typicality(embeddings_N_D[standing]), kind="stable")], rest])


def _visit(queues: Sequence[IntArray], labels_in: IntArray, batch_size: int) -> IntArray:
    """Take one text a visit from the group with the fewest labels and picks; large groups before small ones."""
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
    distances_N_K, _ = NearestNeighbors(n_neighbors=neighbours + 1).fit(embeddings_N_D).kneighbors(embeddings_N_D)
    scores_N: FloatArray = 1.0 / (distances_N_K[:, 1:].mean(axis=1) + 1e-5)
    return scores_N


def kcenter(
    embeddings_N_D: FloatArray, labelled_L_D: FloatArray, batch_size: int, rng: np.random.Generator
) -> IntArray:
    """Pick the text farthest from everything labelled or picked, again and again (core-set; Sener and Savarese, 2018).

    The greedy way of their algorithm 1, which leaves no text more than twice as far from a label as need be.

    Args:
        embeddings_N_D: N unlabelled texts.
        labelled_L_D: the L labelled ones; where there are none, the first pick is drawn at random.
        batch_size: how many to pick.
        rng: for that first pick.

    Returns:
        indices_B, the farthest first; B = min(batch_size, N).
    """
    size = len(embeddings_N_D)
    batch_size = min(batch_size, size)
    if batch_size == 0:
        return np.zeros(0, dtype=np.int64)
    nearest_N = np.full(size, np.inf)
    if len(labelled_L_D):
        nearest_N = np.square(pairwise_distances_argmin_min(embeddings_N_D, labelled_L_D)[1])
    square_N = np.square(embeddings_N_D).sum(axis=1)
    picked: list[int] = []
    while len(picked) < batch_size:
        row = int(nearest_N.argmax()) if len(labelled_L_D) or picked else int(rng.integers(size))
        picked.append(row)
        nearest_N = np.minimum(nearest_N, _square_distances(embeddings_N_D, square_N, row))
        # A text that repeats one that is picked is 0 away from it, and still comes before those picked already.
        nearest_N[picked] = -1.0
    return np.array(picked, dtype=np.int64)


def _square_distances(embeddings_N_D: FloatArray, square_N: FloatArray, row: int) -> FloatArray:
    """From one of the texts to all."""
    distances_N: FloatArray = square_N + square_N[row] - 2 * (embeddings_N_D @ embeddings_N_D[row])
    return np.maximum(distances_N, 0.0)


def kmeans(embeddings_N_D: FloatArray, batch_size: int, rng: np.random.Generator) -> IntArray:
    """Pick the text nearest to the centre of each of `batch_size` clusters (after Xu et al., 2003, and Zhdanov, 2019).

    Deviation: both choose among the texts that the classifier doubts; here the whole pool is clustered.

    Args:
        embeddings_N_D: N unlabelled texts.
        batch_size: how many to pick.
        rng: for the clustering's start.

    Returns:
        indices_B, from the largest cluster to the smallest; B = min(batch_size, N).
    """
    size = len(embeddings_N_D)
    if size == 0:
        return np.zeros(0, dtype=np.int64)
    unit_N_D = unit(embeddings_N_D)
    cluster_N = cluster(unit_N_D, min(batch_size, size), rng)
    sizes = np.bincount(cluster_N)
    # In mini-batches a cluster may stay empty.
    largest_first = [c for c in np.argsort(-sizes, kind="stable") if sizes[c]]
    queues = [_nearest_to_mean_first(unit_N_D, np.flatnonzero(cluster_N == c)) for c in largest_first]
    # Repeated texts leave fewer clusters than picks: these then come from the clusters in turn.
    rounds = (queue[place] for place in range(size) for queue in queues if place < len(queue))
    return np.fromiter(islice(rounds, min(batch_size, size)), dtype=np.int64)


def _nearest_to_mean_first(unit_N_D: FloatArray, rows: IntArray) -> IntArray:
    mean_D = unit_N_D[rows].mean(axis=0)
    return rows[np.argsort(np.square(unit_N_D[rows] - mean_D).sum(axis=1), kind="stable")]


def cluster(embeddings_N_D: FloatArray, count: int, rng: np.random.Generator) -> IntArray:
    """k-means: cluster_N in 0 … count-1; fewer groups where there are fewer different texts."""
    count = max(1, _distinct(embeddings_N_D, count))
    kind = KMeans if len(embeddings_N_D) <= _MINI_BATCH_FROM else MiniBatchKMeans
    fitted = kind(n_clusters=count, n_init=1, random_state=int(rng.integers(2**31))).fit(embeddings_N_D)
    labels_N: IntArray = fitted.labels_
    return labels_N


def _distinct(embeddings_N_D: FloatArray, most: int) -> int:
    """How many different texts there are, or `most` if there are more: mostly the first ones tell."""
    for size in (PART, len(embeddings_N_D)):
        distinct = min(most, len(np.unique(embeddings_N_D[:size].round(6), axis=0)))
        if distinct == most:
            break
    return distinct


def unit(embeddings_N_D: FloatArray) -> FloatArray:
    """Rows of length 1, so that distance is cosine distance."""
    exact_N_D = embeddings_N_D.astype(np.result_type(embeddings_N_D, np.float32), copy=False)
    norms_N_1 = np.linalg.norm(exact_N_D, axis=1, keepdims=True)
    unit_N_D: FloatArray = exact_N_D / np.maximum(norms_N_1, 1e-12)
    return unit_N_D
