"""What is known of a pool when it is put in order: kept embeddings, and a head that knows every label there is."""

from collections.abc import Sequence

import numpy as np

from backend.due import is_live
from backend.jobs import Turn
from backend.projects import ProjectFolder
from backend.settings import Settings
from backend.syncing import Synced
from model.acquisition import Embed, look_at, look_untrained
from model.bert import new_classifier
from model.inference import embed_texts
from model.pool import EmbeddingCache
from model.query.strategies import Strategy
from model.query.unlabelled import Need, Unlabelled
from model.recipes import Recipe
from model.refitting import with_refitted_head
from model.registry import ModelVersion, data_sha256
from model.types import FloatArray


def look_at_pool(
    settings: Settings,
    folder: ProjectFolder,
    synced: Synced,
    strategy: Strategy,
    version: ModelVersion | None,
    rng: np.random.Generator,
    turn: Turn,
) -> Unlabelled:
    """Compute what the strategy needs: with a model by it, and probabilities always; without one by the encoder.

    Labels that came since the model was trained count already: its head is fitted anew on kept embeddings, which takes
    a fraction of a second.
    """
    texts = [text.text for text in synced.pool]
    # An LLM's picks are there already.
    needs = strategy.needs - {Need.PICKS}
    embed = embedder(settings, folder, synced, version, turn, are_all=True)
    if version is None:
        return look_untrained(needs, texts, synced.targets, embed)
    both_M_D = embed([*texts, *synced.targets.texts])
    embeddings_N_D, labelled_L_D = both_M_D[: len(texts)], both_M_D[len(texts) :]
    classifier, targets_L_C = version.load(), synced.targets.targets_N_C
    if len(labelled_L_D) and _knows_less(version, synced) and is_live(folder, synced.settings, version):
        classifier = with_refitted_head(classifier, labelled_L_D, targets_L_C)
    return look_at(needs | {Need.PROBA}, classifier, embeddings_N_D, labelled_L_D, targets_L_C, rng)


def _knows_less(version: ModelVersion, synced: Synced) -> bool:
    return version.data_sha256 != data_sha256(synced.targets)


def embedder(
    settings: Settings,
    folder: ProjectFolder,
    synced: Synced,
    version: ModelVersion | None,
    turn: Turn,
    *,
    are_all: bool = False,
) -> Embed:
    """A model version's encoder, or without one the encoder before any training; what it says is kept on disk.

    Args:
        are_all: whether it is asked for all of the project's texts at once, so that what is of others may go.
    """

    def embed_missing(missing: Sequence[str]) -> FloatArray:
        classifier = version.load() if version else new_classifier(settings.bert_model, synced.classification.label_set)
        return embed_texts(classifier, missing, turn.progress)

    cache = EmbeddingCache(folder.embeddings_folder, encoder_name(settings, version))
    return lambda texts: cache.embed(texts, embed_missing, are_all=are_all)


def encoder_name(settings: Settings, version: ModelVersion | None) -> str:
    """What a version's embeddings are kept under: a head alone leaves the encoder, and what is kept, as they were."""
    if version is None or (version.recipe_used == Recipe.HEAD.value and version.encoder == settings.bert_model):
        return settings.bert_model
    return f"version-{version.number}"
