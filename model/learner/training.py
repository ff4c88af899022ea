"""From labelled texts to a calibrated classifier with an estimate of its accuracy. Read `train` from top to bottom.

Recipes differ in their plans alone (`recipes`); `fitting` follows a plan, and the encoder runs the loop of its stages.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch

from model.encoder.classifier import TextClassifier, new_classifier, with_new_head
from model.encoder.inference import head_logits
from model.encoder.processor import never_more_than_available_cores
from model.encoder.stages import Steps
from model.errors import InvalidTargetsError
from model.learner.agreement import Agreement, agreement
from model.learner.calibration import fit_temperature, predict_out_of_fold
from model.learner.evaluation import Evaluation, Measure, evaluate, find_warnings, seen_classes
from model.learner.fitting import Fitter, Material, read_material
from model.learner.folds import deal_folds
from model.learner.held_out import HeldOutAnswers
from model.learner.knowledge import know
from model.learner.prototypes import NO_TRUST, Trust
from model.learner.recipes import Plan, TrainingConfig, choose_recipe, count_steps, make_plan
from model.learner.refitting import HeadData, with_refitted_head
from model.links import link_of
from model.texts.copies import first_of_each
from model.types import Background, FloatArray, IntArray, LabelledEmbeddings, LabelSet, Recipe, Targets, TrainingData

NO_AGREEMENT = Agreement()

StepProgress = Callable[[int, int, float], None]
"""Called with (step, steps, loss) after every fine-tuning step."""


@dataclass(frozen=True)
class Trained:
    """A trained classifier, the effort of its training, and an estimate of its accuracy.

    Attributes:
        classifier: its temperature set.
        recipe: the recipe that was used; never `auto`.
        steps: fine-tuning steps of the classifier itself; steps of the folds are not counted.
        final_loss: loss of the last batch; NaN without fine-tuning.
        train_s: seconds of the whole training, folds included.
        out_of_fold: evaluation on labelled texts, each predicted by a classifier that was trained in the same way
            without that text; None without folds.
        warnings: reasons why the classifier may be poor, in sentences for people.
        weak_labels: number of texts labelled by an LLM that it learned from.
        trust: how far label names and unlabelled texts counted.
        agreement: people's agreement with label names, where the classifier learned from names (`train_on_names`).
        held_out: the answers that `out_of_fold` was measured on; None without folds.
    """

    classifier: TextClassifier
    recipe: Recipe = Recipe.HEAD
    steps: int = 0
    final_loss: float = 0.0
    train_s: float = 0.0
    out_of_fold: Evaluation | None = None
    warnings: tuple[str, ...] = ()
    weak_labels: int = 0
    trust: Trust = NO_TRUST
    agreement: Agreement = NO_AGREEMENT
    held_out: HeldOutAnswers | None = None


@dataclass(frozen=True)
class Start:
    """The untrained classifier that every training begins from.

    Attributes:
        classifier: a pretrained encoder with a head for the labels.
        embed: the same encoder as a function, which may answer from a cache: texts → embeddings_N_D.
    """

    classifier: TextClassifier
    embed: Callable[[Sequence[str]], FloatArray]


def load_start(encoder: str, label_set: LabelSet) -> Start:
    """Read an encoder from disk, without a cache of embeddings."""
    classifier = new_classifier(encoder, label_set)
    return Start(classifier, classifier.encoder.embed)


def ignore_steps(step: int, steps: int, loss: float) -> None:
    """Ignore training steps: the default progress callback."""


def do_not_stop() -> bool:
    """Let long work go on: the default of `should_stop`."""
    return False


def train(
    data: TrainingData,
    config: TrainingConfig,
    start: Start | None = None,
    on_step: StepProgress = ignore_steps,
    should_stop: Callable[[], bool] = do_not_stop,
    measure: Measure | None = None,
) -> Trained:
    """Train a classifier on N texts with target shares.

    Args:
        data: at least two labelled texts, and weak texts, label names and pool.
        config: the recipe and its numbers.
        start: the encoder of `config`, where the caller has it already; None: it is read from disk.
        on_step: called with (step, steps, loss) after every fine-tuning step, steps of the folds included.
        should_stop: asked before every fine-tuning step.
        measure: evaluates predictions of held-out texts; None: by their classes alone.

    Raises:
        InvalidTargetsError: nothing can be learned from these labels; names the task where one is at fault.
        TrainingDivergedError: the loss became NaN or infinite; names tasks.
        TrainingCancelledError: `should_stop` returned True.
    """
    check_trainable(data.targets)
    began = time.monotonic()
    never_more_than_available_cores()
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        start = _with_fresh_head(start) if start else load_start(config.encoder, data.targets.label_set)
        material = read_material(data, start.classifier, start.embed)
        schedule = _make_schedule(config, material)
        fitter = Fitter(material, schedule.config, Steps(schedule.count_steps(), on_step, should_stop))
        held_out = predict_out_of_fold(fitter, schedule.folds, schedule.fold_plans)
        fitted = fitter.fit(np.arange(len(data.targets)), schedule.plan, with_weak=True)
    classifier = _with_temperature(fitted.classifier, held_out.fit_temperature())
    out_of_fold = held_out.evaluate(classifier, measure or partial(evaluate, link=classifier.link))
    return Trained(
        classifier=classifier,
        recipe=schedule.config.recipe,
        steps=count_steps(schedule.plan),
        final_loss=fitted.loss,
        train_s=time.monotonic() - began,
        out_of_fold=out_of_fold,
        warnings=tuple(find_warnings(data.targets, out_of_fold, has_names=fitted.trust.names)),
        weak_labels=len(material.weak),
        trust=fitted.trust,
        held_out=held_out.answers(classifier, data.targets),
    )


def check_trainable(targets: Targets) -> None:
    """Raise InvalidTargetsError unless something can be learned."""
    for task_id, text, shares_C in zip(targets.task_ids, targets.texts, targets.targets_N_C, strict=True):
        if not text.strip():
            raise InvalidTargetsError(f"task {task_id} is labelled but has no text: remove its labels or fix its data")
        if not np.isfinite(shares_C).all():
            raise InvalidTargetsError(f"task {task_id} has a label share that is no number: label it again")
    if len(targets) < 2 or not targets.targets_N_C.any():
        raise InvalidTargetsError(
            f"training needs at least 2 labelled texts; there are {len(targets)} "
            f"with {len(seen_classes(targets.targets_N_C))} different labels: label a few more"
        )


def _with_fresh_head(start: Start) -> Start:
    """Draw a head by the training's seed: `full` begins from random weights, and the given head may be any."""
    label_set = start.classifier.config.label_set
    return replace(start, classifier=with_new_head(start.classifier.encoder, label_set))


