"""Predict labelled texts as if a model version had not learned from them: it is trained again without them."""

import numpy as np
import torch

from model.encoder.classifier import TextClassifier
from model.encoder.stages import Steps
from model.learner.calibration import predict_out_of_fold
from model.learner.fitting import Fitter, read_material
from model.learner.recipes import TrainingConfig, count_steps, make_plan
from model.learner.training import Start, StepProgress, do_not_stop, ignore_steps
from model.types import FloatArray, IntArray, TrainingData

# With more folds each classifier has more labels and is more like the version. A fold costs a training: seconds for a
# head alone, up to a minute for a tuned encoder.
HEAD_FOLDS, TUNED_FOLDS = 20, 5


def held_out_proba(
    data: TrainingData,
    rows_R: IntArray,
    config: TrainingConfig,
    start: Start,
    version: TextClassifier,
    on_step: StepProgress = ignore_steps,
    *,
    first_N: IntArray | None = None,
) -> FloatArray:
    """Predict R labelled texts, each by a classifier that was trained like a version, but without the text.

    Texts that are the same are held out together: a copy with its label would give the answer away.

    Args:
        data: the version's training data, N texts.
        rows_R: rows of the labelled texts that are predicted.
        config: the version's, with the recipe that was used; not `auto`.
        start: the untrained encoder and its embeddings.
        version: the version's classifier, for its temperature.
        on_step: called with (step, steps, loss) after every fine-tuning step; never for a head alone.
        first_N: for each text the row of the first one that is the same; None if all differ.

    Returns:
        proba_R_C in the order of `rows_R`.
    """
    material = read_material(data, start.classifier, start.embed)
    width, texts = start.classifier.encoder.dimensions, len(data.targets)
    is_tuned = count_steps(make_plan(config, texts, width)) > 0
    first_N = np.arange(texts) if first_N is None else first_N
    mixed_G = np.random.default_rng(config.seed).permutation(np.unique(first_N[rows_R]))
    dealt = np.array_split(mixed_G, min(TUNED_FOLDS if is_tuned else HEAD_FOLDS, len(mixed_G)))
    folds = [np.flatnonzero(np.isin(first_N, firsts)) for firsts in dealt]
    plans = [make_plan(config, texts - len(fold_M), width) for fold_M in folds]
    fitter = Fitter(material, config, Steps(sum(map(count_steps, plans)), on_step, do_not_stop))
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        held_out = predict_out_of_fold(fitter, folds, plans)
    place_N = np.zeros(texts, dtype=np.int64)
    place_N[held_out.rows_M] = np.arange(len(held_out.rows_M))
    proba_R_C: FloatArray = version.proba(torch.from_numpy(held_out.logits_M_C[place_N[rows_R]])).numpy()
    return proba_R_C
