"""Heads fitted anew on a trained encoder's embeddings: a committee, and what a label more would change."""

import copy
from dataclasses import replace
from functools import cache, partial

import numpy as np
import torch
from torch import nn

from model.encoder.bert import TextClassifier
from model.encoder.inference import head_proba
from model.learner.knowledge import Knowledge
from model.learner.prototypes import Trust
from model.query.unlabelled import Predict, Refit
from model.types import FloatArray

# Half of a committee is made in each way.
HEADS = 8
MASKS = 8
# BERT's own dropout before its classification layer (Devlin et al., 2019).
DROPOUT = 0.1


def committee_proba(
    classifier: TextClassifier,
    embeddings_N_D: FloatArray,
    labelled_L_D: FloatArray,
    targets_L_C: FloatArray,
    knowledge: Knowledge,
    rng: np.random.Generator,
) -> FloatArray:
    """What a committee says of N texts.

    Half of the members are heads fitted on bootstrap samples of the labels (Breiman, 1996; Abe and Mamitsuka, 1998),
    the others the classifier's own head under Monte Carlo dropout (Gal and Ghahramani, 2016), one mask for all texts,
    so that a member is one function. Deviation: dropout is on the head's input alone, over embeddings computed once.

    Args:
        classifier: a trained one; its temperature is the members' too.
        embeddings_N_D: what it gives its head.
        labelled_L_D: the same of the labelled texts.
        targets_L_C: their shares.
        knowledge: names and pool as the classifier's encoder sees them.
        rng: draws samples and masks.

    Returns:
        proba_N_K_C; K = HEADS + MASKS, or MASKS alone where all labels are gone.
    """
    heads_wanted = HEADS if len(labelled_L_D) else 0
    trust = _trust(labelled_L_D, targets_L_C, knowledge)
    samples = [rng.integers(len(labelled_L_D), size=len(labelled_L_D)) for _ in range(heads_wanted)]
    heads = [fitted(classifier, labelled_L_D[rows_L], targets_L_C[rows_L], knowledge, trust) for rows_L in samples]
    kept_K_D = (rng.random((MASKS, embeddings_N_D.shape[1])) >= DROPOUT).astype(np.float32) / (1 - DROPOUT)
    by_head = [head_proba(classifier, head, embeddings_N_D) for head in heads]
    by_mask = [head_proba(classifier, _masked(classifier.head, kept_D), embeddings_N_D) for kept_D in kept_K_D]
    return np.stack([*by_head, *by_mask], axis=1)


def refit_with(
    classifier: TextClassifier, labelled_L_D: FloatArray, targets_L_C: FloatArray, knowledge: Knowledge
) -> Refit:
    """A function that fits a head on the labelled texts and further ones, the encoder staying as it is."""
    trust = cache(partial(_trust, labelled_L_D, targets_L_C, knowledge))

    def refit(more_M_D: FloatArray, targets_M_C: FloatArray) -> Predict:
        embeddings_D = np.concatenate([labelled_L_D, more_M_D])
        head = fitted(classifier, embeddings_D, np.concatenate([targets_L_C, targets_M_C]), knowledge, trust())
        return lambda embeddings_N_D: head_proba(classifier, head, embeddings_N_D)

    return refit


def _trust(labelled_L_D: FloatArray, targets_L_C: FloatArray, knowledge: Knowledge) -> Trust:
    """How far names count; the pool does not, or dozens of fits would each look at all of it."""
    return replace(knowledge, pool_M_D=knowledge.pool_M_D[:0]).teach(labelled_L_D, targets_L_C).trust


def _masked(head: nn.Linear, kept_D: FloatArray) -> nn.Linear:
    """A head that says of embeddings what this one says of them masked, without a masked copy of them."""
    masked = copy.deepcopy(head)
    with torch.no_grad():
        masked.weight.mul_(torch.from_numpy(kept_D).to(masked.weight.device))
    return masked


def with_refitted_head(
    classifier: TextClassifier,
    labelled_L_D: FloatArray,
    targets_L_C: FloatArray,
    knowledge: Knowledge,
    trust: Trust | None = None,
) -> TextClassifier:
    """The classifier with a head that knows these labels too, in evaluation mode; encoder and temperature are shared.

    Args:
        classifier: a trained one, or an encoder as it came; stays as it is.
        labelled_L_D: embeddings of all that is labelled now; L may be 0 where label names say something.
        targets_L_C: their shares.
        knowledge: names and pool as the classifier's encoder sees them.
        trust: how far names and pool count; None: chosen on these labels.
    """
    refitted = TextClassifier(classifier.encoder, classifier.tokenizer, classifier.config)
    refitted.head = fitted(classifier, labelled_L_D, targets_L_C, knowledge, trust)
    return refitted.eval()


def fitted(
    classifier: TextClassifier,
    labelled_L_D: FloatArray,
    targets_L_C: FloatArray,
    knowledge: Knowledge,
    trust: Trust | None = None,
) -> nn.Linear:
    """A head around the prototypes of names, labelled texts and pool; `trust` None: chosen on the labels."""
    head = copy.deepcopy(classifier.head)
    teacher = knowledge.teach(labelled_L_D, targets_L_C, trust=trust)
    teacher.fit(head, labelled_L_D, targets_L_C, is_multilabel=classifier.config.is_multilabel)
    return head
