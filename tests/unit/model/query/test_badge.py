import numpy as np

from model.links import ANY_OF
from model.query.badge import badge


def gradients(proba_N_C, embeddings_N_D) -> np.ndarray:
    """Written out: (p - e_likeliest) ⊗ embedding."""
    residual_N_C = proba_N_C - np.eye(proba_N_C.shape[1])[proba_N_C.argmax(axis=1)]
    return (residual_N_C[:, :, None] * embeddings_N_D[:, None, :]).reshape(len(proba_N_C), -1)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_the_first_has_the_longest_gradient():
    proba_N_C, embeddings_N_D = rng().dirichlet(np.ones(3), size=40), rng(1).normal(size=(40, 5))
    longest = np.linalg.norm(gradients(proba_N_C, embeddings_N_D), axis=1).argmax()
    assert badge(proba_N_C, embeddings_N_D, 1, rng()).tolist() == [longest]


def test_the_second_is_drawn_by_the_square_of_its_distance():
    proba_N_C, embeddings_N_D = rng().dirichlet(np.ones(3), size=6), rng(1).normal(size=(6, 2))
    gradient_N_X = gradients(proba_N_C, embeddings_N_D)
    square_N = np.square(gradient_N_X - gradient_N_X[badge(proba_N_C, embeddings_N_D, 1, rng())]).sum(axis=1)
    drawn_N = np.bincount([badge(proba_N_C, embeddings_N_D, 2, rng(seed))[1] for seed in range(3000)], minlength=6)
    # A count of 3000 draws is off by at most 27 two times in three.
    np.testing.assert_allclose(drawn_N, 3000 * square_N / square_N.sum(), atol=4 * 28)


def test_texts_that_the_classifier_is_sure_of_move_nothing_and_count_as_one():
    proba_N_C = np.array([[0.5, 0.5]] * 3 + [[1.0, 0.0]] * 30)
    embeddings_N_D = np.concatenate([np.eye(3), rng().normal(size=(30, 3))])
    for seed in range(10):
        assert {0, 1, 2} < set(badge(proba_N_C, embeddings_N_D, 4, rng(seed)).tolist())


def test_a_repeated_text_is_not_picked_twice_while_others_are_left():
    proba_N_C = np.array([[0.6, 0.4]] * 4)
    embeddings_N_D = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    for seed in range(10):
        assert 3 in badge(proba_N_C, embeddings_N_D, 2, rng(seed))


def test_with_several_labels_doubts_about_different_labels_are_different():
    proba_N_C = np.array([[0.49, 0.0, 0.0], [0.48, 0.0, 0.0], [0.0, 0.0, 0.48]])
    for seed in range(10):
        assert badge(proba_N_C, np.ones((3, 2)), 2, rng(seed), ANY_OF).tolist() == [0, 2]


def test_77_classes_and_384_dimensions_take_no_more_than_their_two_factors():
    proba_N_C = rng().dirichlet(np.ones(77), size=2000).astype(np.float32)
    embeddings_N_D = rng(1).normal(size=(2000, 384)).astype(np.float32)
    assert len(set(badge(proba_N_C, embeddings_N_D, 32, rng()).tolist())) == 32
