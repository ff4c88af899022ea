"""What is known of a pool when it is put in order: kept embeddings, and a head that knows every label there is."""

import time
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from backend.rounds.plan import reorders_on_every_label
from backend.rounds.sync import Synced
from backend.settings import Settings
from backend.store.embeddings import EmbeddingCache
from backend.store.project_folder import ProjectFolder
from backend.work.parts import drop_parts, embed_in_parts
from backend.work.queue import Turn
from backend.work.sources import Source
from model.encoder.bert import TextClassifier, new_classifier
from model.learner.acquisition import compute_untrained_features, features_from_embeddings
from model.learner.knowledge import Embed, Knowledge, know
from model.learner.recipes import Recipe
from model.learner.refitting import HeadData, with_refitted_head
from model.learner.registry import ModelVersion, data_sha256
from model.learner.training import Trained, do_not_stop, train_on_knowledge
from model.query.strategies import Strategy
from model.query.unlabelled import Need, Unlabelled
from model.types import FloatArray, LabelledEmbeddings, LabelSet


def compute_pool_features(
    settings: Settings,
    folder: ProjectFolder,
    synced: Synced,
    strategy: Strategy,
    version: ModelVersion | None,
    rng: np.random.Generator,
    turn: Turn,
    should_stop: Callable[[], bool] = do_not_stop,
    named: Trained | None = None,
) -> Unlabelled:
    """Compute what the strategy needs: with a model by it, and probabilities always; without one by label names.

    `named` is the classifier of label names, where there is no model and names say something.

    Labels that came since the model was trained count already: its head is fitted anew on kept embeddings, which takes
    a fraction of a second.
    """
    texts = [text.text for text in synced.pool]
    # An LLM's picks are there already.
    needs = strategy.needs - {Need.PICKS}
    embed = embedder(settings, folder, version, turn, should_stop, are_all=True)
    if version is None and named is None:
        return compute_untrained_features(needs, texts, synced.targets, embed)
    both_M_D = embed([*texts, *synced.targets.texts])
    labelled = LabelledEmbeddings(both_M_D[len(texts) :], synced.targets.targets_N_C)
    knowledge = know_names(settings, folder, synced, version, turn, should_stop)
    if named is not None:
        classifier = named.classifier
    elif version is not None:
        classifier = version.load()
        if len(labelled) and _knows_less(version, synced) and reorders_on_every_label(folder, synced.settings, version):
            classifier = with_refitted_head(HeadData(classifier, labelled, knowledge))
    data = HeadData(classifier, labelled, knowledge)
    return features_from_embeddings(needs | {Need.PROBA}, data, both_M_D[: len(texts)], rng)


def know_names(
    settings: Settings,
    folder: ProjectFolder,
    synced: Synced,
    version: ModelVersion | None,
    turn: Turn,
    should_stop: Callable[[], bool] = do_not_stop,
) -> Knowledge:
    """Label names as an encoder sees them, and the pool with them where the encoder is as it came."""
    embed = embedder(settings, folder, version, turn, should_stop)
    pool = synced.background.pool if not source_of(settings, version).version else ()
    return know(synced.label_texts, synced.classification.label_set, embed(pool), embed)


def classify_by_names(
    settings: Settings,
    folder: ProjectFolder,
    synced: Synced,
    turn: Turn,
    should_stop: Callable[[], bool] = do_not_stop,
) -> Trained | None:
    """The classifier of label names, pool and the labels there are, before the first training.

    Returns:
        None where label names tell nothing apart, or there is no text to read.
    """
    if not any(synced.label_texts) or not synced.pool:
        return None
    began = time.monotonic()
    embed = embedder(settings, folder, None, turn, should_stop)
    knowledge = know_names(settings, folder, synced, None, turn, should_stop)
    classifier = _as_it_came(settings.bert_model, synced.classification.label_set)
    labelled = LabelledEmbeddings(embed(synced.targets.texts), synced.targets.targets_N_C)
    return train_on_knowledge(HeadData(classifier, labelled, knowledge), began)


@lru_cache(maxsize=1)
def _as_it_came(encoder: str, label_set: LabelSet) -> TextClassifier:
    """The encoder before any training, read once for the many labels that come before the first one."""
    return new_classifier(encoder, label_set).eval()


def _knows_less(version: ModelVersion, synced: Synced) -> bool:
    return version.data_sha256 != data_sha256(synced.targets)


def embedder(
    settings: Settings,
    folder: ProjectFolder,
    version: ModelVersion | None,
    turn: Turn,
    should_stop: Callable[[], bool] = do_not_stop,
    *,
    are_all: bool = False,
) -> Embed:
    """A model version's encoder, or without one the encoder before any training; what it says is kept on disk.

    Args:
        are_all: whether it is asked for all of the project's texts at once, so that what is of others may go.
    """

    source = source_of(settings, version)

    def embed_missing(missing: Sequence[str]) -> FloatArray:
        return embed_in_parts(turn.queue, folder, source, missing, turn.progress, should_stop)

    def embed(texts: Sequence[str]) -> FloatArray:
        embeddings_N_D = EmbeddingCache(folder.embeddings_folder, source.name).embed(
            texts, embed_missing, are_all=are_all
        )
        drop_parts(folder)
        return embeddings_N_D

    return embed


def source_of(settings: Settings, version: ModelVersion | None) -> Source:
    """What embeds: a head alone leaves the encoder, and what is kept of it, as they were."""
    if version is None or (version.recipe_used == Recipe.HEAD.value and version.encoder == settings.bert_model):
        return Source(settings.bert_model)
    return Source(settings.bert_model, version.number)
