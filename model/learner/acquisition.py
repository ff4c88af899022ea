"""What a query strategy needs to know of a pool: computed here, and nothing else."""

from collections.abc import Sequence, Set
from functools import partial

import numpy as np

from model.encoder.bert import TextClassifier
from model.encoder.inference import embed_texts, head_proba
from model.learner.knowledge import Embed, Knowledge, know_nothing
from model.learner.refitting import committee_proba, refit_with
from model.progress import Progress, ignore_progress
from model.query.unlabelled import Need, Unlabelled
from model.types import FloatArray, Targets

Needs = Set[Need]


def compute_untrained_features(needs: Needs, texts: Sequence[str], labelled: Targets, embed: Embed) -> Unlabelled:
    """Look at N texts before there is a classifier.

    Args:
        needs: of a strategy that can do without one.
        texts: the pool.
        labelled: what has labels already.
        embed: the untrained encoder; called once, and only if the strategy wants it.
    """
    if Need.EMBEDDINGS not in needs:
        return Unlabelled(len(texts))
    both_M_D = embed([*texts, *labelled.texts])
    return Unlabelled(len(texts), embeddings_N_D=both_M_D[: len(texts)], labelled_L_D=both_M_D[len(texts) :])


def compute_features(
    needs: Needs,
    classifier: TextClassifier,
    texts: Sequence[str],
    labelled: Targets,
    rng: np.random.Generator,
    on_progress: Progress = ignore_progress,
    embed: Embed | None = None,
    knowledge: Knowledge | None = None,
) -> Unlabelled:
    """Look at N texts with a trained classifier.

    Args:
        needs: what is wanted.
        classifier: a trained one.
        texts: the pool.
        labelled: what it was trained on.
        rng: for a committee.
        on_progress: called with (texts done, N) after every batch.
        embed: the classifier's embeddings, where somebody has them already.
        knowledge: label names and pool as the classifier's encoder sees them; None: neither is known.
    """
    if not needs:
        return Unlabelled(len(texts), is_multilabel=classifier.config.is_multilabel)
    embed = embed or partial(embed_texts, classifier, on_progress=on_progress)
    if needs == {Need.PROBA}:
        return features_from_embeddings(
            needs, classifier, embed(texts), np.zeros((0, 0)), labelled.targets_N_C, rng, knowledge
        )
    both_M_D = embed([*texts, *labelled.texts])
    return features_from_embeddings(
        needs, classifier, both_M_D[: len(texts)], both_M_D[len(texts) :], labelled.targets_N_C, rng, knowledge
    )


def features_from_embeddings(
    needs: Needs,
    classifier: TextClassifier,
    embeddings_N_D: FloatArray,
    labelled_L_D: FloatArray,
    targets_L_C: FloatArray,
    rng: np.random.Generator,
    knowledge: Knowledge | None = None,
) -> Unlabelled:
    """`look`, at texts whose embeddings are known.

    Args:
        needs: what is wanted.
        classifier: whose head says what they are.
        embeddings_N_D: of the pool.
        labelled_L_D: of what is labelled; looked at only if more than probabilities is wanted.
        targets_L_C: the shares of those.
        rng: for a committee.
        knowledge: label names and pool as the classifier's encoder sees them; None: neither is known.
    """
    is_multilabel = classifier.config.is_multilabel
    proba_N_C = head_proba(classifier, classifier.head, embeddings_N_D)
    if needs == {Need.PROBA}:
        return Unlabelled(len(proba_N_C), proba_N_C, is_multilabel=is_multilabel)
    knowledge = knowledge or know_nothing(*classifier.head.weight.shape, is_multilabel=is_multilabel)
    members = (
        committee_proba(classifier, embeddings_N_D, labelled_L_D, targets_L_C, knowledge, rng)
        if Need.MEMBERS in needs
        else None
    )
    return Unlabelled(
        size=len(proba_N_C),
        proba_N_C=proba_N_C,
        proba_N_K_C=members,
        embeddings_N_D=embeddings_N_D,
        labelled_L_D=labelled_L_D,
        labelled_proba_L_C=head_proba(classifier, classifier.head, labelled_L_D),
        refit=refit_with(classifier, labelled_L_D, targets_L_C, knowledge),
        is_multilabel=is_multilabel,
    )
