"""What a query strategy needs to know of a pool: computed here, and nothing else."""

from collections.abc import Callable, Sequence, Set

import numpy as np

from model.bert import TextClassifier
from model.inference import Progress, embed_texts, head_proba, ignore_progress
from model.query.unlabelled import Need, Unlabelled
from model.refitting import committee_proba, refit_with
from model.types import FloatArray, Targets

Embed = Callable[[Sequence[str]], FloatArray]
"""texts → embeddings_N_D."""
Needs = Set[Need]


def look_untrained(needs: Needs, texts: Sequence[str], labelled: Targets, embed: Embed) -> Unlabelled:
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


def look(
    needs: Needs,
    classifier: TextClassifier,
    texts: Sequence[str],
    labelled: Targets,
    rng: np.random.Generator,
    on_progress: Progress = ignore_progress,
    embed: Embed | None = None,
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
    """
    is_multilabel = classifier.config.is_multilabel
    if not needs:
        return Unlabelled(len(texts), is_multilabel=is_multilabel)
    embeddings_N_D = embed(texts) if embed else embed_texts(classifier, texts, on_progress)
    proba_N_C = head_proba(classifier, classifier.head, embeddings_N_D)
    if needs == {Need.PROBA}:
        return Unlabelled(len(texts), proba_N_C, is_multilabel=is_multilabel)
    labelled_L_D = embed(labelled.texts) if embed else embed_texts(classifier, labelled.texts)
    members = (
        committee_proba(classifier, embeddings_N_D, labelled_L_D, labelled.targets_N_C, rng)
        if Need.MEMBERS in needs
        else None
    )
    return Unlabelled(
        size=len(texts),
        proba_N_C=proba_N_C,
        proba_N_K_C=members,
        embeddings_N_D=embeddings_N_D,
        labelled_L_D=labelled_L_D,
        labelled_proba_L_C=head_proba(classifier, classifier.head, labelled_L_D),
        refit=refit_with(classifier, labelled_L_D, labelled.targets_N_C),
        is_multilabel=is_multilabel,
    )
