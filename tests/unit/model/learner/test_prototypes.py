import numpy as np
import pytest

from model.learner.prototypes import Evidence, Trust, choose_trust, directions, proba, prototypes, surest, unit_rows

RNG = np.random.default_rng(0)
NAMES_AND_POOL, NAMES_ALONE, LABELS_ALONE = Trust(True, 0.4), Trust(True, 0.0), Trust(False, 0.0)
# Three classes around three axes of eight, with a little noise.
AXES_3_8 = np.eye(3, 8, dtype=np.float32)


def texts_of(classes, noise: float = 0.3, centres_3_8=AXES_3_8) -> np.ndarray:
    return unit_rows(centres_3_8[classes] + noise * RNG.normal(size=(len(classes), 8)))


def evidence(names_3_8=AXES_3_8, classes=(), pool_3_8=AXES_3_8, noise: float = 0.3) -> Evidence:
    classes = np.array(classes, dtype=int)
    return Evidence(
        unit_rows(np.asarray(names_3_8, dtype=np.float32)),
        texts_of(classes, noise),
        np.eye(3, dtype=np.float32)[classes],
        texts_of(np.arange(300) % 3, noise, pool_3_8),
    )


def right(known: Evidence, trust: Trust, centres_3_8=AXES_3_8) -> float:
    classes = np.arange(300) % 3
    said_N = proba(texts_of(classes, 0.3, centres_3_8), prototypes(known, trust)).argmax(axis=1)
    return float((said_N == classes).mean())


def test_names_alone_tell_classes_apart_that_lie_around_them():
    assert right(evidence(), NAMES_ALONE) > 0.9


def test_the_pool_moves_prototypes_from_names_to_the_texts_that_look_alike():
    # What the names say is half of what the texts are about.
    about_3_8 = unit_rows(AXES_3_8 + np.roll(AXES_3_8, 4, axis=1))
    known = evidence(pool_3_8=about_3_8)
    cosine = [np.diag(prototypes(known, trust) @ about_3_8.T).mean() for trust in (NAMES_ALONE, NAMES_AND_POOL)]
    assert cosine[1] > cosine[0] + 0.1


def test_a_class_of_which_nothing_is_known_has_no_prototype_and_no_probability():
    known = evidence(names_3_8=np.zeros((3, 8)), classes=[0, 1, 0, 1])
    found_3_8 = prototypes(known, Trust(False, 0.4))
    assert not found_3_8[2].any()
    proba_N_3 = proba(known.pool_M_D, found_3_8)
    assert (proba_N_3[:, 2] == 0).all()
    np.testing.assert_allclose(proba_N_3.sum(axis=1), 1.0, rtol=1e-5)


def test_where_nothing_is_known_of_any_class_nothing_is_said():
    known = evidence(names_3_8=np.zeros((3, 8)))
    assert not proba(known.pool_M_D, prototypes(known, NAMES_AND_POOL)).any()


def test_without_labels_names_and_pool_are_trusted():
    assert choose_trust(evidence()) == NAMES_AND_POOL
    assert choose_trust(evidence(names_3_8=np.zeros((3, 8)))) == Trust(False, 0.4)


def test_names_that_labels_contradict_are_not_trusted():
    crossed_3_8 = np.roll(AXES_3_8, 1, axis=0)
    classes = [0, 1, 2] * 8
    assert choose_trust(evidence(crossed_3_8, classes)).names is False
    assert choose_trust(evidence(AXES_3_8, classes)).names is True


def test_a_pool_that_misleads_is_not_trusted():
    # Its texts lie between the classes.
    between_3_8 = unit_rows(AXES_3_8 + np.roll(AXES_3_8, 1, axis=0))
    known = evidence(AXES_3_8, [0, 1, 2] * 12, between_3_8)
    assert choose_trust(known) == NAMES_ALONE
    assert right(known, NAMES_ALONE) > right(known, Trust(True, 0.5))


def test_trust_does_not_depend_on_chance():
    close_calls = [evidence(AXES_3_8, [0, 1, 2] * 5, noise=noise) for noise in np.linspace(0.5, 2.0, 20)]
    chosen = []
    for seed in (1, 2):
        np.random.seed(seed)
        chosen.append([choose_trust(known) for known in close_calls])
    assert chosen[0] == chosen[1]
    assert len(set(chosen[0])) > 1


@pytest.mark.parametrize("pool_M_8", [np.zeros((0, 8)), np.zeros((5, 8)), np.ones((1, 8)) / 8**0.5])
def test_a_pool_of_none_one_or_empty_texts_does_no_harm(pool_M_8):
    known = evidence()
    odd = Evidence(known.names_C_D, known.labelled_L_D, known.targets_L_C, pool_M_8.astype(np.float32))
    found_3_8 = prototypes(odd, NAMES_AND_POOL)
    assert np.isfinite(found_3_8).all()
    assert (np.diag(found_3_8 @ AXES_3_8.T) > 0.5).all()


def test_directions_are_seen_from_the_centre():
    rows_2_2 = np.array([[2.0, 0.0], [0.0, 5.0]], dtype=np.float32)
    seen_2_2 = directions(rows_2_2, np.array([0.5, 0.5], dtype=np.float32))
    np.testing.assert_allclose(seen_2_2, np.array([[1, -1], [-1, 1]]) / np.sqrt(2), rtol=1e-5)


def test_a_text_at_the_centre_has_no_direction():
    assert not directions(np.ones((1, 4), dtype=np.float32), np.full(4, 0.5, dtype=np.float32)).any()


def test_the_surest_texts_are_as_many_of_each_class_as_can_be():
    proba_6_2 = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.4, 0.6], [0.0, 0.0], [0.45, 0.55]])
    assert surest(proba_6_2, 2).tolist() == [0, 3]
    assert surest(proba_6_2, 4).tolist() == [0, 3, 1, 5]
    assert surest(proba_6_2, 99).tolist() == [0, 3, 1, 5, 2]
