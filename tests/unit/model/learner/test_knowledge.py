import numpy as np
import pytest
import torch
from torch import nn

from model.learner.knowledge import know, know_nothing, space_of
from model.learner.prototypes import Trust
from model.types import LabelledEmbeddings, LabelSet

RNG = np.random.default_rng(0)
# Words have directions, and every text has something in common besides.
WORDS = {word: row for row, word in enumerate(("card", "transfer", "pin", "cash"))}
LABEL_TEXTS = (("card",), ("transfer",), ("pin",))


def embed(texts) -> np.ndarray:
    rows = [[4.0] + [3.0 * (word in text) for word in WORDS] + [0.0] for text in texts]
    return np.array(rows, dtype=np.float32).reshape(len(texts), 6)


POOL = ["my card", "a transfer", "the pin"] * 10


def knowledge(label_texts=LABEL_TEXTS, pool=POOL, classes: int = 3, *, is_multilabel: bool = False):
    label_set = LabelSet(tuple(f"label {n}" for n in range(classes)), is_multilabel)
    return know(label_texts, label_set, embed(pool), embed)


def head_of(known, texts=(), targets_L_C=None) -> nn.Linear:
    targets_L_C = np.zeros((0, 3), dtype=np.float32) if targets_L_C is None else targets_L_C
    head = nn.Linear(6, targets_L_C.shape[1])
    labelled = LabelledEmbeddings(embed(texts), targets_L_C)
    known.teach(labelled).fit(head, labelled)
    return head


def said(head: nn.Linear, texts) -> torch.Tensor:
    with torch.no_grad():
        return head(torch.from_numpy(embed(texts)))


def test_a_head_from_names_alone_says_what_the_teacher_says():
    assert knowledge().tells_apart
    head = head_of(knowledge())
    assert said(head, ["card", "transfer", "pin"]).argmax(dim=1).tolist() == [0, 1, 2]


def test_a_label_without_a_name_is_ruled_out_until_somebody_gives_it():
    known = knowledge((("card",), (), ("pin",)))
    assert said(head_of(known), ["transfer"]).argmax(dim=1).item() != 1
    once_1_3 = np.array([[0, 1, 0]], dtype=np.float32)
    assert said(head_of(known, ["a transfer"], once_1_3), ["transfer"]).argmax(dim=1).item() == 1


def test_several_readings_of_a_name_count_together():
    known = knowledge((("card", "which? card"), ("transfer", "which? transfer"), ("pin", "which? pin")))
    assert known.names_R_C_D.shape == (2, 3, 6)
    assert said(head_of(known), ["card", "transfer", "pin"]).argmax(dim=1).tolist() == [0, 1, 2]


def test_labels_with_the_same_name_are_told_apart_by_labelled_texts_alone():
    known = knowledge((("card",), ("card",)), classes=2)
    targets_4_2 = np.eye(2, dtype=np.float32)[[0, 0, 1, 1]]
    assert not known.tells_apart
    head = head_of(known, ["a transfer", "my transfer", "the pin", "pin"], targets_4_2)
    assert said(head, ["transfer", "pin"]).argmax(dim=1).tolist() == [0, 1]


@pytest.mark.parametrize("label_texts", [(), ((), (), ())])
def test_where_names_say_nothing_nothing_is_said(label_texts):
    known = knowledge(label_texts)
    assert not known.tells_apart
    assert known.teach(LabelledEmbeddings(embed([]), np.zeros((0, 3), dtype=np.float32))).trust.names is False


def test_with_several_labels_a_text_a_name_stands_against_the_rest():
    known = knowledge(is_multilabel=True)
    proba_N_C = torch.sigmoid(said(head_of(known), POOL)).numpy()
    assert proba_N_C.sum(axis=1).mean() == pytest.approx(1.0, abs=0.2)
    assert (proba_N_C.argmax(axis=1) == np.arange(30) % 3).all()


def test_the_only_label_of_several_that_may_hold_has_a_prototype_too():
    known = knowledge((("card",),), classes=1, is_multilabel=True)
    logits_N_1 = said(head_of(known, targets_L_C=np.zeros((0, 1), dtype=np.float32)), ["card", "pin"])
    assert logits_N_1[0] > logits_N_1[1]


def test_one_class_alone_is_learned_without_certainty():
    head = head_of(know_nothing(2, 6), ["card"] * 8, np.eye(2, dtype=np.float32)[[0] * 8])
    sure_N = torch.softmax(said(head, ["card", "pin"]), dim=1)[:, 0]
    assert ((sure_N > 0.6) & (sure_N < 0.99)).all()


def test_the_trust_that_is_given_is_kept():
    given = Trust(names=False, pool=0.0)
    labelled = LabelledEmbeddings(embed(["card"]), np.eye(1, 3, dtype=np.float32))
    assert knowledge().teach(labelled, trust=given).trust == given


@pytest.mark.parametrize("pool", [[], ["card"], ["card"] * 50, ["", ""]])
def test_a_pool_of_none_one_copies_or_empty_texts_leaves_names_in_place(pool):
    head = head_of(knowledge(pool=pool))
    assert all(torch.isfinite(part).all() for part in head.parameters())
    assert said(head, ["card", "transfer", "pin"]).argmax(dim=1).tolist() == [0, 1, 2]


def test_a_space_of_copies_has_no_spread_to_divide_by():
    assert space_of(np.ones((5, 4), dtype=np.float32)).spread == 1.0


def test_texts_count_in_the_centre_as_much_as_they_weigh():
    rows_2_2 = np.eye(2, dtype=np.float32)
    np.testing.assert_allclose(space_of(rows_2_2, np.array([3.0, 1.0])).centre_D, [0.75, 0.25])