def _with_temperature(classifier: TextClassifier, temperature: float) -> TextClassifier:
    return replace(classifier, config=replace(classifier.config, temperature=temperature))


@dataclass(frozen=True)
class _Schedule:
    """The plans of one training.

    Attributes:
        config: the recipe chosen.
        plan: for the classifier itself.
        folds: rows of each part that is held out.
        fold_plans: for the classifier of each fold.
    """

    config: TrainingConfig
    plan: Plan
    folds: Sequence[IntArray]
    fold_plans: Sequence[Plan]

    def count_steps(self) -> int:
        """Fine-tuning steps of all plans together."""
        return sum(map(count_steps, [self.plan, *self.fold_plans]))


def _make_schedule(config: TrainingConfig, material: Material) -> _Schedule:
    targets, width = material.data.targets, material.classifier.encoder.dimensions
    if config.recipe is Recipe.AUTO:
        recipe = choose_recipe(targets.targets_N_C, material.targets_N_D, config.batch_size)
        config = replace(config, recipe=recipe)
    if len(seen_classes(targets.targets_N_C)) < link_of(targets.label_set).least_classes:
        # Labels of one class tell nothing apart, and no held-out text could show that the classifier is too sure.
        config = replace(config, recipe=Recipe.HEAD, folds=0)
    rng, copies_N = np.random.default_rng(config.seed), first_of_each(targets.texts)
    folds = deal_folds(targets.targets_N_C, config.folds, rng, copies_N)
    return _Schedule(
        config=config,
        plan=make_plan(config, len(targets) + len(material.weak), width),
        folds=folds,
        fold_plans=[make_plan(config, len(targets) - len(rows_M), width, is_fold=True) for rows_M in folds],
    )


def train_on_names(targets: Targets, start: Start, background: Background) -> Trained | None:
    """Fit a head on label names, pool and N >= 0 labelled texts; the encoder is not trained.

    Args:
        targets: the labelled texts.
        start: the encoder and its embeddings.
        background: label names and unlabelled texts.

    Returns:
        None where label names tell no classes apart.
    """
    began = time.monotonic()
    embed = start.embed
    knowledge = know(background.label_texts, targets.label_set, embed(background.pool), embed)
    labelled = LabelledEmbeddings(embed(targets.texts), targets.targets_N_C)
    return train_on_knowledge(HeadData(start.classifier, labelled, knowledge), began)


def train_on_knowledge(data: HeadData, began: float) -> Trained | None:
    """Do the work of `train_on_names` on embeddings that the caller has.

    Args:
        data: the untrained classifier, labelled texts, label names and pool.
        began: start of the work, by `time.monotonic`.

    Returns:
        None where label names tell no classes apart.
    """
    if not data.knowledge.tells_apart:
        return None
    labelled = data.labelled
    no_labels = LabelledEmbeddings(labelled.embeddings_L_D[:0], labelled.targets_L_C[:0])
    # A head of names alone has not seen the labels: they measure how sure it may be, and how often it is right.
    by_names = with_refitted_head(replace(data, labelled=no_labels))
    logits_L_C = head_logits(by_names.head, labelled.embeddings_L_D)
    temperature = fit_temperature(logits_L_C, labelled.targets_L_C, data.classifier.link)
    trust = data.knowledge.teach(labelled).trust
    refitted = _with_temperature(with_refitted_head(data, trust), temperature)
    agreed = agreement(logits_L_C, labelled.targets_L_C)
    return Trained(refitted, train_s=time.monotonic() - began, trust=trust, agreement=agreed)
