"""Compute the features of a pool that a query strategy needs, and no others."""

from collections.abc import Sequence, Set
from dataclasses import dataclass

import numpy as np

from model.encoder.classifier import TextClassifier
from model.encoder.inference import head_proba
from model.learner.knowledge import Embed, Knowledge
from model.learner.refitting import HeadData, committee_proba, refit_with
from model.query.unlabelled import Need, Unlabelled
from model.types import FloatArray, LabelledEmbeddings, Targets

Needs = Set[Need]


@dataclass(frozen=True)
class Reader:
    """A trained classifier, its encoder as a function, and the label names and pool that the encoder has read.

    Attributes:
        classifier: a trained classifier.
        embed: the classifier's encoder: texts → embeddings_N_D.
        knowledge: label names and pool as the encoder embeds them.
    """

    classifier: TextClassifier
    embed: Embed
    knowledge: Knowledge


def compute_untrained_features(needs: Needs, texts: Sequence[str], labelled: Targets, embed: Embed) -> Unlabelled:
    """Compute features of N texts before there is a classifier.

    Args:
        needs: of a strategy that takes no classifier.
        texts: the pool.
        labelled: texts that have labels already.
        embed: the untrained encoder; called once, and only if the strategy needs embeddings.
    """
    if Need.EMBEDDINGS not in needs:
        return Unlabelled(len(texts))
    both_M_D = embed([*texts, *labelled.texts])
    return Unlabelled(len(texts), embeddings_N_D=both_M_D[: len(texts)], labelled_L_D=both_M_D[len(texts) :])


def compute_features(
    needs: Needs, reader: Reader, texts: Sequence[str], labelled: Targets, rng: np.random.Generator
) -> Unlabelled:
    """Compute features of N texts with a trained classifier.

    Args:
        needs: the features to compute; without any, the encoder is not called.
        reader: classifier, encoder and knowledge.
        texts: the pool.
        labelled: texts that have labels; embedded only if more than probabilities is needed.
        rng: for a committee.
    """
    if not needs:
        return Unlabelled(len(texts), link=reader.classifier.link)
    if needs == {Need.PROBA}:
        labelled = labelled.some(np.zeros(0, dtype=int))
    both_M_D = reader.embed([*texts, *labelled.texts])
    embeddings_N_D, labelled_L_D = both_M_D[: len(texts)], both_M_D[len(texts) :]
    data = HeadData(reader.classifier, LabelledEmbeddings(labelled_L_D, labelled.targets_N_C), reader.knowledge)
    return features_from_embeddings(needs, data, embeddings_N_D, rng)


def features_from_embeddings(
    needs: Needs, data: HeadData, embeddings_N_D: FloatArray, rng: np.random.Generator
) -> Unlabelled:
    """Compute features of N texts from their embeddings.

    Args:
        needs: the features to compute.
        data: the trained classifier; its labels and knowledge are read only if more than probabilities is needed.
        embeddings_N_D: the pool as the classifier's encoder embeds it.
        rng: for a committee.
    """
    classifier, labelled_L_D = data.classifier, data.labelled.embeddings_L_D
    proba_N_C = head_proba(classifier, classifier.head, embeddings_N_D)
    if needs == {Need.PROBA}:
        return Unlabelled(len(proba_N_C), proba_N_C, link=classifier.link)
    return Unlabelled(
        size=len(proba_N_C),
        proba_N_C=proba_N_C,
        proba_N_K_C=committee_proba(data, embeddings_N_D, rng) if Need.MEMBERS in needs else None,
        embeddings_N_D=embeddings_N_D,
        labelled_L_D=labelled_L_D,
        labelled_proba_L_C=head_proba(classifier, classifier.head, labelled_L_D),
        refit=refit_with(data),
        link=classifier.link,
    )
