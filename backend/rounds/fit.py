"""The training of a round, and the choice of the model version to use."""

import logging
from dataclasses import replace

from backend.errors import REFUSALS, RedisUnavailableError, TurnLostError, lacked_memory, system_refused
from backend.rounds.context import RoundContext
from backend.rounds.judging.gate import admit
from backend.rounds.llm.checking import labels_that_train
from backend.rounds.score import embedder
from backend.rounds.sync import Synced
from backend.work.states import TRAINING
from model.encoder.classifier import new_classifier
from model.encoder.processor import is_out_of_memory
from model.errors import ShortlistError, TrainingCancelledError, TrainingFailedError
from model.learner.model_version import ModelVersion
from model.learner.recipes import TrainingConfig
from model.learner.training import Start, Trained, check_trainable
from model.tasks.classification.llm import WEAK_WEIGHT
from model.types import TrainingData

# Smallest batch: pairs of like and unlike texts need a few texts, and a step takes a quarter of the usual memory.
SMALLEST_BATCH = 4
_REASON_CHARACTERS = 200

log = logging.getLogger(__name__)


def try_fit(
    context: RoundContext, synced: Synced, *, is_due: bool
) -> tuple[ModelVersion | None, ShortlistError | None]:
    """Train if a training is due. A training that fails leaves the version in use: an order is still published.

    Returns:
        The version to use, None while there is none; and why the training failed, None if it did not.

    Raises:
        TrainingCancelledError: the process wants to end.
        TurnLostError: another worker runs a round of the project now.
        RedisUnavailableError: Redis does not answer; the round is tried again.
    """
    try:
        return fit(context, synced, is_due=is_due), None
    except (TrainingCancelledError, TurnLostError, RedisUnavailableError):
        raise
    except ShortlistError as error:
        failure = error
        log.error("event=training_failed project=%d code=%s reason=%s", context.project_id, error.code, error)
    except Exception as error:
        failure = TrainingFailedError(_why_it_failed(error))
        log.exception("event=training_failed project=%d code=%s", context.project_id, failure.code)
    return usable(context.folder.registry.current(), synced), failure


def _why_it_failed(error: Exception) -> str:
    """Return why a training broke off, and the mend."""
    if is_out_of_memory(error):
        return lacked_memory("the training")
    if isinstance(error, REFUSALS):
        return system_refused(error)
    said = " ".join(str(error).split())[:_REASON_CHARACTERS]
    return f"the training broke off with {type(error).__name__} ({said}): the worker's log has the details"


def fit(context: RoundContext, synced: Synced, *, is_due: bool) -> ModelVersion | None:
    """Train if a training is due; returns the version to use, None while there is none.

    Raises:
        ShortlistError: nothing can be learned from the labels, or the training diverged.
        TrainingCancelledError: the process wants to end.
    """
    registry = context.folder.registry
    if not is_due:
        # The newest version may be a killed round's, which was never made current, or one that waits.
        pending = usable(registry.pending(), synced)
        return usable(registry.current(), synced) if pending is None else admit(context, synced, pending)
    check_trainable(synced.targets)
    context.turn.step(TRAINING)
    config = TrainingConfig(recipe=synced.settings.recipe, encoder=context.settings.bert_model)
    trained = _train(context, synced, config)
    version = registry.write(trained, synced.targets, config, synced.label_texts, synced.task.control)
    _log_trained(context.project_id, version, trained)
    return admit(context, synced, version)


def _train(context: RoundContext, synced: Synced, config: TrainingConfig) -> Trained:
    weak = labels_that_train(context.folder, synced, context.settings.llm_name)
    data = TrainingData(synced.targets, weak, WEAK_WEIGHT, synced.background)
    # Most of the labelled texts were embedded when the pool was put in order first.
    start = Start(new_classifier(config.encoder, synced.targets.label_set), embedder(context, None))
    while True:
        try:
            return synced.task.fit(data, config, start, context.turn.progress, context.should_stop)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error) or config.batch_size <= SMALLEST_BATCH:
                raise
            config = replace(config, batch_size=max(SMALLEST_BATCH, config.batch_size // 2))
            log.warning("event=smaller_batches project=%d batch_size=%d", context.project_id, config.batch_size)


def _log_trained(project_id: int, version: ModelVersion, trained: Trained) -> None:
    log.info(
        "event=trained project=%d version=%d labels=%d recipe=%s seconds=%.1f out_of_fold_accuracy=%s",
        project_id,
        version.number,
        version.labels,
        trained.recipe.value,
        trained.train_s,
        f"{trained.out_of_fold.accuracy:.3f}" if trained.out_of_fold else "none",
    )
    for warning in trained.warnings:
        log.warning("event=weak_version project=%d version=%d reason=%s", project_id, version.number, warning)


def usable(version: ModelVersion | None, synced: Synced) -> ModelVersion | None:
    """Return the version; None if the labeling config asks another question in its place now, or has other labels."""
    return version if version is not None and version.fits(synced.task.control, synced.task.label_set) else None
