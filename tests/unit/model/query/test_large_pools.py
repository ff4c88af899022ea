import numpy as np
import pytest

from model.errors import InvalidEmbeddingsError, InvalidProbabilitiesError
from model.query.large_pools import PART, candidates, parts
from model.query.unlabelled import check_embeddings, check_proba

NOTHING = np.zeros(0, dtype=np.int64)


def test_parts_go_through_every_row_once():
    rows_N = np.arange(10)
    assert [rows_N[part].tolist() for part in parts(10, 4)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert list(parts(0, 4)) == []


def test_a_pool_that_is_not_too_large_has_no_candidates_but_all():
    assert candidates(5, np.arange(5.0), NOTHING, most=5).tolist() == [0, 1, 2, 3, 4]


def test_half_of_the_candidates_score_highest_and_half_are_drawn_from_all_others():
    scores_N = np.zeros(1_000)
    scores_N[[400, 700, 900]] = [2, 3, 1]
    # The rows are in random order, so that the first are drawn.
    assert candidates(1_000, scores_N, NOTHING, most=6).tolist() == [0, 1, 2, 400, 700, 900]


def test_where_nothing_scores_all_candidates_are_drawn():
    assert candidates(1_000, None, NOTHING, most=4).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("scores_N", [None, np.arange(1_000.0)])
def test_what_has_to_be_among_the_candidates_is(scores_N):
    rows = candidates(1_000, scores_N, np.array([500, 600]), most=10)
    assert {500, 600} <= set(rows.tolist())
    assert len(rows) == 10


def test_a_bad_row_is_named_wherever_it_is():
    proba_N_C, embeddings_N_D = np.full((2 * PART, 2), 0.5), np.ones((2 * PART, 2))
    proba_N_C[PART + 7], embeddings_N_D[PART + 9, 1] = 0.7, np.inf
    with pytest.raises(InvalidProbabilitiesError, match=f"row {PART + 7} "):
        check_proba(proba_N_C)
    with pytest.raises(InvalidEmbeddingsError, match=f"row {PART + 9} "):
        check_embeddings(embeddings_N_D)
