"""What a model version would say of labelled texts that it had not seen: it is trained anew without them, in folds."""

import numpy as np
import torch

from model.encoder.classifier import TextClassifier
from model.encoder.stages import Steps
from model.learner.calibration import predict_out_of_fold
from model.learner.fitting import Fitter, read_material
from model.learner.recipes import TrainingConfig, count_steps, make_plan
from model.learner.training import Start, StepProgress, do_not_stop, ignore_steps
from model.types import FloatArray, IntArray, TrainingData

# More folds leave each classifier more labels, so that it is more like the version. Each costs a training: seconds for
# a head alone, up to a minute for a tuned encoder.
HEAD_FOLDS, TUNED_FOLDS = 20, 5


def held_out_proba(
    data: TrainingData,
    rows_R: IntArray,
    config: TrainingConfig,
    start: Start,
    version: TextClassifier,
    on_step: StepProgress = ignore_steps,
) -> FloatArray:
    """Predict R labelled texts, each by a classifier that was trained like a version, but without the text.

    Args:
        data: all that the version learned from.
        rows_R: rows of the labelled texts that are predicted.
        config: the version's, with the recipe that was used; not `auto`.
        start: the untrained encoder and its embeddings.
        version: the version's classifier, for its temperature.
        on_step: called with (step, steps, loss) after every fine-tuning step; never for a head alone.

    Returns:
        proba_R_C in the order of `rows_R`.
    """
    material = read_material(data, start.classifier, start.embed)
    width, texts = start.classifier.encoder.dimensions, len(data.targets)
    is_tuned = count_steps(make_plan(config, texts, width)) > 0
    mixed_R = np.random.default_rng(config.seed).permutation(len(rows_R))
    dealt = np.array_split(mixed_R, min(TUNED_FOLDS if is_tuned else HEAD_FOLDS, len(rows_R)))
    plans = [make_plan(config, texts - len(fold_M), width) for fold_M in dealt]
    fitter = Fitter(material, config, Steps(sum(map(count_steps, plans)), on_step, do_not_stop))
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        held_out = predict_out_of_fold(fitter, [rows_R[fold_M] for fold_M in dealt], plans)
    proba_R_C = version.proba(torch.from_numpy(held_out.logits_M_C)).numpy()
    in_order_R_C: FloatArray = np.empty_like(proba_R_C)
    in_order_R_C[np.concatenate(dealt)] = proba_R_C
    return in_order_R_C
