"""Heads fitted anew on a trained encoder's embeddings: for new labels, for a committee, and for supposed labels."""

import copy
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np
import torch
from torch import nn

from model.encoder.classifier import TextClassifier
from model.encoder.inference import head_proba
from model.learner.knowledge import Knowledge
from model.learner.prototypes import Trust
from model.query.unlabelled import Predict, Refit
from model.types import FloatArray, IntArray, LabelledEmbeddings

# Half of a committee is made in each way.
HEADS = 8
MASKS = 8
# BERT's own dropout before its classification layer (Devlin et al., 2019).
DROPOUT = 0.1


@dataclass(frozen=True)
class HeadData:
    """All that a new head is fitted from; the encoder stays as it is.

    Attributes:
        classifier: provides the encoder, the temperature and the shape of the head.
        labelled: labelled texts as the classifier's encoder embeds them; L may be 0 where label names say something.
        knowledge: label names and pool as the same encoder embeds them.
    """

    classifier: TextClassifier
    labelled: LabelledEmbeddings
    knowledge: Knowledge


def fit_new_head(data: HeadData, trust: Trust | None = None) -> nn.Linear:
    """Fit a head around the prototypes of names, labelled texts and pool; `trust` None: chosen on the labels."""
    head = copy.deepcopy(data.classifier.head)
    teacher = data.knowledge.teach(data.labelled, trust=trust)
    teacher.fit(head, data.labelled)
    return head


def with_refitted_head(data: HeadData, trust: Trust | None = None) -> TextClassifier:
    """Give the classifier a head that is fitted on all labels of `data`.

    Args:
        data: its classifier may be trained or not, and is not changed.
        trust: how far names and pool count; None: chosen on these labels.

    Returns:
        A classifier that shares encoder and temperature with the given one.
    """
    return replace(data.classifier, head=fit_new_head(data, trust))


def committee_proba(data: HeadData, embeddings_N_D: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Class probabilities of N texts by each member of a committee.

    Half of the members are heads fitted on bootstrap samples of the labels (Breiman, 1996; Abe and Mamitsuka, 1998).
    The others are the classifier's own head under Monte Carlo dropout (Gal and Ghahramani, 2016); a member has one mask
    for all texts, so that it is one function. Deviation: dropout is on the head's input alone, over embeddings computed
    once.

    Args:
        data: a trained classifier and its labels; members share its temperature.
        embeddings_N_D: N texts as the classifier's encoder embeds them.
        rng: draws samples and masks.

    Returns:
        proba_N_K_C; K = HEADS + MASKS, or MASKS alone where there are no labels.
    """
    classifier, labels = data.classifier, len(data.labelled)
    trust = _trust_without_pool(data.labelled, data.knowledge)
    samples = [rng.integers(labels, size=labels) for _ in range(HEADS if labels else 0)]
    heads = [fit_new_head(_resampled(data, rows_L), trust) for rows_L in samples]
    keep_K_D = (rng.random((MASKS, embeddings_N_D.shape[1])) >= DROPOUT).astype(np.float32) / (1 - DROPOUT)
    by_head = [head_proba(classifier, head, embeddings_N_D) for head in heads]
    by_mask = [head_proba(classifier, _masked(classifier.head, keep_D), embeddings_N_D) for keep_D in keep_K_D]
    return np.stack([*by_head, *by_mask], axis=1)


def _resampled(data: HeadData, rows_L: IntArray) -> HeadData:
    embeddings_L_D, targets_L_C = data.labelled.embeddings_L_D[rows_L], data.labelled.targets_L_C[rows_L]
    return replace(data, labelled=LabelledEmbeddings(embeddings_L_D, targets_L_C))


def refit_with(data: HeadData) -> Refit:
    """A function that fits a head on the labelled texts and on further ones; the encoder is not trained."""
    labelled = data.labelled
    trust = cache(partial(_trust_without_pool, labelled, data.knowledge))

    def refit(more_M_D: FloatArray, targets_M_C: FloatArray) -> Predict:
        both = LabelledEmbeddings(
            np.concatenate([labelled.embeddings_L_D, more_M_D]), np.concatenate([labelled.targets_L_C, targets_M_C])
        )
        head = fit_new_head(replace(data, labelled=both), trust())
        return lambda embeddings_N_D: head_proba(data.classifier, head, embeddings_N_D)

    return refit


def _trust_without_pool(labelled: LabelledEmbeddings, knowledge: Knowledge) -> Trust:
    """Choose how far names count; the pool counts nothing, since each of dozens of fits would go through all of it."""
    return replace(knowledge, pool_M_D=knowledge.pool_M_D[:0]).teach(labelled).trust


def _masked(head: nn.Linear, keep_D: FloatArray) -> nn.Linear:
    """A head whose weights are masked: masking the weights saves a masked copy of all embeddings."""
    masked = copy.deepcopy(head)
    with torch.no_grad():
        masked.weight.mul_(torch.from_numpy(keep_D))
    return masked
