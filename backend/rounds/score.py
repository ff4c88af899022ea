"""The pool as a query strategy sees it: kept embeddings, and a head that knows every label there is."""

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from backend.rounds.context import InUse, RoundContext
from backend.rounds.facts import reorders_on_every_label
from backend.rounds.sync import Synced
from backend.store.embeddings import EmbeddingCache
from backend.work.classifiers import with_labels
from backend.work.pool.parts import PartWorker, embed_in_parts
from backend.work.sources import Source
from model.learner.acquisition import compute_untrained_features, features_from_embeddings
from model.learner.knowledge import Embed, Knowledge, know
from model.learner.model_version import ModelVersion
from model.learner.refitting import HeadData, with_refitted_head
from model.learner.registry import data_sha256
from model.learner.training import Trained, train_on_knowledge
from model.query.strategies import Strategy
from model.query.unlabelled import GIVEN, Need, Unlabelled
from model.types import FloatArray, LabelledEmbeddings, Recipe


def compute_pool_features(
    context: RoundContext, synced: Synced, in_use: InUse, strategy: Strategy, rng: np.random.Generator
) -> Unlabelled:
    """Compute the strategy's inputs, and class probabilities wherever there is a classifier.

    Labels that came since the model was trained count already: its head is fitted anew on kept embeddings, which takes
    a fraction of a second.

    Args:
        context: the round.
        synced: the project.
        in_use: the classifier to go by.
        strategy: whose inputs are computed.
        rng: draws a committee.
    """
    texts = [text.text for text in synced.pool]
    needs = strategy.needs - GIVEN
    # With several questions, another question may need the embeddings of other texts.
    embed = embedder(context, in_use.version, prune=synced.questions == 1)
    if not in_use.has_model and not in_use.has_names:
        return compute_untrained_features(needs, texts, synced.targets, embed)
    both_M_D = embed([*texts, *synced.targets.texts])
    labelled = LabelledEmbeddings(both_M_D[len(texts) :], synced.targets.targets_N_C)
    data = _head_data(context, synced, in_use, labelled)
    features = features_from_embeddings(needs | {Need.PROBA}, data, both_M_D[: len(texts)], rng)
    return replace(features, link=synced.task.link)


def _head_data(context: RoundContext, synced: Synced, in_use: InUse, labelled: LabelledEmbeddings) -> HeadData:
    """The classifier in use, with a head that knows every label where labels count at once; labels, names and pool."""
    knowledge = know_names(context, synced, in_use.version)
    if in_use.named is not None:
        return HeadData(in_use.named.classifier, labelled, knowledge)
    version = in_use.version
    if version is None:
        raise ValueError("there is neither a model version nor a classifier of label names")
    source = Source(version.encoder, version.number)
    trained = HeadData(context.classifiers.get(context.folder, source), labelled, knowledge)
    knows_all = version.data_sha256 == data_sha256(synced.targets)
    if knows_all or not len(labelled) or not reorders_on_every_label(context.folder, synced.settings, in_use):
        return trained
    return replace(trained, classifier=with_refitted_head(trained))


def know_names(context: RoundContext, synced: Synced, version: ModelVersion | None) -> Knowledge:
    """Label names as an encoder sees them, and unlabelled texts with them where the encoder is as it came."""
    embed = embedder(context, version)
    pool = () if source_of(context, version).version else synced.background.pool
    return know(synced.label_texts, synced.task.label_set, embed(pool), embed)


def classify_by_names(context: RoundContext, synced: Synced) -> Trained | None:
    """The classifier of label names, pool and the labels there are, before the first training.

    Returns:
        None where label names tell nothing apart, or there is no text to read.
    """
    if not any(synced.label_texts) or not synced.pool:
        return None
    began = time.monotonic()
    knowledge = know_names(context, synced, None)
    untrained = context.classifiers.get(context.folder, source_of(context, None))
    classifier = with_labels(untrained, synced.task.label_set)
    labelled = LabelledEmbeddings(embedder(context, None)(synced.targets.texts), synced.targets.targets_N_C)
    return train_on_knowledge(HeadData(classifier, labelled, knowledge), began)


def embedder(context: RoundContext, version: ModelVersion | None, *, prune: bool = False) -> Embed:
    """The encoder of a model version, or without one the encoder before any training; embeddings are kept on disk.

    Args:
        context: the round.
        version: whose encoder.
        prune: drop embeddings of texts that are not given.
    """
    source = source_of(context, version)
    worker = PartWorker(context.queue, context.folder, context.classifiers, context.should_stop)

    def embed(texts: Sequence[str]) -> FloatArray:
        # The encoder before any training is the same for every question.
        folder = context.folder.embeddings_folder if source.version else context.folder.shared_embeddings_folder
        cache = EmbeddingCache(folder, source.name)
        parts = partial(embed_in_parts, worker, source, on_progress=context.turn.progress)
        return cache.embed(texts, parts, prune=prune)

    return embed


def source_of(context: RoundContext, version: ModelVersion | None) -> Source:
    """The encoder to embed with: a head alone leaves the encoder, and its kept embeddings, as they were."""
    encoder = context.settings.bert_model
    if version is None or (version.recipe_used == Recipe.HEAD.value and version.encoder == encoder):
        return Source(encoder)
    return Source(encoder, version.number, version.fingerprint)
